//! The workspace as cargo describes it, and the targets in it that become modules.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use cargo_metadata::{Dependency, DependencyKind, Metadata, Package, Target};
use fs_err as fs;
use serde_json::Value;
use toml::Table;
use wasm_oci_app::config::settings::closest;
use wasm_oci_app::rustc::error_message;

use crate::cargo::env::{CargoEnv, traced};
use crate::cargo::error::Error;
use crate::cargo::pattern::{glob, is_listed};
use crate::cargo::selection::Selection;

/// The key of our settings in `[package.metadata]` and `[workspace.metadata]`.
const METADATA_KEY: &str = "wasm-oci";

#[derive(Debug, Clone)]
pub struct Workspace {
    metadata: Metadata,
    /// Every target of every member that becomes a module.
    all_projects: Vec<Project>,
    manifest: Table,
    target_dir: PathBuf,
    build_dir: PathBuf,
}

/// A target that becomes a module, and its package.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// cargo's identifier of the package.
    pub package_id: String,
    pub package: String,
    pub target: String,
    pub kind: TargetKind,
    /// File that cargo builds the module into, relative to the profile's folder and in lower case: targets with the same
    /// text overwrite each other's module, on file systems that ignore case at the latest.
    pub file: String,
    /// True for a library. Its intermediate file has no hash in its name, either.
    pub is_library: bool,
    /// Features without which cargo skips the target.
    pub required_features: Vec<String>,
    /// True if `default-run` names the target.
    pub is_default_run: bool,
    pub version: String,
    pub manifest_path: PathBuf,
    pub authors: Vec<String>,
    pub description: Option<String>,
    pub license: Option<String>,
    pub documentation: Option<String>,
    pub homepage: Option<String>,
    pub repository: Option<String>,
    /// `package.metadata.wasm-oci`
    pub metadata: Option<Value>,
}

wasm_oci_core::named_enum! {
    /// A kind of target that becomes a module, by cargo's name.
    pub enum TargetKind: "kind of target" {
        /// A command, with `main`.
        Bin = "bin",
        /// An example, which may be a library of the kind below.
        Example = "example",
        /// A library that exports functions: a reactor.
        Cdylib = "cdylib",
    }
}

impl TargetKind {
    pub(crate) fn of(target: &Target) -> Option<TargetKind> {
        let makes_module =
            target.crate_types.iter().any(|t| matches!(t.to_string().as_str(), "bin" | "cdylib"));
        // An example may be a plain library, which makes no module.
        match target {
            _ if !makes_module => None,
            target if target.is_bin() => Some(TargetKind::Bin),
            target if target.is_example() => Some(TargetKind::Example),
            target if target.is_cdylib() => Some(TargetKind::Cdylib),
            _ => None,
        }
    }
}

/// Returns the output of `cargo metadata`.
pub(crate) fn ask_cargo(env: &CargoEnv, selection: &Selection) -> Result<String, Error> {
    let mut command = env.command(env.cargo());
    // With dependencies, cargo would have to resolve all of them, and maybe download some.
    command.args(["metadata", "--no-deps", "--format-version", "1"]).args(selection.common_args());
    let output = traced(command.stdin(Stdio::null())).output();
    let output =
        output.map_err(|source| Error::NotStarted { program: env.cargo().to_owned(), source })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::MetadataFailed { message: error_message(&output.stderr) }),
    }
}

impl Workspace {
    pub fn load(env: &CargoEnv, selection: &Selection) -> Result<Workspace, Error> {
        Workspace::parse(&ask_cargo(env, selection)?, env, selection)
    }

    /// Parses the output of `cargo metadata`.
    pub(crate) fn parse(
        text: &str,
        env: &CargoEnv,
        selection: &Selection,
    ) -> Result<Workspace, Error> {
        let metadata: Metadata = serde_json::from_str(text).map_err(Error::MetadataUnreadable)?;
        let reported = metadata.target_directory.clone().into_std_path_buf();
        let reported_build =
            metadata.build_directory.clone().map_or_else(|| reported.clone(), PathBuf::from);
        // `cargo metadata` has no `--target-dir`.
        let target_dir = selection
            .target_dir
            .as_ref()
            .map_or_else(|| reported.clone(), |dir| env.cwd().join(dir));
        // By default both are one folder, so `--target-dir` moves both. Older versions of cargo
        // report only the target directory.
        let build_dir =
            if reported_build == reported { target_dir.clone() } else { reported_build };
        // cargo has read the manifest, too, and would have reported an error in it.
        let manifest =
            fs::read_to_string(metadata.workspace_root.join("Cargo.toml")).unwrap_or_default();
        let manifest = manifest.parse().unwrap_or_default();
        let of_package = |package| {
            modules(package).map(move |(target, kind)| Project::new(package, target, kind))
        };
        let all_projects = metadata.packages.iter().flat_map(of_package).collect();
        Ok(Workspace { metadata, all_projects, manifest, target_dir, build_dir })
    }

    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    pub fn manifest_path(&self) -> PathBuf {
        self.root().join("Cargo.toml")
    }

    /// Returns the workspace's `Cargo.toml`, the only one with profiles.
    pub(crate) fn manifest(&self) -> &Table {
        &self.manifest
    }

    pub fn target_dir(&self) -> &Path {
        &self.target_dir
    }

    /// Returns the folder of intermediate results, usually the target directory.
    pub fn build_dir(&self) -> &Path {
        &self.build_dir
    }

    /// Returns the table `workspace.metadata.wasm-oci`.
    pub fn metadata(&self) -> Option<&Value> {
        self.metadata.workspace_metadata.get(METADATA_KEY)
    }

    /// Returns the selected targets, in cargo's order.
    pub fn projects(&self, selection: &Selection) -> Result<Vec<Project>, Error> {
        let packages = self.packages(selection)?;
        check_names(&packages, selection)?;
        let projects_of = |package| {
            targets(package, selection)
                .map(move |(target, kind)| Project::new(package, target, kind))
        };
        let projects: Vec<_> = packages.iter().copied().flat_map(projects_of).collect();
        match projects.is_empty() {
            true => Err(Error::NothingToBuild { packages: names(&packages) }),
            false => Ok(projects),
        }
    }

    /// Returns every target of every member that becomes a module.
    pub fn all_projects(&self) -> &[Project] {
        &self.all_projects
    }

    /// Returns true if the package takes this value of `--features`: `name`, or `package-or-dependency/name`.
    pub(crate) fn has_feature(&self, feature: &str, package_id: &str) -> bool {
        let mut packages = self.metadata.packages.iter().filter(|it| it.id.repr == package_id);
        packages.any(|package| match feature.split_once('/') {
            None => package.features.contains_key(feature),
            Some((of, _)) => {
                let of = of.trim_end_matches('?');
                let is_meant = |it: &Dependency| it.rename.as_ref().unwrap_or(&it.name) == of;
                package.name.as_str() == of || package.dependencies.iter().any(is_meant)
            }
        })
    }

    /// Returns the names and folders of the members' path dependencies.
    pub(crate) fn path_dependencies(&self) -> impl Iterator<Item = (&str, &Path)> {
        let all = self.metadata.packages.iter().flat_map(|package| &package.dependencies);
        // Dependencies of tests are never part of a module.
        let meant = all.filter(|dependency| dependency.kind != DependencyKind::Development);
        meant.filter_map(|dependency| {
            Some((dependency.name.as_str(), dependency.path.as_ref()?.as_std_path()))
        })
    }

    /// Returns the source folders of libraries, programs, examples and build scripts in the manifests of members.
    pub fn source_folders(&self) -> impl Iterator<Item = &Path> {
        let targets = self.metadata.packages.iter().flat_map(|package| &package.targets);
        targets
            // Tests and benchmarks are never part of a module.
            .filter(|target| !target.is_test() && !target.is_bench())
            .filter_map(|target| Some(target.src_path.parent()?.as_std_path()))
    }

    /// Returns the folders of members and their path dependencies.
    pub fn package_folders(&self) -> impl Iterator<Item = &Path> {
        self.members().chain(self.path_dependencies()).map(|(_, folder)| folder)
    }

    /// Returns the names and folders of the members.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Path)> {
        let packages = self.metadata.packages.iter();
        packages.filter_map(|it| Some((it.name.as_str(), it.manifest_path.parent()?.as_std_path())))
    }

    fn packages(&self, selection: &Selection) -> Result<Vec<&Package>, Error> {
        let all: Vec<&Package> = self.metadata.packages.iter().collect();
        let specs = selection.packages.iter().chain(&selection.exclude);
        if let Some(spec) =
            specs.into_iter().find(|spec| !all.iter().any(|package| is_meant(package, spec)))
        {
            let packages = names(&all);
            return Err(Error::NoSuchPackage {
                suggestion: closest(spec, packages.iter().map(String::as_str)).map(str::to_owned),
                name: spec.clone(),
                packages,
            });
        }
        let meant =
            |specs: &[String], package: &Package| specs.iter().any(|spec| is_meant(package, spec));
        // Without flags, cargo builds the default members, or the package of the current folder.
        let default = &self.metadata.workspace_default_members;
        Ok(all
            .into_iter()
            .filter(|package| match (selection.workspace, selection.packages.is_empty()) {
                (true, _) => !meant(&selection.exclude, package),
                (_, false) => meant(&selection.packages, package),
                _ => default.contains(&package.id),
            })
            .collect())
    }
}

impl Project {
    fn new(package: &Package, target: &Target, kind: TargetKind) -> Project {
        Project {
            package_id: package.id.repr.clone(),
            package: package.name.to_string(),
            target: target.name.clone(),
            kind,
            file: file(target, kind),
            is_library: !is_program(target),
            required_features: target.required_features.clone(),
            // A library may have the name of the program.
            is_default_run: kind == TargetKind::Bin
                && package.default_run.as_ref() == Some(&target.name),
            version: package.version.to_string(),
            manifest_path: package.manifest_path.clone().into(),
            authors: package.authors.clone(),
            description: package.description.clone(),
            license: package.license.clone(),
            documentation: package.documentation.clone(),
            homepage: package.homepage.clone(),
            repository: package.repository.clone(),
            metadata: package.metadata.get(METADATA_KEY).cloned(),
        }
    }

    pub(crate) fn is_same_target(&self, other: &Project) -> bool {
        (&self.package_id, self.kind, &self.target)
            == (&other.package_id, other.kind, &other.target)
    }
}

pub(super) fn is_program(target: &Target) -> bool {
    target.crate_types.iter().any(|it| it.to_string() == "bin")
}

/// Returns the file of [`Project::file`].
fn file(target: &Target, kind: TargetKind) -> String {
    let folder = if kind == TargetKind::Example { "examples/" } else { "" };
    // cargo keeps the hyphens of programs only.
    let name = match is_program(target) {
        true => target.name.clone(),
        false => target.name.replace('-', "_"),
    };
    format!("{folder}{name}.wasm").to_lowercase()
}

/// Returns the targets of a package that become modules.
fn modules(package: &Package) -> impl Iterator<Item = (&Target, TargetKind)> + Clone {
    package.targets.iter().filter_map(|target| Some((target, TargetKind::of(target)?)))
}

/// Returns the selected targets of a package. By default, those are its bins, or its library if it has no bin.
fn targets<'a>(
    package: &'a Package,
    selection: &'a Selection,
) -> impl Iterator<Item = (&'a Target, TargetKind)> {
    let all = modules(package);
    let has_bin = all.clone().any(|(_, kind)| kind == TargetKind::Bin);
    all.filter(move |(target, kind)| match kind {
        TargetKind::Bin if !selection.targets.is_given() => true,
        TargetKind::Cdylib if !selection.targets.is_given() => !has_bin,
        TargetKind::Bin => {
            selection.targets.bins || is_listed(&selection.targets.bin, &target.name)
        }
        TargetKind::Example => {
            selection.targets.examples || is_listed(&selection.targets.example, &target.name)
        }
        TargetKind::Cdylib => selection.targets.lib,
    })
}

/// Checks that every `--bin` and `--example` is in one of the packages.
fn check_names(packages: &[&Package], selection: &Selection) -> Result<(), Error> {
    for (kind, wanted) in [
        (TargetKind::Bin, &selection.targets.bin),
        (TargetKind::Example, &selection.targets.example),
    ] {
        let targets: Vec<_> = packages.iter().flat_map(|package| &package.targets).collect();
        let of_kind = targets.iter().filter(|target| TargetKind::of(target) == Some(kind));
        let there: Vec<_> = of_kind.map(|target| target.name.clone()).collect();
        if let Some(name) = wanted.iter().find(|name| !there.iter().any(|it| glob(name, it))) {
            return Err(Error::NoSuchTarget {
                kind: kind.name(),
                name: name.clone(),
                packages: names(packages),
                suggestion: closest(name, there.iter().map(String::as_str)).map(str::to_owned),
                targets: there,
            });
        }
    }
    Ok(())
}

fn names(packages: &[&Package]) -> Vec<String> {
    packages.iter().map(|package| package.name.to_string()).collect()
}

/// Matches `name`, `na*`, `name@1.2`, `name:1.2.3`, or an identifier as cargo prints it, with or without `#name@version`.
fn is_meant(package: &Package, spec: &str) -> bool {
    // Identifiers are URLs (Cargo book, "Package ID specifications"). Names contain no slash.
    if spec.contains('/') {
        return package.id.repr.split('#').next() == spec.split('#').next();
    }
    let (name, version) = spec.split_once(['@', ':']).unwrap_or((spec, ""));
    let full = package.version.to_string();
    let is_version = full == version || full.starts_with(&format!("{version}."));
    glob(name, package.name.as_str()) && (version.is_empty() || is_version)
}

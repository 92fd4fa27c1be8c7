//! What cargo knows of the workspace, and the targets in it that become modules.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use cargo_metadata::{DependencyKind, Metadata, Package, Target};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Table;
use wasm_oci_app::config::settings::closest;

use crate::cargo::env::CargoEnv;
use crate::cargo::error::Error;
use crate::cargo::selection::Selection;

/// The key of our settings in `[package.metadata]` and `[workspace.metadata]`.
const METADATA_KEY: &str = "wasm-oci";

/// A workspace, as `cargo metadata` describes it.
#[derive(Debug, Clone)]
pub struct Workspace {
    metadata: Metadata,
    manifest: Table,
    target_dir: PathBuf,
    build_dir: PathBuf,
}

/// One package and one target of it that becomes a module.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Cargo's identifier of the package.
    pub package_id: String,
    /// The package's name.
    pub package: String,
    /// The target's name.
    pub target: String,
    /// What the target is.
    pub kind: TargetKind,
    /// The features without which cargo passes the target over.
    pub required_features: Vec<String>,
    /// Whether the package's `default-run` names it.
    pub is_default_run: bool,
    /// The package's version.
    pub version: String,
    /// The package's `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// `authors`
    pub authors: Vec<String>,
    /// `description`
    pub description: Option<String>,
    /// `license`
    pub license: Option<String>,
    /// `documentation`
    pub documentation: Option<String>,
    /// `homepage`
    pub homepage: Option<String>,
    /// `repository`
    pub repository: Option<String>,
    /// `package.metadata.wasm-oci`
    pub metadata: Option<Value>,
}

/// What kinds of target become a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TargetKind {
    /// A command, with `main`.
    Bin,
    /// An example: a command, or a library of the kind below.
    Example,
    /// A library that exports functions: a reactor.
    Cdylib,
}

impl TargetKind {
    /// Cargo's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bin => "bin",
            Self::Example => "example",
            Self::Cdylib => "cdylib",
        }
    }

    pub(crate) fn of(target: &Target) -> Option<Self> {
        let makes_module =
            target.crate_types.iter().any(|t| matches!(t.to_string().as_str(), "bin" | "cdylib"));
        match target {
            _ if !makes_module => None,
            target if target.is_bin() => Some(Self::Bin),
            target if target.is_example() => Some(Self::Example),
            target if target.is_cdylib() => Some(Self::Cdylib),
            _ => None,
        }
    }
}

/// What `cargo metadata` says, as text.
pub(crate) fn ask_cargo(env: &CargoEnv, selection: &Selection) -> Result<String, Error> {
    let mut command = env.command(env.cargo());
    command.args(["metadata", "--no-deps", "--format-version", "1"]).args(selection.common_args());
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.map_err(|source| Error::NotStarted { program: env.cargo().to_owned(), source })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::MetadataFailed { message: told(&output.stderr) }),
    }
}

/// What a tool said on stderr, without its own `error: `.
pub(crate) fn told(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    text.strip_prefix("error: ").unwrap_or(text).to_owned()
}

impl Workspace {
    /// Asks cargo.
    pub fn load(env: &CargoEnv, selection: &Selection) -> Result<Self, Error> {
        Self::parse(&ask_cargo(env, selection)?, env, selection)
    }

    /// Understands what cargo said. `cargo metadata` has no `--target-dir`, so that is put in here.
    pub(crate) fn parse(text: &str, env: &CargoEnv, selection: &Selection) -> Result<Self, Error> {
        let metadata: Metadata = serde_json::from_str(text).map_err(Error::MetadataUnreadable)?;
        let told = metadata.target_directory.clone().into_std_path_buf();
        let told_build =
            metadata.build_directory.clone().map_or_else(|| told.clone(), PathBuf::from);
        let target_dir =
            selection.target_dir.as_ref().map_or_else(|| told.clone(), |dir| env.cwd().join(dir));
        let build_dir = if told_build == told { target_dir.clone() } else { told_build };
        // Cargo has just read it, or does so next, and says what is wrong with it.
        let manifest =
            fs::read_to_string(metadata.workspace_root.join("Cargo.toml")).unwrap_or_default();
        let manifest = manifest.parse().unwrap_or_default();
        Ok(Self { metadata, manifest, target_dir, build_dir })
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// The workspace's `Cargo.toml`.
    pub fn manifest_path(&self) -> PathBuf {
        self.root().join("Cargo.toml")
    }

    /// What is in the workspace's `Cargo.toml`, where profiles are.
    pub(crate) fn manifest(&self) -> &Table {
        &self.manifest
    }

    /// Where cargo puts what it builds.
    pub fn target_dir(&self) -> &Path {
        &self.target_dir
    }

    /// Where cargo keeps what it needs between; usually the same.
    pub fn build_dir(&self) -> &Path {
        &self.build_dir
    }

    /// `workspace.metadata.wasm-oci`
    pub fn metadata(&self) -> Option<&Value> {
        self.metadata.workspace_metadata.get(METADATA_KEY)
    }

    /// The targets that are meant, in cargo's order. Never none.
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

    /// The path dependencies of members, by name.
    pub(crate) fn path_dependencies(&self) -> impl Iterator<Item = (&str, &Path)> {
        let all = self.metadata.packages.iter().flat_map(|package| &package.dependencies);
        let meant = all.filter(|dependency| dependency.kind != DependencyKind::Development);
        meant.filter_map(|dependency| {
            Some((dependency.name.as_str(), dependency.path.as_ref()?.as_std_path()))
        })
    }

    /// The folders with sources that a program can be made of, as the members' manifests say: of libraries, programs,
    /// examples and build scripts.
    pub fn source_folders(&self) -> impl Iterator<Item = &Path> {
        let targets = self.metadata.packages.iter().flat_map(|package| &package.targets);
        targets
            .filter(|target| !target.is_test() && !target.is_bench())
            .filter_map(|target| Some(target.src_path.parent()?.as_std_path()))
    }

    /// The folders of all packages whose sources are here: members and their path dependencies.
    pub fn package_folders(&self) -> impl Iterator<Item = &Path> {
        self.members().chain(self.path_dependencies()).map(|(_, folder)| folder)
    }

    /// The members, by name.
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
    fn new(package: &Package, target: &Target, kind: TargetKind) -> Self {
        Self {
            package_id: package.id.repr.clone(),
            package: package.name.to_string(),
            target: target.name.clone(),
            kind,
            required_features: target.required_features.clone(),
            is_default_run: package.default_run.as_ref() == Some(&target.name),
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
}

/// The arguments that make `cargo build` build just these, when the user named no target. Bins are always among them:
/// so cargo tells of one that is new.
pub(crate) fn default_target_args(projects: &[Project]) -> &'static [&'static str] {
    match projects.iter().any(|project| project.kind == TargetKind::Cdylib) {
        true => &["--bins", "--lib"],
        false => &["--bins"],
    }
}

/// The targets of a package that are meant. By default its bins, or its library when that is all there is.
fn targets<'a>(
    package: &'a Package,
    selection: &'a Selection,
) -> impl Iterator<Item = (&'a Target, TargetKind)> {
    let all = package.targets.iter().filter_map(|target| Some((target, TargetKind::of(target)?)));
    let has_bin = all.clone().any(|(_, kind)| kind == TargetKind::Bin);
    all.filter(move |(target, kind)| match kind {
        TargetKind::Bin if !selection.names_targets() => true,
        TargetKind::Cdylib if !selection.names_targets() => !has_bin,
        TargetKind::Bin => selection.all_bins || is_listed(&selection.bins, &target.name),
        TargetKind::Example => {
            selection.all_examples || is_listed(&selection.examples, &target.name)
        }
        TargetKind::Cdylib => selection.lib,
    })
}

/// Every `--bin` and `--example` must be somewhere in the packages.
fn check_names(packages: &[&Package], selection: &Selection) -> Result<(), Error> {
    for (kind, wanted) in
        [(TargetKind::Bin, &selection.bins), (TargetKind::Example, &selection.examples)]
    {
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

fn is_listed(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, name))
}

/// `name`, `na*`, `name@1.2`, `name:1.2.3`, or an identifier as cargo prints it, with or without `#name@version`.
fn is_meant(package: &Package, spec: &str) -> bool {
    if spec.contains('/') {
        return package.id.repr.split('#').next() == spec.split('#').next();
    }
    let (name, version) = spec.split_once(['@', ':']).unwrap_or((spec, ""));
    let full = package.version.to_string();
    let is_version = full == version || full.starts_with(&format!("{version}."));
    glob(name, package.name.as_str()) && (version.is_empty() || is_version)
}

/// Cargo's patterns, but for `[…]`: `*` for any text and `?` for one letter.
fn glob(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            name.char_indices().any(|(at, _)| glob(rest.as_str(), &name[at..]))
                || glob(rest.as_str(), "")
        }
        Some(letter) => {
            let mut name = name.chars();
            name.next().is_some_and(|it| letter == '?' || letter == it)
                && glob(rest.as_str(), name.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_cargos() {
        for (pattern, name) in
            [("app", "app"), ("*", "app"), ("a*p", "app"), ("a?p", "app"), ("*pp*", "app")]
        {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("app", "apps"), ("a?", "app"), ("", "app"), ("b*", "app"), ("a*q", "app")]
        {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }
}

//! All that cargo goes by when it looks whether there is something to build, for [`verdict`](crate::cargo::verdict).
//!
//! Rather too much than too little: what is here for no reason makes cargo be asked once more, and what is missing would
//! be a module that is not made of its sources. What cargo goes by:
//!
//! | what | where it is listed |
//! |---|---|
//! | manifests, and those that would count if they were there | the workspace's packages, and all folders above them |
//! | configuration, likewise | `.cargo` in all folders above the current one, and cargo's home |
//! | `Cargo.lock` | |
//! | the toolchain | cargo, rustc, and the names in the folders of its libraries |
//! | sources, `include_str!`, what build scripts of local packages read | [the `.d` file beside each module] |
//! | what build scripts of other packages read | what they printed, which cargo keeps in `output` |
//! | targets that cargo finds by itself | the names in the packages' folders |
//! | members that are found by a pattern | the names in the pattern's folder |
//! | what was built | cargo's messages |
//!
//! Packages from registries and repositories don't change; cargo doesn't look at their sources either.
//!
//! [the `.d` file beside each module]: https://doc.rust-lang.org/cargo/reference/build-cache.html#dep-info-files

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use wasm_oci_core::image::Digest;

use crate::{
    cargo::{
        cargo_config::CargoConfig, env::CargoEnv, file_state::FileState, memory,
        project::Workspace, selection::Selection, target::WasiTarget, toolchain::Toolchain,
    },
    sources::listed_files,
};

/// A build that goes by more files than this takes long enough that cargo can be asked.
const MOST_FILES: usize = 20_000;

/// Folders of a package in which cargo looks for targets, directly and one level below.
const TARGET_FOLDERS: [&str; 4] = ["src/bin", "examples", "tests", "benches"];

/// Keys of cargo's configuration that make it go by something that isn't listed here.
const UNUSUAL_KEYS: [&[&str]; 11] = [
    &["build", "rustc"],
    &["build", "rustc-wrapper"],
    &["build", "rustc-workspace-wrapper"],
    &["build", "build-dir"],
    &["build", "dep-info-basedir"],
    &["include"],
    &["patch"],
    &["paths"],
    &["resolver", "lockfile-path"],
    &["source"],
    &["unstable"],
];

/// The same for variables, by the beginnings of their names.
const UNUSUAL_VARIABLES: [&str; 3] =
    ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_UNSTABLE_"];

/// The same for the workspace's manifest.
const UNUSUAL_TABLES: [&str; 3] = ["patch", "replace", "cargo-features"];

/// The state of all of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    pub(super) files: Vec<FileState>,
    pub(super) folders: Vec<Folder>,
}

/// Which names are in a folder and which of them are folders, or that it isn't there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    path: PathBuf,
    names: Option<Digest>,
}

impl Folder {
    fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), names: names(path) }
    }

    /// Whether there are still the same.
    pub fn is_current(&self) -> bool {
        names(&self.path) == self.names
    }
}

fn names(folder: &Path) -> Option<Digest> {
    let entries = std::fs::read_dir(folder).ok()?;
    let names = entries.map(|entry| {
        let entry = entry.ok()?;
        let mut name = entry.file_name().into_encoded_bytes();
        let kind = entry.file_type().ok()?;
        if kind.is_dir() || kind.is_symlink() && entry.path().is_dir() {
            name.push(b'/');
        }
        Some(name)
    });
    let mut names: Vec<_> = names.collect::<Option<_>>()?;
    names.sort_unstable();
    // No name has a zero in it.
    Some(Digest::of(&names.join(&0)))
}

/// What cargo said of a package's library, program or build script that it has built.
#[derive(Debug)]
pub struct Unit {
    /// Cargo's identifier of the package.
    pub package_id: String,
    /// The package's `Cargo.toml`.
    pub manifest: PathBuf,
    /// What was built.
    pub files: Vec<PathBuf>,
}

/// What cargo said of a build script that it has run.
#[derive(Debug)]
pub struct Script {
    /// Cargo's identifier of the package.
    pub package_id: String,
    /// Its `OUT_DIR`.
    pub out_dir: PathBuf,
}

/// Where a build takes place.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its environment.
    pub env: &'a CargoEnv,
    /// Cargo's configuration there.
    pub config: &'a CargoConfig,
    /// The user's arguments.
    pub selection: &'a Selection,
    /// The workspace.
    pub workspace: &'a Workspace,
    /// The toolchain that does it.
    pub toolchain: &'a Toolchain,
    /// What for.
    pub target: WasiTarget,
}

/// Whether all that cargo goes by is listed here.
pub fn is_ordinary(place: Place<'_>) -> bool {
    let Place { env, config, selection, workspace, .. } = place;
    let is_unusual = |name: &str| UNUSUAL_VARIABLES.iter().any(|it| name.starts_with(it));
    // Elsewhere a change can be hidden.
    cfg!(unix)
        && selection.unstable.is_empty()
        && !UNUSUAL_KEYS.iter().any(|key| config.is_set(env, key))
        && !env.names().any(is_unusual)
        && !UNUSUAL_TABLES.iter().any(|table| workspace.manifest().contains_key(*table))
        && workspace.build_dir() == workspace.target_dir()
        && is_certain(env, place.toolchain)
}

/// Whether cargo takes this toolchain's rustc: it is the first in `PATH`, or that is rustup's proxy and stands for it.
/// <https://github.com/rust-lang/cargo/blob/0.96.0/src/cargo/util/context/mod.rs>, `get_tool`
fn is_certain(env: &CargoEnv, toolchain: &Toolchain) -> bool {
    let is_it = |rustc: &Path| {
        let same = |one: PathBuf| toolchain.rustc.canonicalize().is_ok_and(|other| one == other);
        rustc.canonicalize().is_ok_and(same)
    };
    let length = |path: PathBuf| path.metadata().ok().map(|file| file.len());
    let Some(first) = env.find("rustc") else { return false };
    let chosen = || {
        let home = env.var("RUSTUP_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(Path::new(env.var("HOME")?).join(".rustup")))?;
        Some(home.join("toolchains").join(env.var("RUSTUP_TOOLCHAIN")?).join("bin/rustc"))
    };
    is_it(&first)
        || (env.find("rustup").and_then(length) == length(first)
            && chosen().is_some_and(|it| is_it(&it)))
}

/// All that an ordinary build goes by, of which cargo has told with these messages, and which has made these modules.
/// `None` when that is not certain.
pub fn of_build<'a>(
    place: Place<'_>,
    units: &[Unit],
    scripts: &[Script],
    mut modules: impl Iterator<Item = &'a Path>,
) -> Option<Inputs> {
    let mut found = Found::default();
    found.add_settings(place);
    found.add_workspace(place.workspace, units)?;
    for unit in units {
        found.files.extend(unit.files.iter().cloned());
        if is_local(&unit.package_id)? {
            found.add_package(unit.manifest.parent()?);
            let lists = unit.files.iter().map(|file| file.with_extension("d"));
            lists.filter(|list| list.exists()).try_for_each(|list| found.add_sources(&list))?;
        }
    }
    for script in scripts {
        let unit = units.iter().find(|unit| unit.package_id == script.package_id)?;
        found.add_script(script, unit.manifest.parent()?)?;
    }
    // Each has its list among those.
    if !modules.all(|module| module.with_extension("d").is_file()) {
        return None;
    }
    (found.files.len() + found.folders.len() <= MOST_FILES).then(|| found.states())
}

/// Whether a package's sources are the user's to change: none that came from a registry or a repository.
fn is_local(package_id: &str) -> Option<bool> {
    match package_id.split_once('+')?.0 {
        "path" => Some(true),
        "registry" | "sparse" | "git" => Some(false),
        _ => None,
    }
}

/// The name in the identifier of a local package: `path+file:///folder#name@version`, and without the name where the
/// folder has it.
fn local_name(package_id: &str) -> Option<&str> {
    let (folder, name) = package_id.split_once('#')?;
    match name.split_once('@') {
        Some((name, _)) => Some(name),
        None => folder.rsplit('/').next(),
    }
}

#[derive(Default)]
struct Found {
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Found {
    fn states(&self) -> Inputs {
        Inputs {
            files: self.files.iter().map(|path| FileState::of(path)).collect(),
            folders: self.folders.iter().map(|path| Folder::of(path)).collect(),
        }
    }

    /// Manifests that may count, configuration and the toolchain.
    fn add_settings(&mut self, place: Place<'_>) {
        let Place { env, config, workspace, toolchain, target, .. } = place;
        self.files.extend(memory::inputs(env, config, workspace, toolchain));
        self.files.insert(workspace.root().join("Cargo.lock"));
        let above = env.cwd().ancestors().map(|dir| dir.join(".cargo"));
        for dir in above.chain(env.cargo_home().map(Path::to_owned)) {
            self.files.extend(["config", "config.toml"].map(|name| dir.join(name)));
        }
        let lib = toolchain.sysroot.join("lib");
        let of_target = lib.join("rustlib").join(target.name()).join("lib");
        self.files.extend(
            ["components", "multirust-channel-manifest.toml"]
                .map(|it| lib.join("rustlib").join(it)),
        );
        self.folders.extend([lib, of_target]);
    }

    /// All packages of the workspace: those that were not built could become part of it. `None` when a local package
    /// is in `Cargo.lock` and nobody has told where it is.
    fn add_workspace(&mut self, workspace: &Workspace, units: &[Unit]) -> Option<()> {
        let mut names = BTreeSet::new();
        for (name, folder) in workspace.members() {
            names.insert(name);
            self.add_package(folder);
        }
        for (name, folder) in workspace.local_dependencies() {
            names.insert(name);
            self.files.insert(folder.join("Cargo.toml"));
        }
        names.extend(units.iter().filter_map(|unit| local_name(&unit.package_id)));
        for pattern in member_patterns(workspace.manifest())? {
            let folder = workspace.root().join(pattern);
            let entries = std::fs::read_dir(&folder).ok()?;
            self.files
                .extend(entries.filter_map(|entry| Some(entry.ok()?.path().join("Cargo.toml"))));
            self.folders.insert(folder);
        }
        let lock: Table =
            std::fs::read_to_string(workspace.root().join("Cargo.lock")).ok()?.parse().ok()?;
        locals(&lock)?.iter().all(|name| names.contains(name)).then_some(())
    }

    /// A package's manifest, and what is in the folders in which cargo looks for targets.
    fn add_package(&mut self, root: &Path) {
        self.files.insert(root.join("Cargo.toml"));
        self.folders.extend([root.to_owned(), root.join("src")]);
        for folder in TARGET_FOLDERS.map(|name| root.join(name)) {
            let below = std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path());
            self.folders.extend(below.filter(|path| path.is_dir()));
            self.folders.insert(folder);
        }
    }

    /// What a build script says that it reads. `None` when one of a local package says nothing: then cargo goes by all
    /// files of the package but for those that git ignores.
    fn add_script(&mut self, script: &Script, root: &Path) -> Option<()> {
        let output = script.out_dir.parent()?.join("output");
        let said = std::fs::read(&output).ok()?;
        let said = Said::parse(&String::from_utf8_lossy(&said));
        if said.is_nothing() && is_local(&script.package_id)? {
            return None;
        }
        self.files.insert(output);
        said.files.iter().try_for_each(|path| self.add_tree(&root.join(path)))
    }

    /// The files that cargo lists as those that something was made of. The list itself is often written again by a build
    /// that has nothing to do.
    fn add_sources(&mut self, list: &Path) -> Option<()> {
        let files = listed_files(&std::fs::read_to_string(list).ok()?);
        // A name that isn't understood is that of no file.
        if files.is_empty() || !files.iter().all(|path| path.is_absolute() && path.exists()) {
            return None;
        }
        files.iter().try_for_each(|path| self.add_tree(path))
    }

    /// A file, or a folder with all that is in it. `None` when that is too much.
    fn add_tree(&mut self, path: &Path) -> Option<()> {
        if !path.is_dir() {
            self.files.insert(path.to_owned());
            return Some(());
        }
        // A link may lead back up, and so never end.
        if self.folders.len() + self.files.len() > MOST_FILES {
            return None;
        }
        self.folders.insert(path.to_owned());
        let mut entries = std::fs::read_dir(path).ok()?;
        entries.try_for_each(|entry| self.add_tree(&entry.ok()?.path()))
    }
}

/// What a build script has told cargo of what it goes by.
#[derive(Default)]
struct Said {
    files: Vec<PathBuf>,
    /// It named a variable, and so is not run again for files that it didn't name.
    names_variable: bool,
}

impl Said {
    fn parse(output: &str) -> Self {
        let mut said = Self::default();
        for line in output.lines() {
            let Some(told) = line.trim().strip_prefix("cargo:") else { continue };
            match told.strip_prefix(':').unwrap_or(told).split_once('=') {
                Some(("rerun-if-changed", path)) => said.files.push(path.into()),
                Some(("rerun-if-env-changed", _)) => said.names_variable = true,
                _ => {}
            }
        }
        said
    }

    fn is_nothing(&self) -> bool {
        self.files.is_empty() && !self.names_variable
    }
}

/// The names of local packages in `Cargo.lock`: those without a source. `None` for what is not understood.
fn locals(lock: &Table) -> Option<Vec<&str>> {
    let packages = lock.get("package")?.as_array()?;
    let locals = packages.iter().filter(|package| package.get("source").is_none());
    // A patch that nothing uses is looked at all the same.
    locals
        .map(|package| package.get("name")?.as_str())
        .collect::<Option<_>>()
        .filter(|_| !lock.contains_key("patch"))
}

/// The folders of `folder/*` among the workspace's members. `None` for patterns of another shape.
fn member_patterns(manifest: &Table) -> Option<Vec<&str>> {
    let workspace = manifest.get("workspace").and_then(Value::as_table);
    let lists = ["members", "default-members"].map(|key| workspace?.get(key)?.as_array());
    let all = lists.into_iter().flatten().flatten().filter_map(Value::as_str);
    all.filter(|member| is_pattern(member)).map(pattern_folder).collect()
}

fn is_pattern(member: &str) -> bool {
    member.contains(['*', '?', '['])
}

fn pattern_folder(pattern: &str) -> Option<&str> {
    let folder = pattern.strip_suffix('*')?;
    (!is_pattern(folder) && (folder.is_empty() || folder.ends_with('/'))).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_scripts_are_understood() {
        let said = Said::parse(
            "cargo:rerun-if-changed=a b\nnoise\n  cargo::rerun-if-changed=c\r\ncargo:x=y\n",
        );
        assert_eq!(said.files, [PathBuf::from("a b"), PathBuf::from("c")]);
        assert!(!said.is_nothing());
        assert!(!Said::parse("cargo:rerun-if-env-changed=X").is_nothing());
        assert!(Said::parse("cargo:rustc-cfg=x\nrerun-if-changed=a").is_nothing());
    }

    #[test]
    fn packages_are_told_apart() {
        let id = "path+file:///w/app#1.2.3";
        assert_eq!((is_local(id), local_name(id)), (Some(true), Some("app")));
        assert_eq!(local_name("path+file:///w/dir#my-app@1.2.3"), Some("my-app"));
        for id in
            ["registry+https://example.com/index#a@1.0.0", "git+https://example.com/a?rev=1#1.0.0"]
        {
            assert_eq!(is_local(id), Some(false), "{id}");
        }
        // As cargo wrote them before 1.77.
        assert_eq!(is_local("app 1.2.3 (path+file:///w/app)"), None);
    }

    #[test]
    fn only_plain_patterns_are_understood() {
        let patterns = |members: &str| {
            let manifest = format!("[workspace]\nmembers = {members}").parse().expect("a manifest");
            member_patterns(&manifest)
                .map(|all| all.iter().map(|it| it.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(
            patterns("['a', 'crates/*', '*']"),
            Some(vec!["crates/".to_owned(), String::new()])
        );
        for other in ["['crates/*/x']", "['a*']", "['crates/**']", "['a?']", "['[ab]']", "['*/*']"]
        {
            assert_eq!(patterns(other), None, "{other}");
        }
        assert_eq!(member_patterns(&Table::new()), Some(Vec::new()));
    }

    #[test]
    fn the_lock_names_local_packages() {
        let names = |lock: &str| {
            let lock = lock.parse().expect("a lock");
            locals(&lock).map(|all| all.join(" "))
        };
        let one = "[[package]]\nname = 'a'\n[[package]]\nname = 'b'\nsource = 'registry+x'\n";
        assert_eq!(names(one).as_deref(), Some("a"));
        assert_eq!(names(&format!("{one}[[patch.unused]]\nname = 'c'\n")), None);
    }
}

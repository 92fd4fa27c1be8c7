//! The folders of this machine that a module must not show.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use toml::{Table, Value};

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::project::Workspace;
use crate::cargo::toolchain::Toolchain;

/// A folder, and what the compiler writes instead of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remap {
    /// The folder on this machine.
    pub from: PathBuf,
    /// Its neutral name.
    pub to: String,
}

impl Remap {
    /// `from` becomes `to`.
    pub fn new(from: impl Into<PathBuf>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into() }
    }
}

/// The compiler's flag for a folder, before both of its names.
pub(crate) const FLAG: &str = "--remap-path-prefix=";

/// The compiler's flags for these. It takes the last one that fits, so longer paths come later.
pub fn flags(remaps: &[Remap]) -> Vec<String> {
    let mut all: Vec<_> = remaps.iter().flat_map(spellings).collect();
    all.sort_by_key(|remap| (remap.from.as_os_str().len(), remap.clone()));
    all.dedup();
    all.iter()
        .filter_map(|Remap { from, to }| Some(format!("{FLAG}{}={to}", from.to_str()?)))
        .collect()
}

/// A folder as it was named, and as it is without symbolic links: rustc sees one or the other.
fn spellings(remap: &Remap) -> Vec<Remap> {
    let real = remap.from.canonicalize().ok().filter(|real| *real != remap.from);
    let real = real.map(|from| Remap { from, to: remap.to.clone() });
    [Some(remap.clone()), real].into_iter().flatten().collect()
}

/// The folders that rustc gets to see, and their neutral names. `commit` is the toolchain's.
pub fn all(
    env: &CargoEnv,
    config: &CargoConfig,
    workspace: &Workspace,
    toolchain: &Toolchain,
    commit: Option<&str>,
) -> Vec<Remap> {
    let mut folders = vec![
        Remap::new(workspace.root(), "/workspace"),
        Remap::new(workspace.build_dir(), "/target"),
        Remap::new(workspace.target_dir(), "/target"),
        Remap::new(toolchain.sysroot.join("lib/rustlib"), "/rust"),
    ];
    folders.extend(env.cargo_home().map(|home| Remap::new(home, "/cargo")));
    folders.extend(config.vendor_dirs().into_iter().map(|dir| Remap::new(dir, "/vendor")));
    // Where std's sources aren't installed, rustc writes this by itself.
    let sources = toolchain.std_sources().zip(commit);
    folders.extend(sources.map(|(dir, commit)| Remap::new(dir, format!("/rustc/{commit}"))));
    folders.extend(outside(workspace));
    folders
}

/// Those that tell of this machine if they are seen. A workspace that lies in `/workspace` doesn't.
pub fn private_paths(folders: &[Remap]) -> Vec<PathBuf> {
    let is_neutral =
        |from: &Path| folders.iter().any(|remap| Path::new(&remap.to).starts_with(from));
    folders.iter().map(|remap| remap.from.clone()).filter(|from| !is_neutral(from)).collect()
}

/// A folder outside the workspace, and the name of the package in it.
type Found = BTreeMap<PathBuf, String>;

/// Members and path dependencies outside the workspace's folder: cargo hands their paths to rustc in full.
fn outside(workspace: &Workspace) -> Vec<Remap> {
    let mut found = Found::new();
    for (name, dir) in workspace.members().chain(workspace.path_dependencies()) {
        add(&mut found, workspace.root(), name, dir);
    }
    for (name, path) in patches(workspace.manifest()) {
        add(&mut found, workspace.root(), name, &workspace.root().join(path));
    }
    found.into_iter().map(|(dir, name)| Remap::new(dir, format!("/deps/{name}"))).collect()
}

fn add(found: &mut Found, root: &Path, name: &str, dir: &Path) {
    let dir = without_dots(dir);
    if dir.starts_with(root) || found.contains_key(&dir) {
        return;
    }
    found.insert(dir.clone(), name.to_owned());
    let manifest =
        fs::read_to_string(dir.join("Cargo.toml")).ok().and_then(|text| text.parse::<Table>().ok());
    for (name, path) in manifest.iter().flat_map(dependencies) {
        add(found, root, name, &dir.join(path));
    }
}

/// The path dependencies of a manifest, for any target.
fn dependencies(manifest: &Table) -> Vec<(&str, &str)> {
    let targets =
        manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = targets.filter_map(Value::as_table).chain([manifest]);
    tables.filter_map(|table| table.get("dependencies")?.as_table()).flat_map(paths).collect()
}

/// `[patch.<source>]` can put a path in the place of any dependency.
fn patches(manifest: &Table) -> Vec<(&str, &str)> {
    let sources =
        manifest.get("patch").and_then(Value::as_table).into_iter().flat_map(Table::values);
    sources.filter_map(Value::as_table).flat_map(paths).collect()
}

fn paths(table: &Table) -> impl Iterator<Item = (&str, &str)> {
    table.iter().filter_map(|(name, value)| {
        let package = value.get("package").and_then(Value::as_str).unwrap_or(name);
        Some((package, value.get("path")?.as_str()?))
    })
}

/// Cargo takes `..` out of paths without looking at the file system; so do we, to name the same folder.
fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_folders_come_after_outer_ones() {
        let flags =
            flags(&[Remap::new("/no/ws/.cargo", "/cargo"), Remap::new("/no/ws", "/workspace")]);
        assert_eq!(
            flags,
            ["--remap-path-prefix=/no/ws=/workspace", "--remap-path-prefix=/no/ws/.cargo=/cargo"]
        );
    }

    #[test]
    fn dependencies_of_every_target_are_seen() {
        let manifest = "[dependencies]\na = { path = '../a' }\nb = '1'\n[target.'cfg(unix)'.dependencies]\n\
                        c = { package = 'd', path = 'c' }\n[patch.crates-io]\ne = { path = 'e' }";
        let manifest = manifest.parse().expect("a manifest");
        assert_eq!(dependencies(&manifest), [("d", "c"), ("a", "../a")]);
        assert_eq!(patches(&manifest), [("e", "e")]);
    }

    #[test]
    fn neutral_names_tell_nothing() {
        let folders =
            [Remap::new("/workspace", "/workspace"), Remap::new("/home/me/.cargo", "/cargo")];
        assert_eq!(private_paths(&folders), [Path::new("/home/me/.cargo")]);
    }

    #[test]
    fn dots_go() {
        assert_eq!(without_dots(Path::new("/a/./b/../c")), Path::new("/a/c"));
    }
}

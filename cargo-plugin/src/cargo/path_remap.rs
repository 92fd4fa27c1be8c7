//! Path remapping: neutral names in modules for folders of this machine.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use toml::{Table, Value};
use wasm_oci_app::rustc::Remap;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::project::Workspace;
use crate::cargo::toolchain::Toolchain;

/// Returns all folders that rustc can see. `commit` is that of the toolchain.
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
    // Without std's sources, rustc writes this name itself.
    let sources = toolchain.std_sources().zip(commit);
    folders.extend(sources.map(|(dir, commit)| Remap::new(dir, format!("/rustc/{commit}"))));
    folders.extend(outside(workspace));
    folders
}

/// Returns the folders whose names reveal something about this machine.
pub fn private_paths(folders: &[Remap]) -> Vec<PathBuf> {
    // In a container, the workspace may really be in `/workspace`.
    let is_neutral =
        |from: &Path| folders.iter().any(|remap| Path::new(&remap.to).starts_with(from));
    folders.iter().map(|remap| remap.from.clone()).filter(|from| !is_neutral(from)).collect()
}

/// Folders outside the workspace, and the names of the packages in them.
type Found = BTreeMap<PathBuf, String>;

fn outside(workspace: &Workspace) -> Vec<Remap> {
    // cargo passes the full paths of packages outside the workspace's folder to rustc.
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
    // `cargo metadata --no-deps` lists only members. Further dependencies are in the manifests.
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).or_trace("read a manifest");
    let manifest = manifest.and_then(|text| text.parse::<Table>().or_trace("parse a manifest"));
    for (name, path) in manifest.iter().flat_map(dependencies) {
        add(found, root, name, &dir.join(path));
    }
}

/// Returns the path dependencies of a manifest, for all targets.
fn dependencies(manifest: &Table) -> Vec<(&str, &str)> {
    let targets =
        manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = targets.filter_map(Value::as_table).chain([manifest]);
    // Build scripts and tests of dependencies are not part of a module.
    tables.filter_map(|table| table.get("dependencies")?.as_table()).flat_map(paths).collect()
}

/// Returns the path dependencies that `[patch.<source>]` puts in the place of others.
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

fn without_dots(path: &Path) -> PathBuf {
    // cargo does not look at the file system either, so that the result is the folder that rustc sees.
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

//! Cache of `cargo metadata`, which takes as long as a `cargo build` that has nothing to do.
//!
//! The answer depends on
//!
//! - the request: arguments, folder, variables;
//! - files: manifests, cargo's configuration and cargo itself. Their states are compared ([`TrackedFile`]);
//! - the set of manifests and source files. `cargo build` looks at those itself, and its results show a change: it writes
//!   new members to `Cargo.lock`, and reports the bins and examples that it builds.
//!
//! So only the build after it confirms an entry: see `ops/compile.rs`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use wasm_oci_core::fs::{TrackedFile, evict};
use wasm_oci_core::image::Digest;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::json_cache;
use crate::cargo::project::Workspace;
use crate::cargo::selection::Selection;
use crate::cargo::toolchain::Toolchain;

/// Limit of all entries in a target directory, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Age below which an entry may be in use.
const IN_USE: Duration = Duration::from_secs(60);

/// Answer to one request, with the states of the files that it depends on.
#[derive(Debug, Serialize, Deserialize)]
pub struct CachedMetadata {
    key: Digest,
    files: Vec<TrackedFile>,
    lock: TrackedFile,
    /// Standard output of `cargo metadata`.
    pub metadata: String,
    /// Commit that the toolchain was built from, if its sources are installed: only then the build needs it.
    pub commit: Option<String>,
}

impl CachedMetadata {
    /// Returns the entry for a request, if no file that it depends on has changed.
    pub fn find(
        env: &CargoEnv,
        config: &CargoConfig,
        selection: &Selection,
    ) -> Option<CachedMetadata> {
        let key = key(env, selection)?;
        let mut paths = target_dirs(env, config, selection).into_iter().map(|dir| file(&dir, key));
        let cached: CachedMetadata = json_cache::read(&paths.find(|path| path.is_file())?)?;
        // A configuration file that is new decides, too.
        let is_known = |file: &Path| cached.files.iter().any(|known| known.path() == file);
        let is_current = cached.key == key && cached.files.iter().all(TrackedFile::is_current);
        (is_current && config.files().all(is_known)).then_some(cached)
    }

    /// Returns true if the set of members is still the same after a build.
    pub fn has_same_lock(&self) -> bool {
        self.lock.exists() && self.lock.is_current()
    }

    /// Makes an entry of an answer and the present states of the files that it depends on.
    pub fn new(
        env: &CargoEnv,
        config: &CargoConfig,
        selection: &Selection,
        workspace: &Workspace,
        toolchain: &Toolchain,
        metadata: String,
        commit: Option<String>,
    ) -> Option<CachedMetadata> {
        let files = inputs(env, config, workspace, toolchain);
        Some(CachedMetadata {
            key: key(env, selection)?,
            files: files.iter().map(|path| TrackedFile::of(path)).collect(),
            lock: TrackedFile::of(&workspace.root().join("Cargo.lock")),
            metadata,
            commit,
        })
    }

    /// Writes the entry. `start` is the time before we ran `cargo metadata`.
    pub fn store(&self, target_dir: &Path, start: SystemTime) {
        let mut states = self.files.iter().chain([&self.lock]);
        // If a file changed while cargo ran, the answer may come from its earlier content.
        if self.has_same_lock() && states.all(|file| file.is_settled(start)) {
            json_cache::write(&file(target_dir, self.key), self);
            evict(&[folder(target_dir)], MAX_BYTES, IN_USE);
        }
    }
}

/// Returns the files that `cargo metadata` reads, or would read if they existed.
fn inputs(
    env: &CargoEnv,
    config: &CargoConfig,
    workspace: &Workspace,
    toolchain: &Toolchain,
) -> BTreeSet<PathBuf> {
    let dirs = workspace.package_folders().chain([workspace.root(), env.cwd()]);
    // cargo looks for a workspace in all folders further up, so a new manifest there counts, too.
    let manifests = dirs.flat_map(Path::ancestors).map(|dir| dir.join("Cargo.toml"));
    let tools = [env.cargo().to_owned(), toolchain.rustc.clone()];
    manifests.chain(config.files().map(Path::to_owned)).chain(tools).collect()
}

/// Returns the digest of a request: arguments, folder and variables. `None` if one of them is not text.
fn key(env: &CargoEnv, selection: &Selection) -> Option<Digest> {
    let variables: Vec<_> = env.cargo_vars().collect();
    let request = (env.cargo(), env.cwd(), selection, variables);
    Some(Digest::of(&serde_json::to_vec(&request).or_trace("describe the request as JSON")?))
}

/// Returns the folders that may be the target directory.
fn target_dirs(env: &CargoEnv, config: &CargoConfig, selection: &Selection) -> Vec<PathBuf> {
    // Only `cargo metadata` reports the target directory for certain, but running it is what the
    // cache saves.
    let given = selection.target_dir.clone();
    let variable = || env.var("CARGO_TARGET_DIR").map(PathBuf::from);
    let configured = || config.path(env, &["build", "target-dir"]);
    if let Some(dir) = given.or_else(variable).or_else(configured) {
        return vec![env.cwd().join(dir)];
    }
    selection.folder(env).ancestors().map(|dir| dir.join("target")).collect()
}

fn folder(target_dir: &Path) -> PathBuf {
    target_dir.join("wasm-oci/.metadata")
}

fn file(target_dir: &Path, key: Digest) -> PathBuf {
    folder(target_dir).join(format!("{}.json", key.hex()))
}

//! What `cargo metadata` said, kept so that it needn't be asked again.
//!
//! It takes about as long as a `cargo build` that has nothing to do, which would be doubled. What it says depends on
//!
//! - the request: arguments, folder, variables;
//! - files: manifests, cargo's configuration and cargo itself. All are looked at again ([`FileState`]);
//! - which manifests and source files there are. `cargo build` looks at that itself, and tells: it puts new members
//!   into `Cargo.lock`, and names the bins and examples it builds.
//!
//! So what is remembered is right if nothing of this has changed, which is only certain after the build. Then it is
//! confirmed, or cargo is asked after all.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::cargo::{
    cargo_config::CargoConfig, env::CargoEnv, file_state::FileState, project::Workspace,
    selection::Selection, toolchain::Toolchain,
};

/// How many requests are remembered before all are forgotten.
const LIMIT: usize = 64;

/// What was found out for a request, and the state of the files that it was found in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Memory {
    request: Request,
    files: Vec<FileState>,
    lock: FileState,
    /// What `cargo metadata` said.
    pub metadata: String,
    /// The toolchain's commit, if it had to be asked for.
    pub commit: Option<String>,
}

impl Memory {
    /// What is remembered of this request, when no file has changed.
    pub fn recall(request: Request, target_dirs: &[PathBuf], config: &CargoConfig) -> Option<Self> {
        let paths = target_dirs.iter().map(|dir| file(dir, request));
        let text = paths.filter(|path| path.is_file()).find_map(|path| fs::read(path).ok())?;
        let memory: Self = serde_json::from_slice(&text).ok()?;
        let is_known = |file: &Path| memory.files.iter().any(|known| known.path() == file);
        let is_current =
            memory.request == request && memory.files.iter().all(FileState::is_current);
        (is_current && config.files().all(is_known)).then_some(memory)
    }

    /// Whether the set of members is still the same, after a build.
    pub fn has_same_lock(&self) -> bool {
        self.lock.exists() && self.lock.is_current()
    }

    /// What cargo said of the workspace in `root`, with the present state of the files that it depends on.
    pub fn new(
        request: Request,
        metadata: String,
        commit: Option<String>,
        files: &[PathBuf],
        root: &Path,
    ) -> Self {
        let files = files.iter().map(|path| FileState::of(path)).collect();
        Self { request, files, lock: FileState::of(&root.join("Cargo.lock")), metadata, commit }
    }

    /// Writes it, unless a file has changed after `start`, or too shortly before:
    /// then cargo may have read what was in it earlier.
    pub fn keep(&self, target_dir: &Path, start: SystemTime) {
        let mut states = self.files.iter().chain([&self.lock]);
        if self.has_same_lock() && states.all(|file| file.is_settled(start)) {
            // In a folder that can't be written, it just takes longer the next time.
            self.write(target_dir).ok();
        }
    }

    fn write(&self, target_dir: &Path) -> io::Result<()> {
        let folder = folder(target_dir);
        if fs::read_dir(&folder).is_ok_and(|files| files.count() >= LIMIT) {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let path = file(target_dir, self.request);
        let unfinished = path.with_extension(std::process::id().to_string());
        fs::write(&unfinished, serde_json::to_vec(self)?)?;
        fs::rename(&unfinished, &path)
    }
}

/// Everything that `cargo metadata` reads, and what may come to be in its way: manifests in folders further up.
pub fn inputs(
    env: &CargoEnv,
    config: &CargoConfig,
    workspace: &Workspace,
    toolchain: &Toolchain,
) -> Vec<PathBuf> {
    let packages = workspace.members().chain(workspace.path_dependencies()).map(|(_, dir)| dir);
    let dirs = packages.chain([workspace.root(), env.cwd()]).flat_map(Path::ancestors);
    let files = dirs.map(|dir| dir.join("Cargo.toml")).chain(config.files().map(Path::to_owned));
    let tools = [env.cargo().to_owned(), toolchain.rustc.clone()];
    files.chain(tools).collect::<BTreeSet<_>>().into_iter().collect()
}

/// What makes two builds alike: arguments, folder and variables, as a hash of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request(u64);

impl Request {
    /// The request for a build.
    pub fn new(env: &CargoEnv, selection: &Selection) -> Self {
        let mut hasher = DefaultHasher::new();
        (env.cargo(), env.cwd(), format!("{selection:?}")).hash(&mut hasher);
        env.cargo_vars().for_each(|variable| variable.hash(&mut hasher));
        Self(hasher.finish())
    }
}

/// Where the target directory may be, before cargo is asked.
pub fn target_dirs(env: &CargoEnv, config: &CargoConfig, selection: &Selection) -> Vec<PathBuf> {
    let given = selection.target_dir.clone();
    let variable = || env.var("CARGO_TARGET_DIR").map(PathBuf::from);
    let configured = || config.path(env, &["build", "target-dir"]);
    if let Some(dir) = given.or_else(variable).or_else(configured) {
        return vec![env.cwd().join(dir)];
    }
    let manifest = selection.manifest_path.as_ref().map(|path| env.cwd().join(path));
    let start = manifest.as_deref().and_then(Path::parent).unwrap_or(env.cwd());
    start.ancestors().map(|dir| dir.join("target")).collect()
}

fn folder(target_dir: &Path) -> PathBuf {
    target_dir.join("wasm-oci/.requests")
}

fn file(target_dir: &Path, Request(hash): Request) -> PathBuf {
    folder(target_dir).join(format!("{hash:016x}.json"))
}

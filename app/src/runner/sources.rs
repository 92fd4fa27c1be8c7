//! The sources of the runner, if this program was built from a checkout.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fs_err as fs;
use wasm_oci_core::image::Digest;

use super::toolchain::version;
use crate::error::RunnerError;

/// Returns the folder of the runner's sources, if this program was built from a checkout that is still there.
pub(super) fn folder() -> Option<PathBuf> {
    // Without links, as cargo and rustc write its path.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runner").canonicalize().ok()?;
    Some(folder).filter(|it| it.join("Cargo.toml").is_file())
}

/// Returns a key of everything that the runner is built from, which does not change while this program runs.
pub(super) fn key(runner: &Path) -> Result<String, RunnerError> {
    static KEY: OnceLock<String> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key.clone());
    }
    let digest = digest(runner, version(runner)?).map_err(RunnerError::Sources)?;
    Ok(KEY.get_or_init(|| digest.hex()).clone())
}

fn digest(runner: &Path, version: String) -> io::Result<Digest> {
    let mut files = Vec::new();
    let mut folders = vec![runner.join("src"), runner.join("../core/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let manifests = ["Cargo.toml", "../Cargo.toml", "../Cargo.lock", "../core/Cargo.toml"];
    files.extend(manifests.map(|it| runner.join(it)));
    files.sort();
    let digests: Result<Vec<Digest>, _> =
        files.iter().map(|file| fs::read(file).map(|bytes| Digest::of(&bytes))).collect();
    let mut inputs: Vec<String> = digests?.iter().map(Digest::to_string).collect();
    // Another compiler makes other bytes.
    inputs.push(version);
    Ok(Digest::of(inputs.join("\n").as_bytes()))
}

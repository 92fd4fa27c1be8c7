//! Against the real cargo, in projects made on the spot.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use fs_err as fs;
use tempfile::TempDir;

use crate::cargo::env::CargoEnv;

mod git;
mod selecting;
mod toolchain;

/// A folder with a project in it, and an environment without the developer's own variables.
pub(crate) struct Sandbox {
    dir: TempDir,
    vars: Vec<(OsString, OsString)>,
}

impl Sandbox {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let keep = ["CARGO", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
        let is_kept = |name: &str| {
            keep.contains(&name) || !["CARGO", "RUST", "GIT"].iter().any(|it| name.starts_with(it))
        };
        let vars =
            std::env::vars_os().filter(|(name, _)| is_kept(&name.to_string_lossy())).collect();
        let sandbox = Self { dir, vars };
        files.iter().for_each(|(path, text)| sandbox.write(path, text));
        sandbox
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("the folder")
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) {
        self.vars.push((name.into(), value.as_ref().into()));
    }

    pub(crate) fn env(&self, folder: &str) -> CargoEnv {
        CargoEnv::new(self.root().join(folder), self.vars.clone())
    }

    /// Waits until a change of the files would change their times, because caches ignore files that are newer.
    pub(crate) fn settle(&self) {
        // Twice the coarsest tick of a clock that `TrackedFile` expects, unless times are whole seconds.
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn manifest(name: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"1.2.3\"\nedition = \"2024\"\n")
}

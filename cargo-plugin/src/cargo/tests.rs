//! Against the real cargo, in projects made on the spot.

use std::{ffi::OsString, path::PathBuf};

use fs_err as fs;
use tempfile::TempDir;

use crate::cargo::{
    build::{self, Built, Event, Settings},
    c::choice::Choice,
    env::CargoEnv,
    error::Error,
    file_state::CLOCK_TICK,
    project::{Project, Workspace},
    selection::Selection,
    target::WasiTarget,
};

mod building;
mod flags;
mod git;
mod reproducible;
mod selecting;
mod toolchain;

/// A folder with a project in it, and an environment that holds nothing of the developer's own.
struct Sandbox {
    dir: TempDir,
    vars: Vec<(OsString, OsString)>,
}

impl Sandbox {
    /// With these files.
    fn new(files: &[(&str, &str)]) -> Self {
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

    fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("the folder")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    fn set(&mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) {
        self.vars.push((name.into(), value.as_ref().into()));
    }

    /// In a folder of it.
    fn env(&self, folder: &str) -> CargoEnv {
        CargoEnv::new(self.root().join(folder), self.vars.clone())
    }

    /// Builds in a folder of it, with no settings. Quick: without optimizing.
    fn build(&self, folder: &str, selection: Selection) -> Result<Built<()>, Error> {
        let selection = Selection { profile: Some("dev".into()), quiet: true, ..selection };
        self.build_with(folder, selection, &mut |_| {})
    }

    fn build_with(
        &self,
        folder: &str,
        selection: Selection,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Built<()>, Error> {
        let settings = Settings {
            small: false,
            target: WasiTarget::Wasip1,
            install_target: false,
            c_compiler: Choice::default(),
        };
        let given = |_: &Workspace, projects: &[Project]| Ok((settings, vec![(); projects.len()]));
        build::build(&self.env(folder), &selection, given, observe)
    }

    /// Waits until a change of the files would show. Only then is anything remembered of them.
    fn settle(&self) {
        std::thread::sleep(2 * CLOCK_TICK);
    }
}

/// Without a word.
fn quiet() -> Selection {
    Selection { quiet: true, ..Selection::default() }
}

/// The smallest manifest.
fn manifest(name: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"1.2.3\"\nedition = \"2024\"\n")
}

/// The targets that were built, as `package/target`.
fn built_names(built: &Built<()>) -> Vec<String> {
    let names =
        built.projects.iter().map(|it| format!("{}/{}", it.project.package, it.project.target));
    names.collect()
}

//! What compilers leave for the end of a build: which was found, and whose C could not be compiled.
//!
//! A failure is none yet: build scripts also try things out. It counts when cargo's build has failed, and the build
//! script has not got to its end.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use wasm_oci_app::files;

use crate::cargo::c::choice::Choice;
use crate::cargo::c::toolchain::Toolchain;
use crate::cargo::target::WasiTarget;

/// A build script whose C was not compiled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    package: String,
    version: String,
    /// `OUT_DIR`, which tells build scripts from one another.
    out_dir: PathBuf,
    /// What was used.
    toolchain: Option<Toolchain>,
}

/// All of them, in a build that failed.
#[derive(Debug)]
pub struct Failures {
    target: WasiTarget,
    choice: Choice,
    failures: Vec<Failure>,
}

impl Failure {
    /// One in a build script's environment, as cargo sets it.
    pub fn new(var: impl Fn(&str) -> Option<String>, toolchain: Option<Toolchain>) -> Option<Self> {
        Some(Self {
            package: var("CARGO_PKG_NAME")?,
            version: var("CARGO_PKG_VERSION")?,
            out_dir: var("OUT_DIR")?.into(),
            toolchain,
        })
    }

    /// Leaves it for the end. Where that can't be, less is said there.
    pub fn note(&self, folder: &Path) {
        let mut hasher = DefaultHasher::new();
        self.out_dir.hash(&mut hasher);
        write(&failures(folder).join(format!("{:016x}.json", hasher.finish())), self);
    }
}

impl Failures {
    /// Those of the build that has just failed, but for build scripts that ended well, known by their `OUT_DIR`.
    /// `None` when there are none.
    pub fn read(
        folder: &Path,
        target: WasiTarget,
        choice: Choice,
        ended: &[PathBuf],
    ) -> Option<Self> {
        let notes =
            std::fs::read_dir(failures(folder)).ok()?.filter_map(|entry| read(&entry.ok()?.path()));
        let mut failures: Vec<Failure> =
            notes.filter(|failure: &Failure| !ended.contains(&failure.out_dir)).collect();
        failures.sort_by(|a, b| (&a.package, &a.version).cmp(&(&b.package, &b.version)));
        (!failures.is_empty()).then_some(Self { target, choice, failures })
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, choice, failures } = self;
        let names: Vec<_> =
            failures.iter().map(|it| format!("{} v{}", it.package, it.version)).collect();
        write!(f, "the C code of {} could not be compiled for {target}: ", names.join(", "))?;
        match failures.iter().find_map(|failure| failure.toolchain.as_ref()) {
            Some(toolchain) if toolchain.has_libc() => {
                write!(f, "it was given to {toolchain}; cargo shows above what that said")
            }
            Some(toolchain) => {
                write!(
                    f,
                    "it was given to {toolchain}, which has no C library for WASI; install {HELP}"
                )
            }
            None => match choice {
                Choice::Auto => write!(f, "there is no C compiler for WASI; install {HELP}"),
                chosen => {
                    write!(
                        f,
                        "there is no {chosen} here, as the setting `c-compiler` wants; install it, or use another"
                    )
                }
            },
        }
    }
}

const HELP: &str = "zig (`pip install ziglang`), or wasi-sdk with WASI_SDK_PATH set to its folder, or clang and \
                    wasi-libc (Debian: `apt install clang wasi-libc`)";

/// The toolchain that was found in this build, if it was looked for: there may be none.
pub fn found(folder: &Path) -> Option<Option<Toolchain>> {
    read(&toolchain(folder))
}

/// Keeps it for the rest of the build.
pub fn keep(folder: &Path, found: &Option<Toolchain>) {
    write(&toolchain(folder), found);
}

/// Forgets what an earlier build left.
pub fn clear(folder: &Path) {
    // Mostly there is nothing.
    std::fs::remove_dir_all(notes(folder)).ok();
}

fn notes(folder: &Path) -> PathBuf {
    folder.join("notes")
}

fn failures(folder: &Path) -> PathBuf {
    notes(folder).join("failures")
}

fn toolchain(folder: &Path) -> PathBuf {
    notes(folder).join("toolchain.json")
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn write(path: &Path, value: &impl Serialize) {
    let write = || {
        fs::create_dir_all(path.parent()?).ok()?;
        files::write(path, &serde_json::to_vec(value).ok()?).ok()
    };
    write();
}

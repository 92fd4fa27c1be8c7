//! Files that the compiler shims leave for the end of a build: the compiler that they found, and failures.
//!
//! A failed compilation is not an error yet, because build scripts also try things out. It counts when cargo's build fails
//! and the build script did not finish.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use wasm_oci_app::config::c_compiler::Choice;
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_core::image::Digest;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::c::toolchain::Toolchain;
use crate::cargo::json_cache;

/// A build script whose C was not compiled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    package: String,
    version: String,
    /// `OUT_DIR` of the build script.
    out_dir: PathBuf,
    /// The compiler, if one was found.
    toolchain: Option<Toolchain>,
}

impl Failure {
    /// Describes a failure from the variables that cargo sets for a build script.
    pub fn new(
        var: impl Fn(&str) -> Option<String>,
        toolchain: Option<Toolchain>,
    ) -> Option<Failure> {
        Some(Failure {
            package: var("CARGO_PKG_NAME")?,
            version: var("CARGO_PKG_VERSION")?,
            out_dir: var("OUT_DIR")?.into(),
            toolchain,
        })
    }

    /// Adds the failure to the log. If that fails, the error at the end of the build has fewer details.
    pub fn write(&self, folder: &Path) {
        // `OUT_DIR` differs for each build script, so scripts that run in parallel write different
        // files.
        let name = Digest::of(self.out_dir.as_os_str().as_encoded_bytes()).hex();
        json_cache::write(&failures(folder).join(format!("{name}.json")), self);
    }
}

/// Describes the failures of the build that has just failed. `finished` has the `OUT_DIR` of each build script that succeeded.
pub fn describe(
    folder: &Path,
    target: WasiTarget,
    choice: Choice,
    finished: &[PathBuf],
) -> Option<String> {
    let entries = fs::read_dir(failures(folder)).or_trace("read failures of C compilers")?;
    let logged = entries.flatten().filter_map(|entry| json_cache::read(&entry.path()));
    let mut failures: Vec<Failure> =
        // A build script that finished has coped with the failure.
        logged.filter(|failure: &Failure| !finished.contains(&failure.out_dir)).collect();
    // `read_dir` has no order, but the message needs one.
    failures.sort_by(|a, b| (&a.package, &a.version).cmp(&(&b.package, &b.version)));
    if failures.is_empty() {
        return None;
    }
    let reason = match failures.iter().find_map(|failure| failure.toolchain.as_ref()) {
        Some(toolchain) if toolchain.has_libc() => {
            format!("{toolchain} failed; its output is above")
        }
        Some(toolchain) => format!("{toolchain} has no C library for WASI; install {HELP}"),
        None if choice == Choice::Auto => {
            format!("no C compiler for WASI was found; install {HELP}")
        }
        None => format!(
            "the setting `c-compiler` asks for {choice}, which was not found; install it, or choose another compiler"
        ),
    };
    let names: Vec<_> =
        failures.iter().map(|it| format!("{} v{}", it.package, it.version)).collect();
    Some(format!("the C code of {} could not be compiled for {target}: {reason}", names.join(", ")))
}

const HELP: &str = "zig (`pip install ziglang`), or wasi-sdk with WASI_SDK_PATH set to its folder, or clang and \
                    wasi-libc (Debian: `apt install clang wasi-libc`)";

/// Removes the log of an earlier build.
pub fn clear(folder: &Path) {
    // Most builds compile no C, and so have no log.
    if log(folder).exists() {
        fs::remove_dir_all(log(folder)).or_trace("remove the log of C compilers");
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn failures(folder: &Path) -> PathBuf {
    log(folder).join("failures")
}

/// Returns the file with the compiler that this build uses, or with the fact that there is none.
pub fn toolchain_file(folder: &Path) -> PathBuf {
    log(folder).join("toolchain.json")
}

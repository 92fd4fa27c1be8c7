//! C compilers for the little C in the runner: a line of wasmtime, libraries for compression that the linker drops, and, in the
//! runner for HTTP, ring's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wasm_oci_core::image::Architecture;
use wasm_oci_core::trace::OrTrace;

use crate::config::c_compiler::zig_of_python;
use crate::config::env_vars::{self, find_program, search_path};
use crate::error::RunnerError;

/// Returns the variables that make the crate `cc` use a C compiler for this architecture: none if the user named one.
pub(super) fn variables(
    architecture: Architecture,
    folder: &Path,
) -> Result<Vec<(String, String)>, RunnerError> {
    let triple = architecture.triple();
    let variable = format!("CC_{}", triple.replace('-', "_"));
    let named = [format!("CC_{triple}"), variable.clone(), "TARGET_CC".to_owned()];
    if named.iter().any(|name| env_vars::value(name).is_some()) {
        return Ok(Vec::new());
    }
    // A compiler for glibc is one for musl, too: this C needs only the headers of the standard, and no C library's own.
    let arch = arch(architecture);
    let own = (cfg!(target_os = "linux") && architecture == Architecture::of_this_machine())
        .then_some("cc".to_owned());
    let gcc = ["musl", "gnu"].map(|libc| format!("{arch}-linux-{libc}-gcc"));
    let found = own.into_iter().chain(gcc).find(|name| find_program(name, search_path()).is_some());
    if let Some(name) = found {
        return Ok(vec![(variable, name)]);
    }
    if find_program("clang", search_path()).is_some_and(|clang| compiles(&clang, triple)) {
        return Ok(vec![(variable, "clang".to_owned())]);
    }
    if let Some(zig) = zig(folder) {
        return Ok(of_zig(&zig, architecture, variable));
    }
    let package = format!("gcc-{}-linux-gnu", arch.replace('_', "-"));
    Err(RunnerError::NoCCompiler { triple, package, variable })
}

fn arch(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Amd64 => "x86_64",
        Architecture::Arm64 => "aarch64",
    }
}

/// Returns true if clang finds the headers of the standard: it can compile for every architecture, but often has none for others.
fn compiles(clang: &Path, triple: &str) -> bool {
    let run = || {
        let mut child = Command::new(clang)
            .arg(format!("--target={triple}"))
            .args(["-fsyntax-only", "-x", "c", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(b"#include <stdlib.h>\n#include <string.h>\n")?;
        }
        child.wait()
    };
    run().or_trace("try clang").is_some_and(|status| status.success())
}

/// Looks for zig on `PATH`, then for Python's module `ziglang`.
fn zig(folder: &Path) -> Option<PathBuf> {
    let module = || {
        ["python3", "python"]
            .into_iter()
            .find_map(|name| find_program(name, search_path()))
            .and_then(|python| zig_of_python(Command::new(python).current_dir(folder)))
    };
    find_program("zig", search_path()).or_else(module)
}

/// Returns the variables for zig, which does not know Rust's names of targets: `cc` must not pass them.
fn of_zig(zig: &Path, architecture: Architecture, variable: String) -> Vec<(String, String)> {
    let flags = variable.replacen("CC_", "CFLAGS_", 1);
    // Without optimization, zig adds checks for undefined behaviour, whose functions are not linked.
    let own = format!(
        "-target {}-linux-musl -mcpu=baseline -O2 -fno-sanitize=undefined -ffunction-sections -fdata-sections",
        arch(architecture)
    );
    vec![
        (variable, format!("{} cc", zig.display())),
        (flags, own),
        ("CRATE_CC_NO_DEFAULTS".to_owned(), "1".to_owned()),
    ]
}

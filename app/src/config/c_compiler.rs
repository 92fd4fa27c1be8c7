//! The setting `c-compiler`, and where Python keeps zig.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wasm_oci_core::trace::OrTrace;

use super::env_vars::find_program;

wasm_oci_core::named_enum! {
    /// The C compilers that `cc` may use for C inside crates.
    #[derive(Default)]
    pub enum Choice: "C compiler" {
        /// The first of the others that is found, in this order.
        #[default]
        Auto = "auto",
        /// <https://github.com/WebAssembly/wasi-sdk>: clang with a C library.
        WasiSdk = "wasi-sdk",
        /// <https://ziglang.org>: clang with a C library, and on PyPI.
        Zig = "zig",
        /// Any clang, with a wasi-libc from elsewhere.
        Clang = "clang",
        /// `cc` keeps its defaults. It reads `CC_wasm32_wasip1`, so other compilers need no setting of ours.
        Off = "off",
    }
}

/// Looks for the program of Python's module `ziglang`. `python` must not run in a folder of the user, because `python -c` imports
/// modules from the current folder first.
pub fn zig_of_python(python: &mut Command) -> Option<PathBuf> {
    // `pip install ziglang` puts no `zig` on PATH, only a module with the program in its folder.
    let script = "import os, ziglang; print(os.path.dirname(os.path.abspath(ziglang.__file__)))";
    python.args(["-c", script]).stdin(Stdio::null()).stderr(Stdio::null());
    tracing::debug!(?python, "running");
    let output = python.output().or_trace("look for zig")?;
    let folder = String::from_utf8(output.stdout).or_trace("read a program's output")?;
    let folder = Path::new(folder.trim());
    output.status.success().then(|| find_program("zig", [folder.to_owned()]))?
}

//! Errors of finding and building runners of standalone images.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// A runner that is not there and can't be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    #[error(
        "neither runners nor their sources are beside this program; take an archive of a release, which has them, or name a \
         runner with --runner"
    )]
    NoSources,
    #[error("there is no folder for caches; set WASM_OCI_CACHE_DIR")]
    NoCache,
    #[error("can't use the cache of runners")]
    Cache(#[source] io::Error),
    #[error("can't read the sources of the runner")]
    Sources(#[source] io::Error),
    #[error(
        "`{program}` can't be started: building it needs Rust; take an archive of a release, which has it, or name one with \
         --runner"
    )]
    NotStarted { program: String, source: io::Error },
    #[error("{}: {message}", rustc.display())]
    Rustc { rustc: PathBuf, message: String },
    #[error(
        "the Rust target {triple} is not installed, and {forbidden_by} forbids to install it; run `{command}`"
    )]
    TargetMissing { triple: &'static str, command: String, forbidden_by: &'static str },
    #[error(
        "the Rust target {triple} is not installed, and this Rust is not managed by rustup; install it for {}, take an archive \
         of a release, which has the runner, or name one with --runner",
        sysroot.display()
    )]
    NoRustup { triple: &'static str, sysroot: PathBuf },
    #[error("`{command}` failed: {message}")]
    InstallFailed { command: String, message: String },
    #[error(
        "no C compiler for {triple} was found; install one (Debian: `apt install {package}`, or everywhere `pip install \
         ziglang`), name one in {variable}, take an archive of a release, which has the runner, or name a runner with --runner"
    )]
    NoCCompiler { triple: &'static str, package: String, variable: String },
    #[error("{step} failed ({status}); its output is above")]
    Cargo { step: &'static str, status: ExitStatus },
}

//! What can go wrong between the user's arguments and a built module.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_app::exit_code::ExitCode;

use crate::cargo::c::failure_log::Failures;

/// A failure on the cargo side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The current directory is gone or can't be read.
    #[error("can't find the current directory; run this from a folder that exists")]
    CurrentDir(#[source] io::Error),

    /// A program this needs couldn't be run.
    #[error("can't run `{}`{}", program.display(), remedy(source))]
    NotStarted {
        /// What was to be run.
        program: PathBuf,
        /// Why it couldn't be.
        source: io::Error,
    },

    /// `cargo metadata` failed: no manifest, or a broken one. The text is cargo's own.
    #[error("cargo can't read this project: {message}")]
    MetadataFailed {
        /// What cargo said.
        message: String,
    },

    /// `cargo metadata` printed something else than metadata.
    #[error("can't understand the output of `cargo metadata` (cargo 1.71 or newer is needed)")]
    MetadataUnreadable(#[source] serde_json::Error),

    /// `-p` or `--exclude` names no member of the workspace.
    #[error(
        "no package `{name}` in this workspace{}; its packages are: {}",
        did_you_mean(suggestion),
        quoted(packages)
    )]
    NoSuchPackage {
        /// What was asked for.
        name: String,
        /// The nearest package name.
        suggestion: Option<String>,
        /// All of them.
        packages: Vec<String>,
    },

    /// `--bin` or `--example` names no target of the selected packages.
    #[error(
        "no {kind} `{name}` in {}{}; {}",
        quoted(packages),
        did_you_mean(suggestion),
        available(kind, targets)
    )]
    NoSuchTarget {
        /// `bin` or `example`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// The selected packages.
        packages: Vec<String>,
        /// The nearest target name.
        suggestion: Option<String>,
        /// All targets of that kind.
        targets: Vec<String>,
    },

    /// The selected packages hold nothing that becomes a module.
    #[error(
        "nothing to build in {}: a module is made from a bin, an example or a cdylib; add `src/main.rs`, or \
         `crate-type = [\"cdylib\"]` under `[lib]`, or choose another package with `-p`",
        quoted(packages)
    )]
    NothingToBuild {
        /// The packages without a target.
        packages: Vec<String>,
    },

    /// The standard library for a target isn't there, and may not be installed now.
    #[error(
        "the Rust target {target} is not installed, and {forbidden_by} forbids to install it; run `{command}`"
    )]
    TargetMissing {
        /// Which.
        target: WasiTarget,
        /// What installs it.
        command: String,
        /// What keeps us from doing so.
        forbidden_by: &'static str,
    },

    /// The standard library for a target isn't there, and rustup can't get it.
    #[error(
        "the Rust target {target} is not installed, and rustup doesn't manage the toolchain in {}; install the \
         target where that toolchain came from (Debian: libstd-rust-dev-wasm32), or use a toolchain of rustup's",
        sysroot.display()
    )]
    NoRustup {
        /// Which.
        target: WasiTarget,
        /// Where the toolchain is.
        sysroot: PathBuf,
    },

    /// rustup was asked and failed.
    #[error("`{command}` failed: {message}")]
    InstallFailed {
        /// What was run.
        command: String,
        /// What rustup said.
        message: String,
    },

    /// rustc was asked where its parts are and failed.
    #[error("`{} --print sysroot` failed: {message}", rustc.display())]
    RustcFailed {
        /// Which rustc.
        rustc: PathBuf,
        /// What it said.
        message: String,
    },

    /// `cargo build` failed, and has said why.
    #[error("cargo couldn't build the selected targets ({status})")]
    CargoBuildFailed {
        /// How cargo ended.
        status: ExitStatus,
    },

    /// `cargo build` failed, and C in a crate was not compiled.
    #[error("{failures}")]
    CNotCompiled {
        /// Whose.
        failures: Failures,
    },

    /// A build script wants to compile C, and nothing here can. Seen among what cargo shows of the build script.
    #[error("there is no C compiler for {target}")]
    NoCCompiler {
        /// What it was to compile for.
        target: WasiTarget,
    },

    /// cargo's output couldn't be read to its end.
    #[error("can't read what `cargo build` prints")]
    OutputUnreadable(#[source] io::Error),

    /// cargo built everything and reported no module for a target.
    #[error(
        "cargo built no module for {kind} `{name}` of package `{package}`{}",
        required(features)
    )]
    NoArtifact {
        /// `bin`, `example` or `cdylib`.
        kind: &'static str,
        /// The target.
        name: String,
        /// Its package.
        package: String,
        /// What the target's `required-features` says.
        features: Vec<String>,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; install it, or add its folder to PATH",
        _ => "",
    }
}

impl Error {
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::CargoBuildFailed { .. } | Error::CNotCompiled { .. } => ExitCode::Build,
            Error::NoSuchPackage { .. } | Error::NoSuchTarget { .. } => ExitCode::Usage,
            _ => ExitCode::Failure,
        }
    }
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn available(kind: &str, targets: &[String]) -> String {
    match targets {
        [] => format!("there is no {kind} here"),
        _ => format!("its {kind}s are: {}", quoted(targets)),
    }
}

fn required(features: &[String]) -> String {
    match features {
        [] => String::new(),
        _ => format!("; it needs `--features {}`", features.join(",")),
    }
}

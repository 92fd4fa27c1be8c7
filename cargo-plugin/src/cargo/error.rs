//! Errors on the way from arguments to a built module.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_app::exit_code::ExitCode;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("can't find the current directory; change to a folder that exists")]
    CurrentDir(#[source] io::Error),

    #[error("can't run `{}`{}", program.display(), remedy(source))]
    NotStarted { program: PathBuf, source: io::Error },

    /// `cargo metadata` failed, for example without a manifest. `message` is cargo's own.
    #[error("cargo can't read this project: {message}")]
    MetadataFailed { message: String },

    #[error("can't understand the output of `cargo metadata` (cargo 1.71 or newer is needed)")]
    MetadataUnreadable(#[source] serde_json::Error),

    /// `-p` or `--exclude` names a package that is not a member.
    #[error(
        "there is no package `{name}` in this workspace{}; its packages are {}",
        did_you_mean(suggestion),
        quoted(packages)
    )]
    NoSuchPackage { name: String, suggestion: Option<String>, packages: Vec<String> },

    /// `--bin` or `--example` names a target that the selected packages lack. `kind` is `bin` or `example`.
    #[error(
        "there is no {kind} `{name}` in {}{}; {}",
        quoted(packages),
        did_you_mean(suggestion),
        available(kind, targets)
    )]
    NoSuchTarget {
        kind: &'static str,
        name: String,
        packages: Vec<String>,
        suggestion: Option<String>,
        targets: Vec<String>,
    },

    #[error(
        "there is nothing to build in {}; add a program (`src/main.rs`) or a library with `crate-type = [\"cdylib\"]`, or choose \
         another package with `-p`",
        quoted(packages)
    )]
    NothingToBuild { packages: Vec<String> },

    #[error(
        "the Rust target {target} is not installed, and {forbidden_by} forbids installing it; run `{command}`"
    )]
    TargetMissing { target: WasiTarget, command: String, forbidden_by: &'static str },

    #[error(
        "the Rust target {target} is not installed, and rustup does not manage the toolchain in {}; install the target from the \
         source of that toolchain (Debian: libstd-rust-dev-wasm32), or use a toolchain from rustup",
        sysroot.display()
    )]
    NoRustup { target: WasiTarget, sysroot: PathBuf },

    #[error("`{command}` failed: {message}")]
    InstallFailed { command: String, message: String },

    #[error("`{} --print sysroot` failed: {message}", rustc.display())]
    RustcFailed { rustc: PathBuf, message: String },

    /// `cargo build` failed, and has printed the reason.
    #[error("`cargo build` failed ({status})")]
    CargoBuildFailed { status: ExitStatus },

    /// `cargo build` failed because C inside crates was not compiled.
    #[error("{message}")]
    CNotCompiled { message: String },

    /// Appears in the output of the build script that started the shim.
    #[error("no C compiler for {target} was found")]
    NoCCompiler { target: WasiTarget },

    #[error("can't read the output of `cargo build`")]
    OutputUnreadable(#[source] io::Error),

    /// cargo succeeded without a module for a target. `kind` is `bin`, `example` or `cdylib`; `features` are its
    /// `required-features`.
    #[error(
        "cargo built no module for the {kind} `{name}` of package `{package}`{}",
        required(features)
    )]
    NoArtifact { kind: &'static str, name: String, package: String, features: Vec<String> },

    /// cargo built a target into the file of another. `other` describes that one.
    #[error(
        "cargo built the {kind} `{name}` of package `{package}` and the {other} into one file, which holds the module of only one \
         of them; rename one"
    )]
    SharedFile { kind: &'static str, name: String, package: String, other: String },

    /// Two programs would have one layout.
    #[error(
        "the results of `{first}` and `{second}` would be in one folder, `{folder}`; rename one of them, or build them apart \
         with `--oci-layout-path`"
    )]
    SharedFolder { first: String, second: String, folder: String },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        // Installing a program does not help against other errors, such as a missing permission.
        io::ErrorKind::NotFound => "; install it, or add its folder to PATH",
        _ => "",
    }
}

impl Error {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            // 101, the exit code of cargo itself.
            Error::CargoBuildFailed { .. } | Error::CNotCompiled { .. } => ExitCode::Build,
            // A wrong name on the command line exits like a wrong flag.
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
        _ => format!("its {kind}s are {}", quoted(targets)),
    }
}

fn required(features: &[String]) -> String {
    match features {
        [] => String::new(),
        _ => format!("; enable its features with `--features {}`", features.join(",")),
    }
}

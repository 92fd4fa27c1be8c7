//! Arguments that clap can't reject.

use std::io;
use std::path::{Path, PathBuf};

use super::RunnerError;

/// Arguments, or variables for them, that contradict each other or don't fit what they are for. Each text ends with what to
/// do instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// A combination of arguments that is always wrong.
    #[error("{0}")]
    Combination(&'static str),

    #[error("`{parent}` has no subcommand `{name}`; `{parent} --help` lists all")]
    NoSubcommand { parent: String, name: String },

    #[error("can't use the runner `{}`: {reason}", file.display())]
    Runner { file: PathBuf, reason: String },
    #[error(
        "standalone images have no runner for {platform}; choose linux/amd64, linux/arm64 or both with --linux-platform"
    )]
    NoRunner { platform: String },
    #[error("there is no runner `{name}` for standalone images")]
    MissingRunner { name: String, source: RunnerError },
    #[error("`--env {text}` has no variable name; use NAME=VALUE or NAME")]
    NoVariableName { text: String },
    #[error("the environment variable `{name}` is not set; use {name}=VALUE")]
    VariableNotSet { name: String },
    #[error(
        "the environment variable `{name}` is not valid UTF-8, which programs need; use {name}=VALUE"
    )]
    VariableNotText { name: String },
    #[error("invalid value for {name}: {reason}")]
    Variable { name: &'static str, reason: String },

    #[error(
        "no credentials given; pass them with --username NAME --password-stdin, for example `echo $TOKEN | wasm-oci \
         login {registry} -u NAME --password-stdin`"
    )]
    NoCredentials { registry: String },
    #[error("can't read the password from standard input")]
    UnreadablePassword(#[source] io::Error),
    #[error(
        "{password} is set without an account; set {registry} to the host of the registry and {username} to the user"
    )]
    PasswordWithoutAccount {
        password: &'static str,
        registry: &'static str,
        username: &'static str,
    },
    #[error(
        "the password on standard input is for one registry, but programs go to {registry} and {other}; log in to both \
         with `cargo wasm-oci login`"
    )]
    SeveralRegistries { registry: String, other: String },

    #[error("{} is a module, not an image; pack it first", described(path))]
    NotAnImage { path: PathBuf },
    /// Flags that only apply when a module is packed.
    #[error(
        "{} can't change an image that exists, `{source_name}`: leave {} out, or push the .wasm file that it was made of",
        flags.join(", "),
        if flags.len() == 1 { "it" } else { "them" }
    )]
    NeedsModule { flags: Vec<&'static str>, source_name: String },
    #[error(
        "`{}` is not a destination for an image; use oci:DIR, oci-archive:FILE or REGISTRY/REPOSITORY (to write a \
         module, use `pull --module`)",
        path.display()
    )]
    NotADestination { path: PathBuf },
    #[error("there is no image; choose a format with --format")]
    NoImage,
    #[error(
        "`{program}` has no repository; use {example}, or set `repository` in [package.metadata.wasm-oci]"
    )]
    NoRepository { program: String, example: &'static str },

    /// An argument for one program, with several that are selected.
    #[error("{argument} is for one program, and several are selected; choose one with --bin")]
    SeveralPrograms { argument: String },
    #[error(
        "`{image}` can be the image of one program only; write {{bin}} in it, or choose a program with --bin"
    )]
    OneImage { image: String },
    #[error("several programs could be started; choose one with -p or --bin: {}", names.join(", "))]
    AmbiguousProgram { names: Vec<String> },
    #[error(
        "the image has no {name} variant: it needs {has} and one for the other variant under one tag, as in standalone images, or \
         added with `wasm-oci index add`"
    )]
    NoVariant { name: &'static str, has: &'static str },
    #[error("`{first}` and `{second}` would both be called {name}; select one with -p or --bin")]
    SameName { first: String, second: String, name: String },
    #[error(
        "`{first}` and `{second}` would both be pushed to {repository}; write {{bin}} or {{package}} in its name, or choose one with -p or --bin"
    )]
    SameRepository { first: String, second: String, repository: String },

    #[error("no smoke test matches `{filter}`{}", match known.as_slice() {
        [] => ": no smoke tests are defined".to_owned(),
        known => format!("; the tests are `{}`", known.join("`, `")),
    })]
    NoSuchTest { filter: String, known: Vec<String> },

    #[error(
        "`{name}` is a library, which does nothing on its own; set the kind of workload with --kind, or build a component \
         for wasm32-wasip2 that serves HTTP"
    )]
    LibraryWorkload { name: String },
    #[error(
        "`{schedule}` is not a schedule; use minute, hour, day, month and day of the week, such as \"0 3 * * *\", \
         or @hourly, @daily or @weekly"
    )]
    InvalidSchedule { schedule: String },
    #[error("`{}` is a folder; name the Compose file in it", path.display())]
    ComposeFolder { path: PathBuf },
    #[error(
        "there is no .yaml, .yml or .json file in `{}`{}",
        path.display(),
        if *recursive { "" } else { "; -R also searches its subfolders" }
    )]
    NoManifests { path: PathBuf, recursive: bool },

    #[error("can't watch `{}`", path.display())]
    Watch { path: PathBuf, source: io::Error },
    #[error("can't listen on 127.0.0.1:{port}; choose another --port, or 0 for a free one")]
    Listen { port: u16, source: io::Error },
}

/// Returns a file as text, or what it stands for.
fn described(path: &Path) -> String {
    match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => format!("`{}`", path.display()),
    }
}

//! Errors of `new` and `init`.

use std::io;
use std::path::PathBuf;

use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_templates::{RenderError, all};

use crate::cargo::error::Error as CargoError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No template was given, and there is no terminal to ask on.
    #[error("no template was given; choose one with --template: {}", names())]
    NoTemplate,
    #[error(
        "there is no template `{name}`{}; the templates are {}",
        did_you_mean(suggestion),
        names()
    )]
    NoSuchTemplate { name: String, suggestion: Option<&'static str> },
    /// cargo or registries do not accept the name. `reason` is in cargo's words.
    #[error(
        "`{name}` is not a valid name for a project: {reason}; choose another name with --name"
    )]
    Name { name: String, reason: String },
    /// The path has no last part, such as `..`.
    #[error("`{}` does not end with a name for the project; set one with --name", path.display())]
    Unnamed { path: PathBuf },
    #[error(
        "`{registry}` can't hold images: {reason}; write a registry and an owner, such as `ghcr.io/owner`"
    )]
    Registry { registry: String, reason: String },
    #[error("`{}` exists already; choose another name, or run `cargo wasm-oci init` in it", path.display())]
    Exists { path: PathBuf },
    #[error("can't write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("can't read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A manifest is not valid TOML, or not a valid manifest.
    #[error("can't change `{}`: {reason}", path.display())]
    Manifest { path: PathBuf, reason: String },
    #[error(
        "git could not create a repository: {reason}; create the project without one with `--vcs none`"
    )]
    Vcs { reason: String },
    /// A bug in one of our templates.
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Cargo(#[from] CargoError),
    #[error(transparent)]
    App(#[from] wasm_oci_app::error::Error),
}

impl Error {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            // The same exit code as for a wrong flag.
            Error::NoTemplate
            | Error::NoSuchTemplate { .. }
            | Error::Name { .. }
            | Error::Unnamed { .. }
            | Error::Registry { .. } => ExitCode::Usage,
            Error::Cargo(error) => error.exit_code(),
            Error::App(error) => error.exit_code(),
            _ => ExitCode::Failure,
        }
    }
}

fn names() -> String {
    all().iter().map(|template| template.name).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(suggestion: &Option<&'static str>) -> String {
    suggestion.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

//! Why a project is not made, or not changed.

use std::io;
use std::path::PathBuf;

use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_templates::{RenderError, all};

use crate::cargo::error::Error as CargoError;

/// A failure on the way to a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody can be asked which template is meant.
    #[error("say what kind of project: --template NAME, of {}", names())]
    NoTemplate,
    /// There is no such template.
    #[error(
        "there is no template `{name}`{}; the templates are {}",
        did_you_mean(suggestion),
        names()
    )]
    NoSuchTemplate {
        /// What was asked for.
        name: String,
        /// The nearest name.
        suggestion: Option<&'static str>,
    },
    /// cargo takes no such name, in its words.
    #[error("a project can't be called `{name}`: {reason}; choose another with --name")]
    Name {
        /// What was asked for.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The path ends with no name.
    #[error("`{}` has no name to call the project by: give it one with --name", path.display())]
    Unnamed {
        /// The path.
        path: PathBuf,
    },
    /// No image can be there.
    #[error(
        "images can't go to `{registry}`: {reason}; write a registry and its owner, as `ghcr.io/owner`"
    )]
    Registry {
        /// What was asked for.
        registry: String,
        /// Why not.
        reason: String,
    },
    /// The folder is taken.
    #[error("`{}` is there already: choose another name, or run `cargo wasm-oci init` in it", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder can't be written.
    #[error("can't write `{}`", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A file can't be read.
    #[error("can't read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A manifest is not TOML, or not as cargo has it.
    #[error("can't change `{}`: {reason}", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A repository was asked for, and there is none now.
    #[error("git made no repository: {reason}; `--vcs none` does without")]
    Vcs {
        /// What git says.
        reason: String,
    },
    /// A mistake in a template.
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Cargo(#[from] CargoError),
    #[error(transparent)]
    App(#[from] wasm_oci_app::error::Error),
}

impl Error {
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::NoTemplate
            | Error::NoSuchTemplate { .. }
            | Error::Name { .. }
            | Error::Unnamed { .. }
            | Error::Registry { .. } => ExitCode::Usage,
            Error::Cargo(error) => error.exit_code(),
            Error::App(error) => error.exit_code(),
            Error::Exists { .. }
            | Error::Write { .. }
            | Error::Read { .. }
            | Error::Manifest { .. }
            | Error::Vcs { .. }
            | Error::Render(_) => ExitCode::Failure,
        }
    }
}

fn names() -> String {
    all().iter().map(|template| template.name).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(suggestion: &Option<&'static str>) -> String {
    suggestion.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

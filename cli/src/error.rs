//! Everything that can end a command, and the exit code that it ends with.

use std::path::PathBuf;

use wasm_oci_core::{image, module, run, store};

use crate::budget::OverBudget;
use crate::exit_code::ExitCode;
use crate::settings::SettingsError;
use crate::yaml;

/// Why a command didn't do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the error of one stage, documented there")]
pub enum Error {
    #[error(transparent)]
    Read(#[from] module::ReadError),
    #[error(transparent)]
    Optimize(#[from] module::OptimizeError),
    #[error(transparent)]
    Validate(#[from] module::ValidateError),
    #[error(transparent)]
    Image(#[from] image::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Run(#[from] run::Error),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Budget(#[from] OverBudget),
    #[error(transparent)]
    Yaml(#[from] yaml::Error),
    /// A file that is not part of a layout or archive.
    #[error("can't write `{}`: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// A combination of arguments that clap doesn't know to be wrong.
    #[error("{0}")]
    Usage(String),
    /// Smoke tests failed, so that nothing was done after them.
    #[error(
        "{failed} of {run} smoke tests failed, so that nothing was pushed: {way_out} pushes all the same"
    )]
    SmokeTests { failed: usize, run: usize, way_out: &'static str },
    /// Consumers that an image is meant for can't start it.
    #[error("{0}")]
    NotTaken(String),
    /// Ctrl-C.
    #[error("interrupted: what was being written is as it was before, or complete")]
    Interrupted,
    /// The asynchronous runtime didn't start.
    #[error("can't start the network runtime: {0}")]
    Runtime(#[source] std::io::Error),
    /// Standard output.
    #[error("can't write to standard output: {0}")]
    Stdout(#[source] std::io::Error),
}

impl Error {
    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Read(module::ReadError::NotWasm { .. }) | Error::Validate(_) => ExitCode::Invalid,
            Error::Optimize(module::OptimizeError::Invalid(_)) => ExitCode::Invalid,
            Error::Image(image::Error::NoModule { .. }) => ExitCode::Invalid,
            Error::Store(store::Error::Registry(e)) if e.is_authentication() => ExitCode::Authentication,
            Error::Store(store::Error::Registry(_)) => ExitCode::Registry,
            Error::Run(
                run::Error::Invalid(_) | run::Error::Module { .. } | run::Error::NotACommand { .. },
            ) => ExitCode::Invalid,
            Error::Usage(_) => ExitCode::Usage,
            Error::Interrupted => ExitCode::Interrupted,
            Error::Budget(_) => ExitCode::SizeBudget,
            Error::NotTaken(_) => ExitCode::NotTaken,
            Error::SmokeTests { .. } => ExitCode::SmokeTest,
            _ => ExitCode::Failure,
        }
    }
}

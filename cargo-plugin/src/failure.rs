//! Everything that can end a command, and the exit code that it ends with.

use std::path::PathBuf;

use wasm_oci_app::exit_code::ExitCode;

use crate::cargo::error::Error as CargoError;
use crate::references::ReferenceError;
use crate::scaffold::error::Error as ScaffoldError;

/// Why a command didn't do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The cargo side.
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// A file refers to a program that isn't there.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Watching for changes.
    #[error("can't watch `{}` for changes", path.display())]
    Watch {
        /// What was to be watched.
        path: PathBuf,
        /// What happened.
        source: notify::Error,
    },
    /// The program that `watch` runs didn't start.
    #[error("can't start `{}` again", path.display())]
    Start {
        /// This program.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// A new project, or one that is prepared.
    #[error(transparent)]
    Scaffold(#[from] ScaffoldError),
    /// The stages after it.
    #[error(transparent)]
    Stage(wasm_oci_app::error::Error),
}

impl<E: Into<wasm_oci_app::error::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Stage(error.into())
    }
}

impl Failure {
    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Cargo(
                CargoError::CargoBuildFailed { .. } | CargoError::CNotCompiled { .. },
            ) => ExitCode::Build,
            Failure::Cargo(CargoError::NoSuchPackage { .. } | CargoError::NoSuchTarget { .. }) => {
                ExitCode::Usage
            }
            Failure::Scaffold(error) if error.is_usage() => ExitCode::Usage,
            Failure::Cargo(_)
            | Failure::Reference(_)
            | Failure::Scaffold(_)
            | Failure::Watch { .. }
            | Failure::Start { .. } => ExitCode::Failure,
            Failure::Stage(error) => error.exit_code(),
        }
    }

    /// Whether the user has been told already.
    #[must_use]
    pub fn is_told(&self) -> bool {
        matches!(self, Failure::Cargo(CargoError::CargoBuildFailed { .. }))
    }
}

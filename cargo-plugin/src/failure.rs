//! Everything that can end a command, and the exit code that it ends with.

use wasm_oci::exit_code::ExitCode;

use crate::cargo::error::Error as CargoError;

/// Why a command didn't do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The cargo side.
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// The stages after it.
    #[error(transparent)]
    Stage(wasm_oci::error::Error),
}

impl<E: Into<wasm_oci::error::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Stage(error.into())
    }
}

impl Failure {
    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Cargo(CargoError::CargoBuildFailed { .. }) => ExitCode::Build,
            Failure::Cargo(CargoError::NoSuchPackage { .. } | CargoError::NoSuchTarget { .. }) => {
                ExitCode::Usage
            }
            Failure::Cargo(_) => ExitCode::Failure,
            Failure::Stage(error) => error.exit_code(),
        }
    }

    /// Whether the user has been told already.
    #[must_use]
    pub fn is_told(&self) -> bool {
        matches!(self, Failure::Cargo(CargoError::CargoBuildFailed { .. }))
    }
}

//! Everything that can end a command, and the exit code that it ends with.

use std::path::PathBuf;

use wasm_oci_app::exit_code::ExitCode;

use crate::cargo::error::Error as CargoError;
use crate::scaffold::error::Error as ScaffoldError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cargo(#[from] CargoError),
    /// A `wasm-oci://` reference that means no program. `place` is `file:line:column`.
    #[error("{place}: `{text}` {reason}")]
    Reference { place: String, text: String, reason: String },
    #[error("can't watch `{}` for changes", path.display())]
    Watch { path: PathBuf, source: notify::Error },
    /// The program that `watch` runs did not start.
    #[error("can't start `{}`", path.display())]
    Start { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Scaffold(#[from] ScaffoldError),
    #[error(transparent)]
    App(wasm_oci_app::error::Error),
}

impl<E: Into<wasm_oci_app::error::Error>> From<E> for Error {
    fn from(error: E) -> Error {
        Error::App(error.into())
    }
}

impl Error {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Cargo(error) => error.exit_code(),
            Error::Scaffold(error) => error.exit_code(),
            Error::App(error) => error.exit_code(),
            Error::Reference { .. } | Error::Watch { .. } | Error::Start { .. } => {
                ExitCode::Failure
            }
        }
    }

    /// Returns true if cargo has already printed the reason.
    pub fn is_printed(&self) -> bool {
        // After cargo's own messages, a line of ours would add nothing.
        matches!(self, Error::Cargo(CargoError::CargoBuildFailed { .. }))
    }
}

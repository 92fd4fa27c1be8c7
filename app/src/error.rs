//! Errors of commands, and their exit codes.

mod runner;
mod usage;

use std::path::PathBuf;

use wasm_oci_core::{compat, image, module, run, store};

use crate::exit_code::ExitCode;
use crate::units::size;

pub use runner::RunnerError;
pub use usage::UsageError;

/// The error of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Read(#[from] module::ReadError),
    #[error(transparent)]
    Optimize(#[from] module::OptimizeError),
    #[error(transparent)]
    Validate(#[from] module::ValidateError),
    #[error(transparent)]
    Compat(#[from] compat::Error),
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
    Yaml(#[from] YamlError),
    /// A file that is not part of a layout or archive.
    #[error("can't write `{}`", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Smoke tests failed before a push.
    #[error(
        "{failed} of {run} smoke tests failed; nothing was pushed ({suggestion} to push anyway)"
    )]
    SmokeTests { failed: usize, run: usize, suggestion: &'static str },
    /// A gate refuses what it can't judge.
    #[error(
        "what is denied, or required of runtimes, can't be judged for {place}, which engines may start: remove that program \
         from the image, or leave out these checks"
    )]
    NotJudged { place: String, source: image::Error },
    /// As above, about compiled code.
    #[error(
        "what is denied, or required of runtimes, can't be judged for the native program for {platform}: {reason}; make it \
         again with `wasm-oci convert --format standalone`, or leave out these checks"
    )]
    UnknownCode { platform: String, reason: &'static str },
    /// Engines that an image is meant for can't start it.
    #[error("{0}")]
    NotTaken(String),
    #[error("interrupted: no file was left half-written")]
    Interrupted,
    #[error("can't start the network runtime")]
    Runtime(#[source] std::io::Error),
    #[error("can't write to standard output")]
    Stdout(#[source] std::io::Error),
}

impl Error {
    /// Returns the exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Read(module::ReadError::NotWasm { .. } | module::ReadError::Text { .. })
            | Error::Validate(_) => ExitCode::Invalid,
            Error::Optimize(module::OptimizeError::Invalid(_)) => ExitCode::Invalid,
            Error::Compat(compat::Error::Unsupported { .. } | compat::Error::Module(_)) => {
                ExitCode::Invalid
            }
            Error::Image(
                image::Error::NoModule { .. }
                | image::Error::NoSuchCommand { .. }
                | image::Error::Layer { .. }
                | image::Error::SpinApplication { .. },
            )
            | Error::NotJudged { .. }
            | Error::UnknownCode { .. } => ExitCode::Invalid,
            Error::Image(image::Error::OverLimit(_))
            | Error::Store(store::Error::Image(image::Error::OverLimit(_))) => ExitCode::OverLimit,
            Error::Store(store::Error::Registry(e)) if e.is_authentication() => {
                ExitCode::Authentication
            }
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

/// Settings that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    #[error("no setting is called `{key}` (in {table}): {hint}")]
    UnknownKey {
        table: String,
        key: String,
        /// The likely name, or all names.
        hint: String,
    },
    /// Something other than a table of settings.
    #[error("can't read the settings in {table}: {reason}")]
    Table { table: String, reason: String },
    #[error("invalid value for `{key}`{}: {reason}", table.as_ref().map(|table| format!(" in {table}")).unwrap_or_default())]
    Value {
        /// The setting, or the environment variable.
        key: String,
        /// The metadata table that it is in.
        table: Option<String>,
        reason: String,
    },
    /// Packages that are built together, with different values of a setting of the whole build.
    #[error(
        "the selected packages have different values of `{key}`; set it in [workspace.metadata.wasm-oci], or build \
         the packages one by one with -p"
    )]
    Disagreement { key: &'static str },
}

impl SettingsError {
    pub(crate) fn table(table: &str, reason: impl Into<String>) -> SettingsError {
        SettingsError::Table { table: table.to_owned(), reason: reason.into() }
    }

    /// Returns the error about a value that is not from a metadata table.
    pub fn invalid(key: &str, reason: &dyn ToString) -> SettingsError {
        SettingsError::Value { key: key.to_owned(), table: None, reason: reason.to_string() }
    }
}

/// A module or image that is larger than its budget.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{name}` is over its size budget: {what} {}, {} more than the {} of `size-budget`: {cause}; run `size` for details",
    size(*bytes), size(bytes - budget), size(*budget)
)]
pub struct OverBudget {
    pub name: String,
    /// Subject and verb of the message, such as `its module has`.
    pub what: &'static str,
    pub bytes: u64,
    pub budget: u64,
    /// The largest part, or the largest increase.
    pub cause: String,
}

/// A YAML file that can't be read or edited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum YamlError {
    #[error("can't read `{name}`")]
    Read { name: String, source: std::io::Error },
    #[error("`{name}` is larger than {} MiB, the limit for manifests", limit >> 20)]
    TooLarge {
        name: String,
        /// Maximum number of bytes.
        limit: usize,
    },
    #[error("`{name}` is not valid UTF-8 (invalid byte at offset {at}); save it as UTF-8")]
    NotText {
        name: String,
        /// Offset of the first invalid byte.
        at: usize,
    },
    #[error("{place}: {reason}{}", hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    Syntax {
        place: String,
        reason: String,
        /// A likely cause.
        hint: Option<&'static str>,
    },
    /// A value whose notation prevents editing in place.
    #[error("{place}: can't change this in place; {suggestion}")]
    NotInPlace { place: String, suggestion: String },
}

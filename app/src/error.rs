//! Everything that can end a command, and the exit code that it ends with.

mod usage;

use std::path::PathBuf;

use wasm_oci_core::{compat, image, module, run, store};

use crate::exit_code::ExitCode;
use crate::units::size;

pub use usage::UsageError;

/// Why a command didn't do what it was asked for.
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
    /// Engines that an image is meant for can't start it.
    #[error("{0}")]
    NotTaken(String),
    /// Ctrl-C.
    #[error("interrupted: no file was left half-written")]
    Interrupted,
    /// The asynchronous runtime didn't start.
    #[error("can't start the network runtime")]
    Runtime(#[source] std::io::Error),
    /// Standard output.
    #[error("can't write to standard output")]
    Stdout(#[source] std::io::Error),
}

impl Error {
    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Read(module::ReadError::NotWasm { .. }) | Error::Validate(_) => {
                ExitCode::Invalid
            }
            Error::Optimize(module::OptimizeError::Invalid(_)) => ExitCode::Invalid,
            Error::Compat(compat::Error::Unsupported { .. } | compat::Error::Module(_)) => {
                ExitCode::Invalid
            }
            Error::Image(image::Error::NoModule { .. }) => ExitCode::Invalid,
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
    #[error("invalid value for `{key}`{}: {reason}", place(table.as_deref()))]
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
    /// Returns the error about a value that is not from a metadata table.
    pub fn invalid(key: &str, reason: &dyn ToString) -> SettingsError {
        SettingsError::Value { key: key.to_owned(), table: None, reason: reason.to_string() }
    }
}

fn place(table: Option<&str>) -> String {
    table.map(|table| format!(" in {table}")).unwrap_or_default()
}

/// What is larger than its budget.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{name}` is over its size budget: {what} {}, {} more than the {} of `size-budget`: {cause}; `size` shows all of it",
    size(*bytes), size(bytes - budget), size(*budget)
)]
pub struct OverBudget {
    /// The program.
    pub name: String,
    /// As in `its module has`.
    pub what: &'static str,
    /// Its bytes.
    pub bytes: u64,
    /// The most that it may have.
    pub budget: u64,
    /// What it is made of, or what has grown.
    pub cause: String,
}

/// Why a text is not taken, or not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum YamlError {
    /// It can't be read.
    #[error("can't read `{name}`")]
    Read {
        /// What.
        name: String,
        /// What happened.
        source: std::io::Error,
    },
    /// It has more bytes than [`MAX_BYTES`].
    #[error("`{name}` is larger than {} MiB, the limit for manifests", limit >> 20)]
    TooLarge {
        /// What.
        name: String,
        /// The most bytes that are read.
        limit: usize,
    },
    /// It is not text.
    #[error("`{name}` is not valid UTF-8 (invalid byte at offset {at}); save it as UTF-8")]
    NotText {
        /// What.
        name: String,
        /// Offset of the first invalid byte.
        at: usize,
    },
    /// It is not YAML.
    #[error("{place}: {reason}{}", hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    Syntax {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
        /// What may be the cause.
        hint: Option<&'static str>,
    },
    /// A value can't be changed where it stands.
    #[error("{place}: can't change this in place; {suggestion}")]
    NotInPlace {
        /// Where.
        place: String,
        /// What to do instead.
        suggestion: String,
    },
}

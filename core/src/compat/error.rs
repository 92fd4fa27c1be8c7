use crate::UnknownName;
use crate::module::ValidateError;

/// The reason why an engine or runtime can't be selected, or why a module doesn't run where it has to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No format runs on every engine that a selector means.
    #[error("no image format runs on `{engine}`; run `check` to see why")]
    NoFormat {
        /// The selector's name.
        engine: &'static str,
    },
    /// No runtime has this name.
    #[error(transparent)]
    UnknownRuntime(#[from] UnknownName),
    /// A version that isn't one or two numbers, and perhaps a third.
    #[error("`{text}` is not a version; write it as `24` or `0.17`")]
    InvalidVersion {
        /// The version as the user wrote it.
        text: String,
    },
    /// A version older than those that the table covers.
    #[error("nothing is known about {runtime} {version}; use {runtime}@{oldest} or newer")]
    TooOld {
        /// The runtime.
        runtime: &'static str,
        /// The version as the user wrote it.
        version: String,
        /// The oldest version in the table.
        oldest: String,
    },
    /// A required runtime lacks what the module needs.
    #[error(
        "`{name}` does not run on `{required}`, which doesn't take `{need}`{detail}: {suggestion}, or \
         take `{required}` out of `runtimes`"
    )]
    Unsupported {
        /// The module's name.
        name: String,
        /// The runtime, with its version if the user gave one.
        required: String,
        /// The proposal, or the part of WASI, that the runtime lacks.
        need: String,
        /// The version or option that adds it, where the module uses it, and what else is missing.
        detail: String,
        /// The usual way to build without it.
        suggestion: &'static str,
    },
    /// The module can't be read to find where it uses something.
    #[error(transparent)]
    Module(#[from] ValidateError),
}

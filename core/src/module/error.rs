//! What can be wrong with a module.

use std::path::PathBuf;

use super::Capability;

/// Why a module can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file can't be read.
    #[error("can't read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// Something else than WebAssembly.
    #[error("`{name}` is not a WebAssembly binary: {found}")]
    NotWasm {
        /// The file's name.
        name: String,
        /// What it is instead, and what to do.
        found: String,
    },
}

/// Why a module can't be optimized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizeError {
    /// It isn't valid WebAssembly as it came.
    #[error(transparent)]
    Invalid(Box<ValidateError>),
    /// The user's own `wasm-opt` doesn't do it.
    #[error("can't optimize with `{}`: {reason}", program.display())]
    External {
        /// The program.
        program: PathBuf,
        /// What happened, and what to do.
        reason: String,
    },
    /// Binaryen works on files, and its temporary ones failed.
    #[error(
        "can't write a temporary file for the optimizer; free some space, or set TMPDIR to another folder"
    )]
    Temporary(#[source] std::io::Error),
}

/// Why a module isn't accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValidateError {
    /// Not valid WebAssembly.
    #[error(
        "`{name}` is not valid WebAssembly: {reason} (at byte {offset}): \
         the file is damaged or cut short, build or fetch it again"
    )]
    Malformed {
        /// The module's name.
        name: String,
        /// What is wrong.
        reason: String,
        /// Where, in bytes from the start.
        offset: u64,
    },
    /// Imports that no WASI runtime provides.
    #[error("`{name}` imports `{import}`, which no WASI runtime provides: {cause}{}", and_more(*.more))]
    ForeignImport {
        /// The module's name.
        name: String,
        /// The first of them, `module.name`.
        import: String,
        /// What usually causes it, and what to do.
        cause: String,
        /// How many more there are.
        more: usize,
    },
    /// It can do what it must not.
    #[error(
        "`{name}` can do what is denied, `{capability}`: it imports `{import}`. Find the dependency that needs it, or \
         take `{capability}` out of `deny`"
    )]
    Denied {
        /// The module's name.
        name: String,
        /// What is denied.
        capability: Capability,
        /// The import that it is done with.
        import: String,
    },
}

fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => " (and 1 more import like it)".to_owned(),
        n => format!(" (and {n} more imports like it)"),
    }
}

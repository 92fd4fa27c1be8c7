//! Errors of reading, optimizing and validating modules.

use std::path::PathBuf;

use super::Capability;

/// An error of reading a module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file can't be read.
    #[error("can't read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The text of a module has an error.
    #[error("`{name}` is not valid WebAssembly text: {reason}")]
    Text {
        /// The file's name.
        name: String,
        /// The error, with the line.
        reason: String,
    },
    /// The file is not WebAssembly.
    #[error("`{name}` is not a WebAssembly binary: {found}")]
    NotWasm {
        /// The file's name.
        name: String,
        /// The detected file type, and what to do.
        found: String,
    },
}

/// An error of optimizing a module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizeError {
    /// The input is not valid WebAssembly.
    #[error(transparent)]
    Invalid(Box<ValidateError>),
    /// The user's own `wasm-opt` failed.
    #[error("can't optimize with `{}`: {reason}", program.display())]
    External {
        /// The program.
        program: PathBuf,
        /// The cause, and what to do.
        reason: String,
    },
    /// A temporary file failed; Binaryen works on files only.
    #[error(
        "can't write a temporary file for the optimizer; free some space, or set TMPDIR to another folder"
    )]
    Temporary(#[source] std::io::Error),
}

/// The reason why a module is refused.
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
        /// The validator's message.
        reason: String,
        /// Offset in bytes from the start.
        offset: u64,
    },
    /// Imports that are not part of WASI preview 1.
    #[error("`{name}` imports `{import}`, which is not part of WASI: {cause}{}", and_more(*.more))]
    ForeignImport {
        /// The module's name.
        name: String,
        /// The first of them, `module.name`.
        import: String,
        /// The usual cause, and what to do.
        cause: String,
        /// The number of further imports that no runtime provides.
        more: usize,
    },
    /// An import from WASI preview 1 that it doesn't have, or not with this type.
    #[error(
        "`{name}` can't be linked: {reason}. Build it for wasm32-wasip1 with the usual C library, or, if your runtime has \
         it, allow it with `--allow-import wasi_snapshot_preview1`"
    )]
    NotInWasi {
        /// The module's name.
        name: String,
        /// The function, and what is wrong.
        reason: String,
    },
    /// The module has a capability that the user denies.
    #[error(
        "`{name}` can do what is denied, `{capability}`: it imports `{import}`. Find the dependency that needs it, or \
         take `{capability}` out of `deny`"
    )]
    Denied {
        /// The module's name.
        name: String,
        /// The denied capability.
        capability: Capability,
        /// The import that gives the capability.
        import: String,
    },
    /// The module imports something that may give it a capability that the user denies.
    #[error(
        "`{name}` imports `{import}`, and we can't tell if that gives it what is denied. If it doesn't, allow `{allow}` \
         with `--allow-import` or `allow-imports` in the settings; otherwise find the dependency that needs it"
    )]
    Unjudged {
        /// The module's name.
        name: String,
        /// The import.
        import: String,
        /// The name that allows it.
        allow: String,
    },
}

fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => " (and 1 more import like it)".to_owned(),
        n => format!(" (and {n} more imports like it)"),
    }
}

//! Errors that keep a program from starting.

use std::path::PathBuf;

use super::EntryKind;
use crate::module::ValidateError;

/// Error that kept a program from starting. A program that did start ends with an [`ExitReason`](super::ExitReason).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The module is invalid, or imports functions that WASI doesn't have.
    #[error(transparent)]
    Invalid(#[from] ValidateError),
    /// The program can't be started in this way.
    #[error("`{name}` can't be run: {}", why(*entry))]
    NotACommand {
        /// The module's name.
        name: String,
        /// The way to start it.
        entry: EntryKind,
    },
    /// A folder that the program is given can't be opened.
    #[error("can't open the folder `{}` for the program: {reason}", host.display())]
    Dir {
        /// The folder of the host.
        host: PathBuf,
        /// wasmtime's description.
        reason: String,
    },
    /// The file for standard input can't be opened.
    #[error("can't open `{}` as standard input", path.display())]
    Stdin {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The server's address can't be bound.
    #[error("can't listen on {addr}{}", remedy(source))]
    Listen {
        /// The address.
        addr: std::net::SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// wasmtime can't compile or link the module.
    #[error("`{name}` can't be started: {reason}")]
    Module {
        /// The module's name.
        name: String,
        /// wasmtime's description.
        reason: String,
    },
    /// Compiled code can't be loaded.
    #[error("the code in `{}` can't be started: {reason}", file.display())]
    Code {
        /// The file.
        file: PathBuf,
        /// wasmtime's description.
        reason: String,
    },
    /// wasmtime doesn't work on this machine.
    #[error("programs can't be run on this machine: {0}")]
    Engine(String),
    /// The cache of compiled code can't be used. Programs run without it, but start more slowly.
    #[error("the cache `{}` is not used: {reason}", dir.display())]
    Cache {
        /// The folder.
        dir: PathBuf,
        /// The problem, and its solution if there is one.
        reason: String,
    },
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "; choose another port (0 picks a free one)",
        _ => "",
    }
}

fn why(entry: EntryKind) -> &'static str {
    match entry {
        EntryKind::Http => "it answers HTTP requests (wasi:http/proxy); start it with `serve`",
        EntryKind::Library => {
            "it exports neither `_start` nor `wasi:cli/run`, so it is a library; build a program (in Rust, a bin with \
             `main`), or name a function of the module in the image's entrypoint: `/NAME.wasm#FUNCTION`"
        }
        EntryKind::Module | EntryKind::Component => {
            "it doesn't answer HTTP requests; start it with `run`"
        }
    }
}

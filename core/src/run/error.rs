//! Why a program can't be run.

use std::path::PathBuf;

use super::EntryKind;
use crate::module::ValidateError;

/// Why a program can't be run at all. How one that was run ended is an [`ExitReason`](super::ExitReason).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not a valid module, or imports what WASI doesn't have.
    #[error(transparent)]
    Invalid(#[from] ValidateError),
    /// It is not what can be started in this way.
    #[error("`{name}` can't be run: {}", why(*entry))]
    NotACommand {
        /// The module's name.
        name: String,
        /// What it is instead.
        entry: EntryKind,
    },
    /// A folder for the program can't be opened.
    #[error("can't open the folder `{}` for the program: {reason}", host.display())]
    Dir {
        /// The folder.
        host: PathBuf,
        /// What happened.
        reason: String,
    },
    /// The file for its standard input can't be opened.
    #[error("can't open `{}` as standard input", path.display())]
    Stdin {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// A server can't listen where it is to.
    #[error("can't listen on {addr}{}", remedy(source))]
    Listen {
        /// Where.
        addr: std::net::SocketAddr,
        /// What happened.
        source: std::io::Error,
    },
    /// wasmtime doesn't compile or link it.
    #[error("`{name}` can't be started: {reason}")]
    Module {
        /// The module's name.
        name: String,
        /// What it says.
        reason: String,
    },
    /// wasmtime can't work on this machine.
    #[error("programs can't be run on this machine: {0}")]
    Engine(String),
    /// The cache of compiled code can't be used; everything works without it.
    #[error("the cache `{}` is not used: {reason}", dir.display())]
    Cache {
        /// Its folder.
        dir: PathBuf,
        /// What is wrong with it.
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
        EntryKind::Http => "it answers HTTP requests (wasi:http/proxy): start it with `serve`",
        EntryKind::Library => {
            "it exports neither `_start` nor `wasi:cli/run`, so that it is a library: build a program (a bin in \
             Rust, with `main`), or name a function of a module in its image's entrypoint, as `/NAME.wasm#FUNCTION`"
        }
        EntryKind::Module | EntryKind::Component => {
            "it doesn't answer HTTP requests: start it with `run`"
        }
    }
}

//! Why a program doesn't run to its end.

use std::path::PathBuf;

use crate::module::Kind;

/// Why a program doesn't run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to start in it.
    #[error("`{name}` can't be run: {}", why(*kind))]
    NotACommand {
        /// The module's name.
        name: String,
        /// What it is instead.
        kind: Kind,
    },
    /// A folder for the program can't be opened.
    #[error("can't open the folder `{}` for the program: {reason}", host.display())]
    Dir {
        /// The folder.
        host: PathBuf,
        /// What happened.
        reason: String,
    },
    /// wasmtime doesn't compile, link or start it.
    #[error("`{name}` can't be started: {reason}")]
    Module {
        /// The module's name.
        name: String,
        /// What it says.
        reason: String,
    },
    /// The program was stopped by a trap.
    #[error("`{name}` was stopped: {trace}")]
    Trap {
        /// The module's name.
        name: String,
        /// Which trap, and where.
        trace: String,
    },
}

fn why(kind: Kind) -> &'static str {
    match kind {
        Kind::Component => {
            "it is a component, and only core modules run here: build it for wasm32-wasip1, or run it with `wasmtime run`"
        }
        Kind::Reactor | Kind::Command => {
            "it has no `_start`, so that it is a library: build a program (a bin in Rust, with `main`)"
        }
    }
}

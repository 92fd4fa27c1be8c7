//! Running programs with wasmtime: commands of WASI preview 1 (core modules) and of `wasi:cli/command` (components),
//! and, with the feature `serve`, components of `wasi:http/proxy`.
//!
//! ```text
//! BuiltModule ─Engine::program→ Program ─run→ Outcome
//!                  │    ▲          └─Server::bind→ Server
//!                  ▼    │ compiled code, by digest
//!                  Cache
//! ```
//!
//! Invariants: a program sees only those parts of the host that [`RunOptions`] or `ServeOptions` grant. Compiled code is
//! loaded only from a cache that nobody else can write to, or by the runner of a standalone image from that image.

#[cfg(feature = "compile")]
mod cache;
mod command;
#[cfg(feature = "compile")]
mod compile;
mod context;
mod engine;
mod error;
mod hints;
mod limits;
mod options;
#[cfg(feature = "http")]
mod outgoing;
#[cfg(feature = "serve")]
mod serve;
mod streams;
mod trap;

#[cfg(feature = "compile")]
pub use cache::{Cache, Identity};
pub use command::{ExitReason, Outcome, run};
#[cfg(feature = "compile")]
pub use compile::precompile;
pub use engine::{Engine, EntryKind, Program, engine_version};
pub use error::Error;
pub use hints::Hint;
pub use limits::{Limit, Limits};
pub use options::{Dir, RunOptions, Stdin, Streams};
#[cfg(feature = "serve")]
pub use serve::{Access, Failure, ServeOptions, Server};
pub use trap::{Frame, Trapped};

#[cfg(feature = "serve")]
pub use crate::connections::ConnectionLimits;

#[cfg(test)]
#[cfg(feature = "compile")]
mod tests;

//! From a WebAssembly module to an OCI image that every consumer takes.
//!
//! ```text
//! BuiltModule ─optimize→ OptimizedModule ─validate→ ValidatedModule ─assemble→ Image
//!                                                                               │
//!                     Layout directory · archive · Registry · run  ←────────────┘
//! ```
//!
//! A `.wasm` file enters as a [`BuiltModule`](module::BuiltModule); [`optimize`](module::optimize) makes an
//! [`OptimizedModule`](module::OptimizedModule) of it, [`validate`](module::validate) a
//! [`ValidatedModule`](module::ValidatedModule) with its [`Report`](module::Report), and
//! [`assemble`](image::assemble) an [`Image`](image::Image) in each [`Format`](image::Format) that is wanted.
//! [`save`](store::save) writes an image to a [`Layout`](store::Layout) or a registry,
//! [`write_archive`](store::write_archive) to one file; [`load`](store::load) reads it back, verified. With the
//! feature `run`, a command is executed by `run::run`; with `serve`, a component answers HTTP requests in a
//! `run::Server`.
//!
//! Each value can only exist if the step before succeeded. Nothing here prints, exits, or reads the clock; the same
//! inputs give the same bytes. The environment is read for nothing but credentials, where Docker and podman keep
//! them: see `store::Credentials::for_registry`.
//!
//! # Features
//! `optimize` (Binaryen), `registry`, `run` (wasmtime) and `serve` are on by default. They are what takes long to
//! build: without them, modules are stripped, validated, assembled and stored.

#![warn(missing_docs)]

#[macro_use]
mod named;

pub mod compat;
mod error;
pub mod fs;
mod gzip;
pub mod image;
pub mod limits;
pub mod module;
#[cfg(feature = "run")]
pub mod run;
pub mod store;
pub mod trace;

pub use error::error_chain;
pub use named::UnknownName;

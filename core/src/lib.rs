//! Turns a WebAssembly module into an OCI image, and stores or runs it.
//!
//! ```text
//! BuiltModule ─optimize→ OptimizedModule ─validate→ ValidatedModule ─assemble→ Image
//!                                                                               │
//!                     Layout directory · archive · Registry · run  ←────────────┘
//! ```
//!
//! A value exists only if the steps before it succeeded:
//! - [`BuiltModule`](module::BuiltModule) is a `.wasm` file as the compiler wrote it.
//! - [`optimize`](module::optimize) makes an [`OptimizedModule`](module::OptimizedModule).
//! - [`validate`](module::validate) makes a [`ValidatedModule`](module::ValidatedModule), which has a
//!   [`Report`](module::Report). [`compat`] checks the report against engines and runtimes.
//! - [`assemble`](image::assemble) makes an [`Image`](image::Image) in each [`Format`](image::Format) that you ask for.
//! - [`save`](store::save) writes an image to a [`Layout`](store::Layout) or a registry,
//!   [`write_archive`](store::write_archive) writes it to one file, and [`load`](store::load) reads and verifies it.
//! - With the feature `run`, `run::run` executes a command. With `serve`, `run::Server` answers HTTP requests with a
//!   component.
//!
//! The library never prints, exits or reads the clock, so the same inputs give the same bytes. It reads the environment
//! only for credentials, in `store::Credentials::for_registry`.
//!
//! # Example
//! Pack a `.wasm` file, write the image to a layout and push it to a registry:
//!
//! ```no_run
//! # #[cfg(all(feature = "optimize", feature = "registry"))]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use wasm_oci_core::image::{Format, ImageSettings, Reference, Tag, assemble};
//! use wasm_oci_core::module::{
//!     BuiltModule, OptimizeOptions, ValidateOptions, optimize, validate,
//! };
//! use wasm_oci_core::store::{Layout, Registry, RegistryOptions, Silent, save};
//!
//! let module = BuiltModule::read(Path::new("app.wasm"))?;
//! let module = optimize(module, &OptimizeOptions::default())?;
//! let module = validate(module, &ValidateOptions::default())?;
//! let images = assemble(&module, &ImageSettings::new("app"), &[Format::Universal])?;
//!
//! let layout = Layout::create(Path::new("target/oci"))?;
//! save(&images[0], &layout, &[Tag::latest()], &Silent).await?;
//!
//! let reference: Reference = "ghcr.io/me/app".parse()?;
//! let registry = Registry::new(&reference, RegistryOptions::default())?;
//! save(&images[0], &registry, &[Tag::latest()], &Silent).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! `optimize` (Binaryen), `registry`, `run` (wasmtime) and `serve` (an HTTP server) are on by default. They take
//! most of the time of a build. Without them, the library strips, validates, assembles and stores modules.

#![warn(missing_docs)]

#[macro_use]
mod named;

pub mod compat;
// Hidden, because its interface has types of hyper. The development registry of `wasm-oci` is the other server that uses it.
#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod connections;
mod error;
pub mod fs;
mod gzip;
pub mod image;
pub mod limits;
pub mod module;
#[cfg(feature = "run")]
pub mod run;
pub mod store;
pub mod text;
pub mod trace;

pub use error::error_chain;
pub use named::UnknownName;

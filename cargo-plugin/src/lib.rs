//! `cargo wasm-oci`: Rust programs into WebAssembly container images.
//!
//! ```text
//! arguments ─▶ Request ─resolve→ BuildPlan ─compile→ Compiled ─package→ BuiltImages
//! ```
//!
//! The library exists for the program and its tests; its interface may change at any time.

pub mod args;
pub mod cargo;
pub mod commands;
pub mod error;
pub mod ops;
pub mod scaffold;

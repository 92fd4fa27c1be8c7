//! `cargo wasm-oci`: Rust programs into WebAssembly container images.
//!
//! ```text
//! arguments ─▶ Request ─cargo::build→ BuiltProject… ─┬─ Stamp: nothing has changed ──────────┬─▶ Made
//!                                                   └─ pack → layout (shared with wasm-oci) ─┘
//! ```

pub mod args;
pub mod cargo;
pub mod commands;
pub mod detect;
pub mod doctor;
pub mod failure;
pub mod inputs;
pub mod programs;
pub mod references;
pub mod scaffold;
pub mod sources;
pub mod stages;
pub mod stamp;

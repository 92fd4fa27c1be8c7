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
pub mod failure;
pub mod scaffold;
pub mod sources;
pub mod stages;
pub mod stamp;

//! Subcommands of both `wasm-oci` and `cargo wasm-oci`.

pub mod completions;
pub mod login;
pub mod logout;
pub mod man;

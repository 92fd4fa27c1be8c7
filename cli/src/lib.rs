//! The command `wasm-oci`, as a library so that tests can read its command line.

pub mod commands;

//! The command `wasm-oci`. It is a library so that tests can read its command line.

pub mod commands;

//! The setting `c-compiler`.

pub use wasm_oci_app::config::c_compiler::{Choice, Kind};

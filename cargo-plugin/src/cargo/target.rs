//! The targets that modules are built for.

pub use wasm_oci_app::config::target::WasiTarget;

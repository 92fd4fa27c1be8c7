//! The cargo side: which targets are meant, how cargo builds them for WASI, and where the modules are.
//!
//! ```text
//! Selection ──cargo metadata, or the memory of it──▶ Workspace ──▶ Project… ──cargo build──▶ BuiltProject…
//! ```

pub mod build;
pub mod c;
pub mod cargo_config;
pub mod dep_info;
pub mod env;
pub mod error;
pub mod git;
pub mod json_cache;
pub mod leaked_paths;
pub mod messages;
pub mod metadata_cache;
pub mod path_remap;
pub mod profile;
pub mod project;
pub mod rustflags;
pub mod selection;
pub mod toolchain;

#[cfg(test)]
pub(crate) mod tests;

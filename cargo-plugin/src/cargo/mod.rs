//! cargo's side: which targets are selected, how cargo builds them for WASI, and where the modules are.
//!
//! ```text
//! Selection ──cargo metadata, maybe cached──▶ Workspace ──▶ Project… ──cargo build──▶ Module…
//! ```

pub mod batches;
pub mod build;
pub mod build_target;
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
pub mod pattern;
pub mod profile;
pub mod project;
pub mod rustflags;
pub mod selection;
pub mod toolchain;

#[cfg(test)]
pub(crate) mod tests;

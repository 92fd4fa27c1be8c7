//! New projects from templates, and additions to existing ones for images.
//!
//! ```text
//! name, values ─Template::render→ files ─create→ a folder ─membership→ a member of the workspace above it, if any
//!       programs ─render_init→ files ─adopt→ the files that a project lacks, and a table in its Cargo.toml
//! ```

pub mod adopt;
pub mod create;
pub mod error;
pub mod manifest;
pub mod membership;
pub mod name;
pub mod values;
pub mod vcs;

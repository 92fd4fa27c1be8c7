//! New projects from templates, and what existing ones need to become images.
//!
//! ```text
//! name, values ─Template::render→ files ─create→ a folder ─membership→ a member of the workspace around it, if any
//!       programs ─render_init→ files ─adopt→ those of them that a project lacks, and a table in its Cargo.toml
//! ```

pub mod adopt;
pub mod create;
pub mod error;
pub mod manifest;
pub mod membership;
pub mod name;
pub mod values;
pub mod vcs;

//! What the commands `wasm-oci` and `cargo wasm-oci` share: arguments, settings and plan, the stages from a
//! built module to images in their places, and all that is said to the user.
//!
//! ```text
//! flags, environment, metadata ─Settings::over→ Settings ─Plan::resolve→ Plan
//! BuiltModule + Plan ─pack→ Packed ─to_layout, to_archive, to_registry→ where the user wants it
//! ```

pub mod args;
pub mod audience;
pub mod budget;
pub mod check;
pub mod commands;
pub mod connection;
pub mod development_registry;
pub mod doctor;
pub mod env_vars;
pub mod error;
pub mod exit_code;
pub mod files;
pub mod manifests;
pub mod messages;
pub mod optimized;
pub mod pipeline;
pub mod plan;
pub mod render;
pub mod running;
pub mod schema;
pub mod serving;
pub mod settings;
pub mod shell;
pub mod size;
pub mod smoke;
pub mod source;
pub mod yaml;

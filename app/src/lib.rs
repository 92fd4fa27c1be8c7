//! Shared parts of the commands `wasm-oci` and `cargo wasm-oci`. Internal: no promise of a stable interface.
//!
//! ```text
//! flags, environment, metadata ─Settings::over→ Settings ─Plan::resolve→ Plan
//! BuiltModule + Plan ─pack→ Packed ─to_layout, to_archive, to_registry→ the destination
//! ```
//!
//! Each module imports only from those before it in this list; `tests/e2e/house.rs` checks that.

pub mod exit_code;
pub mod units;

pub mod error;

pub mod files;
pub mod signals;

pub mod rustc;

pub mod runtime;

pub mod config;

pub mod ui;

pub mod runner;

pub mod registry;

pub mod pipeline;

pub mod run;

pub mod smoke;

pub mod inspect;

pub mod deploy;

pub mod commands;

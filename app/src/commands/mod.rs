//! Subcommands that both commands have.

pub mod completions;
pub mod login;
pub mod logout;
pub mod man;

//! Running and serving programs for a user.

#[expect(clippy::module_inception, reason = "named after the command")]
pub mod run;
pub mod serve;

//! Running and serving programs, for both commands.

#[expect(clippy::module_inception, reason = "named after the command")]
pub mod run;
pub mod serve;

//! Running and serving programs, for both commands.

pub mod root;
#[expect(clippy::module_inception, reason = "named after the command")]
pub mod run;
pub mod serve;

//! Output to the user.

pub mod debug_log;
pub mod output_args;
pub mod render;
pub mod shell;

//! Output to the user.

pub mod output_args;
pub mod render;
pub mod shell;

//! Subcommands of both `wasm-oci` and `cargo wasm-oci`, and the parsing of their command lines.

pub mod completions;
pub mod login;
pub mod logout;
pub mod man;

use std::ffi::OsString;

use clap::Parser;

/// Parses the arguments. Ends the process if they are invalid or ask for help.
pub fn parse<T: Parser>(args: Vec<OsString>) -> T {
    T::try_parse_from(&args).unwrap_or_else(|_| {
        // Help lists all commands, including the deferred ones, so build the whole command.
        let mut command = T::command();
        command.build();
        let matches = command.get_matches_from(args);
        T::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    })
}

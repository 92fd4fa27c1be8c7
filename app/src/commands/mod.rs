//! Subcommands of both `wasm-oci` and `cargo wasm-oci`, and the parsing of their command lines.

pub mod completions;
pub mod login;
pub mod logout;
pub mod man;

use std::ffi::OsString;

use clap::Parser;
use wasm_oci_core::text::{barred, is_obeyed, visible};

/// Parses the arguments. Ends the process if they are invalid or ask for help.
pub fn parse<T: Parser>(args: Vec<OsString>) -> T {
    T::try_parse_from(&args).unwrap_or_else(|_| {
        parse_whole::<T>(&args).unwrap_or_else(|error| harmless::<T>(error, &args).exit())
    })
}

/// Parses the arguments with the whole command: help lists all subcommands, including the deferred ones.
fn parse_whole<T: Parser>(args: &[OsString]) -> Result<T, clap::Error> {
    let mut command = T::command();
    command.build();
    T::from_arg_matches(&command.try_get_matches_from(args)?)
}

/// Returns an error without characters that a terminal obeys. It quotes arguments, which a script may have taken from others.
fn harmless<T: Parser>(error: clap::Error, args: &[OsString]) -> clap::Error {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    if !args.iter().any(|arg| arg.contains(is_obeyed)) {
        return error;
    }
    // The text has color, and its parts can't be told apart. So it is made again, of harmless arguments.
    let shown: Vec<OsString> = args.iter().map(|arg| visible(arg).into()).collect();
    match parse_whole::<T>(&shown) {
        Err(again) if again.kind() == error.kind() => again,
        _ => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            clap::Error::raw(error.kind(), barred(text).into_owned() + "\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Tool {
        #[arg(long)]
        number: Option<u32>,
        #[arg(long, value_parser = short)]
        short: Option<String>,
    }

    fn short(text: &str) -> Result<String, String> {
        if text.len() == 2 { Err(format!("`{text}` is short")) } else { Ok(text.to_owned()) }
    }

    #[test]
    fn an_error_writes_out_what_a_terminal_obeys() {
        let error = |arg: &str| {
            let args = ["tool".into(), arg.into()];
            let error = parse_whole::<Tool>(&args).unwrap_err();
            let error = harmless::<Tool>(error, &args);
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        let hostile = "x\u{1b}]0;PWN\u{7}\u{202e}\nerror: forged";
        let shown = r"x\u{1b}]0;PWN\u{7}\u{202e}\nerror: forged";
        for arg in [hostile.to_owned(), format!("--number={hostile}"), format!("--{hostile}")] {
            let text = error(&arg);
            assert!(text.contains(shown), "{text}");
            assert!(!text.replace('\n', "").contains(is_obeyed), "{text:?}");
            assert!(!text.contains("\nerror:"), "{text}");
        }
        // Written out, this value is not the same any more, and no error.
        let text = error("--short=\u{85}");
        assert!(
            text.contains(r"`\u{85}` is short") && !text.replace('\n', "").contains(is_obeyed),
            "{text:?}"
        );
        assert!(error("--number=x").contains("'x'"));
    }
}

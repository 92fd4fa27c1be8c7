//! Decodes the hexadecimal digits in its arguments, or on standard input.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", env!("CARGO_BIN_NAME"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let text = match args.is_empty() {
        true => io::read_to_string(io::stdin())?,
        false => args.concat(),
    };
    io::stdout().write_all(&codec::decode(&text)?)?;
    Ok(())
}

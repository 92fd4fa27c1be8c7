//! Tidies text from standard input, or from the file in the arguments, to standard output.
//!
//! Nothing here is specific to WebAssembly.

mod tidy;

use std::env;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::tidy::tidy;

fn main() -> ExitCode {
    let path = env::args_os().nth(1).map(PathBuf::from);
    let output = BufWriter::new(io::stdout().lock());
    let result = match &path {
        Some(path) => File::open(path).and_then(|file| tidy(BufReader::new(file), output)),
        None => tidy(io::stdin().lock(), output),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader, such as `head`, needs no more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let input = path.unwrap_or_else(|| "standard input".into());
            eprintln!("{}: {}: {error}", env!("CARGO_BIN_NAME"), input.display());
            ExitCode::FAILURE
        }
    }
}

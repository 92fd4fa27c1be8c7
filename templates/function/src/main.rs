//! Reads a request as JSON, from standard input or the file in the arguments, and writes the answer
//! as JSON.
//!
//! Nothing here is specific to WebAssembly.

mod function;

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::function::describe;

fn main() -> ExitCode {
    let path = env::args_os().nth(1);
    let answer = read(path.as_deref().map(Path::new)).and_then(|request| answer(&request));
    let (answer, code) = match answer {
        Ok(answer) => (answer, ExitCode::SUCCESS),
        // Also as JSON, because the caller expects it. The exit code tells errors from answers.
        Err(error) => (json!({ "error": error }).to_string(), ExitCode::FAILURE),
    };
    match writeln!(io::stdout(), "{answer}") {
        Ok(()) => code,
        Err(error) => {
            eprintln!("{}: {error}", env!("CARGO_BIN_NAME"));
            ExitCode::FAILURE
        }
    }
}

/// Reads a file, or standard input.
fn read(path: Option<&Path>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = match path {
        Some(path) => File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
        None => io::stdin().lock().read_to_end(&mut bytes),
    };
    read.map(|_| bytes)
        .map_err(|error| format!("can't read the request: {error}"))
}

/// Returns the answer to a request, both as JSON.
fn answer(request: &[u8]) -> Result<String, String> {
    let request =
        serde_json::from_slice(request).map_err(|error| format!("not a request: {error}"))?;
    serde_json::to_string(&describe(&request)?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_becomes_json() {
        let expected = r#"{"count":2,"mean":1.5,"min":1.0,"max":2.0}"#;
        assert_eq!(answer(br#"{"values": [1, 2]}"#).as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for request in ["", "[]", "{}", r#"{"values": ["1"]}"#] {
            assert!(answer(request.as_bytes()).is_err(), "{request}");
        }
    }
}

//! Counts lines, words and characters: reads a request from standard input, and writes the answer to standard output, as JSON.
//!
//! Nothing here is specific to WebAssembly or HTTP.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    text: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Answer {
    lines: usize,
    words: usize,
    characters: usize,
    /// In lower case; of several, the first in the alphabet.
    most_frequent: Option<String>,
}

fn main() -> ExitCode {
    match answer_request() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer_request() -> Result<(), Box<dyn std::error::Error>> {
    let request: Request = serde_json::from_reader(io::stdin().lock())?;
    let answer = serde_json::to_vec(&count(&request.text))?;
    Ok(io::stdout().write_all(&answer)?)
}

fn count(text: &str) -> Answer {
    let mut times = BTreeMap::new();
    for word in text.split_whitespace() {
        *times.entry(word.to_lowercase()).or_insert(0_usize) += 1;
    }
    Answer {
        lines: text.lines().count(),
        words: times.values().sum(),
        characters: text.chars().count(),
        // Of several equal ones, `max_by_key` returns the last.
        most_frequent: times.into_iter().rev().max_by_key(|(_, times)| *times).map(|(word, _)| word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let most_frequent = Some("b".to_owned());
        assert_eq!(count("a b\nB c C"), Answer { lines: 2, words: 5, characters: 9, most_frequent });
        assert_eq!(count(""), Answer { lines: 0, words: 0, characters: 0, most_frequent: None });
    }
}

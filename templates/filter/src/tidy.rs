//! The filter itself.

use std::io::{self, BufRead, Write};

/// Copies text without white space at the ends of lines. Several empty lines become one, and those at
/// the beginning and the end are removed.
///
/// Holds one line at a time, and accepts any encoding that contains ASCII.
pub fn tidy(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    let (mut begun, mut gap) = (false, false);
    while input.read_until(b'\n', &mut line)? > 0 {
        let text = line.trim_ascii_end();
        if text.is_empty() {
            gap = begun;
        } else {
            if gap {
                output.write_all(b"\n")?;
            }
            output.write_all(text)?;
            output.write_all(b"\n")?;
            (begun, gap) = (true, false);
        }
        line.clear();
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(text: &str) -> String {
        let mut output = Vec::new();
        tidy(text.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn lines_end_with_their_text() {
        assert_eq!(tidied("a \t\r\n  b\n"), "a\n  b\n");
    }

    #[test]
    fn the_last_line_ends_too() {
        assert_eq!(tidied("a\nb"), "a\nb\n");
    }

    #[test]
    fn empty_lines_separate() {
        assert_eq!(tidied("\n\na\n\n \n\nb\n\n"), "a\n\nb\n");
        assert_eq!(tidied(" \n\n"), "");
        assert_eq!(tidied(""), "");
    }
}

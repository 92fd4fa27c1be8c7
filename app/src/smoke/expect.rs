//! Comparison of a program's output with the expectations of a smoke test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use regex::Regex;
use serde::Serialize;
use similar::TextDiff;
use wasm_oci_core::text::escaped;

/// Maximum number of lines shown of one text.
const MAX_LINES: usize = 120;
/// Maximum number of characters shown of one line.
const MAX_LINE_LENGTH: usize = 400;
// Finding the shortest diff can take quadratic time. After this limit, `similar` settles for a longer one.
const DIFF_TIME: Duration = Duration::from_secs(1);

/// One unmet expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Subject: `exit-code`, `stdout`, a file.
    pub what: String,
    /// Description, one line long.
    pub message: String,
    /// Diff against the expected text, or the text or pattern that was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// True if `detail` shows the actual value, so that printing it again would only repeat it.
    #[serde(skip)]
    pub shows_actual: bool,
}

impl Mismatch {
    pub(super) fn new(what: &str, message: impl Into<String>) -> Mismatch {
        Mismatch {
            what: what.to_owned(),
            message: message.into(),
            detail: None,
            shows_actual: false,
        }
    }

    pub(super) fn with(self, detail: String) -> Mismatch {
        Mismatch { detail: Some(detail), ..self }
    }
}

/// Expectations about some bytes: their whole content, or parts of it.
pub(super) struct Expectation<'a> {
    pub(super) whole: Option<Vec<u8>>,
    pub(super) contains: &'a [String],
    pub(super) matches: &'a [String],
}

impl Expectation<'_> {
    /// Returns every unmet expectation about `actual`; messages call it `what`.
    pub(super) fn mismatches(&self, what: &str, actual: &[u8]) -> Vec<Mismatch> {
        let mut mismatches = Vec::new();
        if let Some(expected) = self.whole.as_deref().filter(|expected| *expected != actual) {
            mismatches.push(different(what, "what was expected", expected, actual));
        }
        // Output with a few bytes that are not UTF-8 can still contain the expected parts.
        let text = String::from_utf8_lossy(actual);
        for part in self.contains.iter().filter(|part| !text.contains(part.as_str())) {
            mismatches.push(
                Mismatch::new(what, format!("{what} doesn't contain:"))
                    .with(escaped(part).into_owned()),
            );
        }
        for pattern in self.matches {
            // The pattern is valid: reading the settings checked it.
            if !Regex::new(pattern).is_ok_and(|regex| regex.is_match(&text)) {
                let mismatch = Mismatch::new(what, format!("{what} doesn't match:"));
                mismatches.push(mismatch.with(escaped(pattern).into_owned()));
            }
        }
        mismatches
    }
}

/// Reproducible observations of a run, keyed by their name in messages.
pub(super) type Observed = BTreeMap<String, Vec<u8>>;

/// Returns the differences between two runs that should behave alike.
pub(super) fn differences(reference: &Observed, actual: &Observed) -> Vec<Mismatch> {
    const THAN: &str = "that of the unoptimized module";
    // From both runs, because a file may exist after only one of them.
    let all: BTreeSet<&String> = reference.keys().chain(actual.keys()).collect();
    let difference = |what: &String| match (reference.get(what), actual.get(what)) {
        (Some(expected), Some(actual)) if expected != actual => {
            Some(different(what, THAN, expected, actual))
        }
        (Some(_), None) => {
            Some(Mismatch::new(what, format!("{what} exists only with the unoptimized module")))
        }
        (None, Some(_)) => {
            Some(Mismatch::new(what, format!("{what} doesn't exist with the unoptimized module")))
        }
        _ => None,
    };
    all.into_iter().filter_map(difference).collect()
}

/// Returns the mismatch of two values; `than` completes "is not …" in the message.
fn different(what: &str, than: &str, expected: &[u8], actual: &[u8]) -> Mismatch {
    let mismatch = match (std::str::from_utf8(expected), std::str::from_utf8(actual)) {
        (Ok(expected), Ok(actual)) => {
            Mismatch::new(what, format!("{what} is not {than}:")).with(diff(expected, actual))
        }
        _ => {
            // A diff by lines is useless for binary data, so show the bytes around the first difference.
            let same = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
            let sizes = format!("{} bytes, not {}", actual.len(), expected.len());
            let mismatch = Mismatch::new(
                what,
                format!("{what} is not {than}: {sizes}; byte {same} is the first that differs:"),
            );
            mismatch.with(format!("-{}\n+{}\n", hex(expected, same), hex(actual, same)))
        }
    };
    Mismatch { shows_actual: true, ..mismatch }
}

fn diff(expected: &str, actual: &str) -> String {
    // Escape first: a difference such as `\r\n` would otherwise be invisible in the diff.
    let (expected, actual) = (escaped(expected), escaped(actual));
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(&expected, &actual);
    shortened(&diff.unified_diff().header("expected", "actual").to_string())
}

/// Returns up to 16 bytes from `start` on, in hexadecimal.
fn hex(bytes: &[u8], start: usize) -> String {
    let some: Vec<String> =
        bytes.iter().skip(start).take(16).map(|byte| format!("{byte:02x}")).collect();
    match bytes.len() {
        end if start >= end => "(the end)".to_owned(),
        end if end > start + 16 => format!("{} …", some.join(" ")),
        _ => some.join(" "),
    }
}

/// Returns the first and last lines of a long text, each cut to a readable length.
pub(super) fn shortened(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let surplus = lines.len().saturating_sub(MAX_LINES);
    let mut short = String::new();
    for (number, line) in lines.iter().enumerate() {
        // Writing to a String can't fail.
        let _ = match number.checked_sub(MAX_LINES / 2) {
            Some(0) if surplus > 0 => writeln!(short, "… {surplus} more lines …"),
            Some(after) if after < surplus => continue,
            _ => match line.char_indices().nth(MAX_LINE_LENGTH) {
                Some((end, _)) => writeln!(short, "{} …", &line[..end]),
                None => writeln!(short, "{line}"),
            },
        };
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(expected: &[u8], actual: &[u8]) -> Vec<Mismatch> {
        Expectation { whole: Some(expected.to_vec()), contains: &[], matches: &[] }
            .mismatches("stdout", actual)
    }

    #[test]
    fn a_difference_is_shown_line_by_line() {
        assert_eq!(equal(b"a\n", b"a\n"), []);
        let [mismatch] = equal(b"a\nb\nc\n", b"a\nB\nc\n").try_into().unwrap();
        assert_eq!(mismatch.message, "stdout is not what was expected:");
        assert_eq!(
            mismatch.detail.unwrap(),
            "--- expected\n+++ actual\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
        );
        let detail =
            |expected: &[u8], actual: &[u8]| equal(expected, actual).remove(0).detail.unwrap();
        assert!(detail(b"a\n", b"a").contains("No newline at end of file"));
        assert!(detail(b"a\n", b"a\r\n").contains("+a\\r\n"));
        assert!(detail(b"a\n", b"\x1b[31ma\n").contains("+\\u{1b}[31ma\n"));
        assert_eq!(detail(b"\xff\x00\x01", b"\xff\x00\x02\x03"), "-01\n+02 03\n");
        assert_eq!(detail(b"\xff\x00", b"\xff"), "-00\n+(the end)\n");
    }

    #[test]
    fn parts_and_patterns() {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let (contains, matches) = (texts(&["ell", "x"]), texts(&["^H.*o$", "^e"]));
        let expectation = Expectation { whole: None, contains: &contains, matches: &matches };
        let mismatches = expectation.mismatches("stderr", b"Hello");
        let told: Vec<_> =
            mismatches.iter().map(|it| (it.message.as_str(), it.detail.as_deref())).collect();
        assert_eq!(
            told,
            [("stderr doesn't contain:", Some("x")), ("stderr doesn't match:", Some("^e"))]
        );
    }

    #[test]
    fn of_a_long_text_the_ends_are_shown() {
        let text: String = (0..1000).map(|number| format!("{number}\n")).collect();
        let short = shortened(&text);
        assert!(short.starts_with("0\n1\n") && short.ends_with("998\n999\n"), "{short}");
        assert!(short.contains("59\n… 880 more lines …\n940\n"), "{short}");
        assert_eq!(shortened("a\nb"), "a\nb\n");
        assert_eq!(shortened(&"x".repeat(500)).chars().count(), MAX_LINE_LENGTH + 3);
    }
}

//! Dep-info: the lists of source files that cargo writes next to what it builds.
//!
//! <https://doc.rust-lang.org/cargo/reference/build-cache.html#dep-info-files>

use std::path::PathBuf;

/// Returns the files in a list of the form `made: of these\ files`.
pub fn listed_files(text: &str) -> Vec<PathBuf> {
    let Some((_, list)) = text.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    // make's syntax: a backslash escapes a space.
    let words = list.replace("\\ ", "\0");
    words.split_whitespace().map(|word| word.replace('\0', " ").into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cargo_lists() {
        let list = listed_files("/t/app.wasm: /w/src/main.rs /w/a\\ b.txt\n\n/w/src/main.rs:\n");
        assert_eq!(list, [PathBuf::from("/w/src/main.rs"), PathBuf::from("/w/a b.txt")]);
        assert!(listed_files("").is_empty());
    }
}

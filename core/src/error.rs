//! Text of errors with their causes.

use std::error::Error;

/// Joins an error and its causes by `: `, outermost first. Our errors' `Display` is one level only, so that each can be
/// shown where its cause is already known.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        // Some libraries (notify, for example) repeat the cause in their own text.
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Level {
        text: &'static str,
        source: std::io::Error,
    }

    #[test]
    fn each_level_is_shown_once() {
        let chain = |text| error_chain(&Level { text, source: std::io::Error::other("no space") });
        assert_eq!(chain("can't write"), "can't write: no space");
        assert_eq!(chain("can't write: no space"), "can't write: no space");
    }
}

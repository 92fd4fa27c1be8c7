//! cargo's patterns for names of packages and targets.

/// Returns true if one of the patterns matches.
pub fn is_listed(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, name))
}

/// Matches cargo's patterns, except `[…]`: `*` stands for any text and `?` for one letter.
pub fn glob(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => {
            name.char_indices().any(|(at, _)| glob(rest.as_str(), &name[at..]))
                || glob(rest.as_str(), "")
        }
        Some(letter) => {
            let mut name = name.chars();
            name.next().is_some_and(|it| letter == '?' || letter == it)
                && glob(rest.as_str(), name.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_cargos() {
        for (pattern, name) in
            [("app", "app"), ("*", "app"), ("a*p", "app"), ("a?p", "app"), ("*pp*", "app")]
        {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("app", "apps"), ("a?", "app"), ("", "app"), ("b*", "app"), ("a*q", "app")]
        {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }
}

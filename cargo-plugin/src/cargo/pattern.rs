//! cargo's patterns for names of packages and targets.

use glob::Pattern;

/// Returns true if one of the patterns matches.
pub fn is_listed(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, name))
}

/// Matches a pattern as cargo does.
pub fn glob(pattern: &str, name: &str) -> bool {
    // An invalid pattern matches nothing, and cargo explains it.
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name))
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

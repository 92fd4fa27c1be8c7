//! Names and label values in the forms that Kubernetes accepts.

/// Checks the name of a RuntimeClass: a
/// [DNS subdomain](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/).
pub fn runtime_class_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        label.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let valid = text.len() <= 253 && text.split('.').all(is_label);
    valid
        .then(|| text.to_owned())
        .ok_or_else(|| "use lower-case letters, digits, `-` and `.`".to_owned())
}

/// Turns a name into one that a service may have: an
/// [RFC 1035 label](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#rfc-1035-label-names).
pub(super) fn object_name(name: &str) -> String {
    // Kubernetes appends 11 characters to the name of a cron job, and a label has at most 63.
    const LONGEST: usize = 52;
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    let name: String = name.chars().map(letter).collect();
    // Unlike other names in Kubernetes, an RFC 1035 label can't begin with a digit.
    let name = name.trim_start_matches(|letter: char| !letter.is_ascii_lowercase());
    let name = name[..name.len().min(LONGEST)].trim_end_matches('-');
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

/// Returns the value of a label, or `None` if it breaks the
/// [rules](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set).
pub(super) fn label_value(text: &str) -> Option<String> {
    // A version may contain `+` (semver, item 10), which labels can't have.
    let text = text.replace('+', "_");
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let valid = text.len() <= 63
        && is_end(text.bytes().next())
        && is_end(text.bytes().last())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    valid.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_kubernetes_takes() {
        for (name, expected) in
            [("a_B.c", "a-b-c"), ("1st-app-", "st-app"), ("_", "app"), ("é", "app")]
        {
            assert_eq!(object_name(name), expected);
        }
        assert_eq!(object_name(&"a".repeat(100)).len(), 52);
        assert_eq!(label_value("1.0+a"), Some("1.0_a".to_owned()));
        assert_eq!(label_value("a b"), None);
        assert!(runtime_class_name("a.b-c").is_ok());
        assert!(
            ["", "A", "a_b", "-a", "a..b"].iter().all(|name| runtime_class_name(name).is_err())
        );
    }
}

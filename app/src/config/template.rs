//! Placeholders in the names of repositories: `{bin}`, `{package}` and `{version}`.

use std::collections::BTreeSet;

/// A name without placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    pub text: String,
    /// Values that a reference can't hold, and the text instead of each.
    pub changed: BTreeSet<(String, String)>,
}

/// Replaces each placeholder by its value, as references can hold it: a repository has no capital letters, and nothing has a `+`.
pub fn expand(template: &str, values: &[(&str, &str)]) -> Expanded {
    let mut expanded = Expanded { text: String::new(), changed: BTreeSet::new() };
    let mut rest = template;
    while let Some(letter) = rest.chars().next() {
        let Some((placeholder, value)) = values.iter().find(|(it, _)| rest.starts_with(it)) else {
            expanded.text.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        // A colon after the last slash begins a tag, another one a port.
        let is_tag = expanded.text.rsplit('/').next().is_some_and(|last| last.contains(':'));
        let written = written(value, is_tag && !rest.contains('/'));
        expanded.text.push_str(&written);
        if written != *value {
            expanded.changed.insert(((*value).to_owned(), written));
        }
        rest = &rest[placeholder.len()..];
    }
    expanded
}

fn written(value: &str, is_tag: bool) -> String {
    // Helm does the same with versions.
    let text = value.replace('+', "_");
    // Only the ASCII letters: the reference parser refuses all others, and names them.
    if is_tag { text } else { text.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_what_a_reference_can_hold() {
        let values = [("{bin}", "MyApp"), ("{package}", "my-app"), ("{version}", "1.0.0-RC.1+b7")];
        for (template, text, changed) in [
            ("ghcr.io/Me/{package}", "ghcr.io/Me/my-app", vec![]),
            ("localhost:5000/{bin}", "localhost:5000/myapp", vec!["MyApp"]),
            ("a.io/{package}:{version}", "a.io/my-app:1.0.0-RC.1_b7", vec!["1.0.0-RC.1+b7"]),
            (
                "a.io/{bin}:{bin}-{version}",
                "a.io/myapp:MyApp-1.0.0-RC.1_b7",
                vec!["1.0.0-RC.1+b7", "MyApp"],
            ),
            (
                "a.io/{version}/{bin}:1",
                "a.io/1.0.0-rc.1_b7/myapp:1",
                vec!["1.0.0-RC.1+b7", "MyApp"],
            ),
            ("{bin}", "myapp", vec!["MyApp"]),
            ("{other}é{", "{other}é{", vec![]),
            ("", "", vec![]),
        ] {
            let expanded = expand(template, &values);
            assert_eq!(expanded.text, text);
            let names: Vec<&str> = expanded.changed.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, changed, "{template}");
        }
    }
}

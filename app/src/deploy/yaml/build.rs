//! YAML that we write, as people write it: blocks, in our order, and quotes where there have to be some.

use std::fmt::Write;

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(u32),
    /// Yes or no.
    Bool(bool),
    /// A list.
    List(Vec<Value>),
    /// Keys and values, in this order.
    Map(Vec<(String, Value)>),
}

/// A mapping of the pairs that have a value.
#[must_use]
pub fn map<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Value {
    let some = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Map(some.collect())
}

/// A list of texts, unless there is none.
#[must_use]
pub fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Option<Value> {
    let items: Vec<Value> = items.into_iter().map(Into::into).collect();
    (!items.is_empty()).then_some(Value::List(items))
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Value {
        Value::Bool(yes)
    }
}

impl Value {
    /// The text of a document.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0, false);
        text
    }

    /// Writes it after a key or, if `in_item`, after the dash of an item.
    fn write(&self, text: &mut String, indentation: usize, in_item: bool) {
        match self {
            Value::Text(value) => text.push_str(&format!(" {}\n", quoted_if_needed(value))),
            Value::Number(value) => text.push_str(&format!(" {value}\n")),
            Value::Bool(value) => text.push_str(&format!(" {value}\n")),
            Value::List(items) if items.is_empty() => text.push_str(" []\n"),
            Value::Map(pairs) if pairs.is_empty() => text.push_str(" {}\n"),
            Value::List(items) => {
                begin_lines(text);
                for item in items {
                    text.push_str(&" ".repeat(indentation));
                    text.push('-');
                    item.write(text, indentation + 2, true);
                }
            }
            Value::Map(pairs) => {
                if !in_item {
                    begin_lines(text);
                }
                for (n, (key, value)) in pairs.iter().enumerate() {
                    text.push_str(if in_item && n == 0 { " " } else { "" });
                    text.push_str(&" ".repeat(if in_item && n == 0 { 0 } else { indentation }));
                    text.push_str(&quoted_if_needed(key));
                    text.push(':');
                    // As kubectl has it, a list begins below its key and not more to the right.
                    let more = if matches!(value, Value::List(_)) { 0 } else { 2 };
                    value.write(text, indentation + more, false);
                }
            }
        }
    }
}

/// What comes next stands on lines of its own; at the start of a document it does anyway.
fn begin_lines(text: &mut String) {
    if !text.is_empty() {
        text.push('\n');
    }
}

/// A text as a plain scalar where that means the same to every reader of YAML, 1.1 and 1.2; else in double quotes.
#[must_use]
pub fn quoted_if_needed(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@-".contains(&byte);
    let is_word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    // No number or date has a slash in it, but a reference may begin with an address.
    let begins_well = bytes.first().is_some_and(|byte| {
        byte.is_ascii_alphabetic() || *byte == b'/' || byte.is_ascii_digit() && text.contains('/')
    });
    let is_quantity = || {
        let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
        text.len() > unit.len() && ["m", "Ki", "Mi", "Gi"].contains(&unit)
    };
    (begins_well && bytes.iter().copied().all(is_letter) && !text.ends_with(':') && !is_word)
        || is_quantity()
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Also those that YAML counts among line breaks, or doesn't take as they are.
            _ if letter.is_control()
                || matches!(
                    letter,
                    '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                // Writing to a text doesn't fail.
                _ = write!(quoted, "\\u{:04x}", letter as u32);
            }
            _ => quoted.push(letter),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::super::Stream;
    use super::*;

    #[test]
    fn it_is_written_as_people_do() {
        let value = map([
            ("a", Some("x y".into())),
            ("none", None),
            ("b", list([map([("c", Some(1.into())), ("d", list(["e", "-f"]))]), "g".into()])),
            ("h", Some(map([("i", Some(map([]))), ("j", Some(true.into()))]))),
            ("k", Some(Value::List(vec![Value::List(vec!["l".into()])]))),
        ]);
        let expected = "a: \"x y\"\nb:\n- c: 1\n  d:\n  - e\n  - \"-f\"\n- g\nh:\n  i: {}\n  j: true\nk:\n-\n  - l\n";
        assert_eq!(value.to_yaml(), expected);
    }

    #[test]
    fn every_text_is_read_as_it_was() {
        let texts = [
            "",
            "true",
            "No",
            "~",
            "1",
            "1.5",
            "8080:80",
            "0x1f",
            "1e3",
            ".5",
            "a: b",
            "a #b",
            "a:",
            "- a",
            "é\n\r\t\0\u{85}",
            "\"'\\",
            "\u{2028}\u{feff}\u{7f}",
            "{a}",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "ghcr.io/a/b@sha256:01",
            "127.0.0.1:5000/a",
            "50m",
            "$(A)",
        ];
        for text in texts {
            let written =
                map([("a", Some(text.into())), (text, Some(list([text]).unwrap()))]).to_yaml();
            let yaml = Stream::read("a", written.clone().into_bytes())
                .unwrap_or_else(|e| panic!("{e}: {written}"));
            let scalars: Vec<_> = yaml.nodes().filter_map(|node| yaml.scalar(node)).collect();
            assert_eq!(scalars, ["a", text, text, text], "{written}");
        }
    }
}

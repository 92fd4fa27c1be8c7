//! YAML that we print: block style, in our order, with quotes only where a reader of YAML 1.1 or 1.2 needs them.
//! serde-saphyr decides on quotes.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_saphyr::{FlowSeq, ser_options};
use wasm_oci_core::text::is_obeyed;

/// A value to print.
// Not `serde_json::Value`, which sorts its keys: readers expect `apiVersion` and `kind` at the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    Text(#[serde(serialize_with = "text")] String),
    Number(u32),
    Bool(bool),
    List(Vec<Value>),
    Map(#[serde(serialize_with = "in_order")] Vec<(String, Value)>),
}

fn in_order<S: Serializer>(pairs: &[(String, Value)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(pairs.iter().map(|(key, value)| (marked(key), value)))
}

fn text<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&marked(text))
}

/// A control character, for which serde-saphyr puts a text in quotes, and how it then writes the character.
const MARK: char = '\u{2}';
const WRITTEN_MARK: &str = r"\x02";

/// Returns a text with a mark and a number in the place of characters that change the direction of the text around them: a
/// manifest would look different from what it says. serde-saphyr escapes control characters, but not these.
fn marked(text: &str) -> Cow<'_, str> {
    let is_hidden = |letter: char| letter == MARK || (is_obeyed(letter) && !letter.is_control());
    if !text.contains(is_hidden) && !text.contains(WRITTEN_MARK) {
        return Cow::Borrowed(text);
    }
    let mut marked = String::with_capacity(text.len());
    for letter in text.chars() {
        // A backslash, too, so that nothing but our marks is written as one is. All are in the first plane.
        match is_hidden(letter) || letter == '\\' {
            true => marked.push_str(&format!("{MARK}{:04X}", u32::from(letter))),
            false => marked.push(letter),
        }
    }
    Cow::Owned(marked)
}

/// Returns a mapping of the pairs that have a value.
pub fn map<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Value {
    let some = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Map(some.collect())
}

/// Returns a list, or `None` if there are no items.
pub fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Option<Value> {
    let items: Vec<Value> = items.into_iter().map(Into::into).collect();
    (!items.is_empty()).then_some(Value::List(items))
}

macro_rules! values {
    ($($Type:ty => $Variant:ident),+) => {
        $(impl From<$Type> for Value {
            fn from(value: $Type) -> Value {
                Value::$Variant(value.into())
            }
        })+
    };
}

values!(&str => Text, String => Text, u32 => Number, bool => Bool);

impl Value {
    pub fn to_yaml(&self) -> String {
        print(self)
    }
}

/// Returns a text as a scalar that means the same in block and in flow style.
pub fn quoted_if_needed(text: &str) -> String {
    // In a flow sequence, also `,` and brackets are quoted.
    let list = print(&FlowSeq([marked(text)]));
    let item = list.trim_end().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    item.unwrap_or_default().to_owned()
}

fn print(value: &impl Serialize) -> String {
    // Texts of several lines are rare, and quotes show their line breaks exactly.
    let options = ser_options! { prefer_block_scalars: false };
    // Writing to a String can't fail.
    let yaml = serde_saphyr::to_string_with_options(value, options).unwrap_or_default();
    // With the number after it, each mark becomes an escape sequence of YAML.
    yaml.replace(WRITTEN_MARK, r"\u")
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
        let expected =
            "a: x y\nb:\n- c: 1\n  d:\n  - e\n  - -f\n- g\nh:\n  i: {}\n  j: true\nk:\n- - l\n";
        assert_eq!(value.to_yaml(), expected);
    }

    #[test]
    fn every_text_is_read_as_it_was() {
        for text in TEXTS {
            let written =
                map([("a", Some(text.into())), (text, Some(list([text]).unwrap()))]).to_yaml();
            let yaml = Stream::read("a", written.clone().into_bytes())
                .unwrap_or_else(|e| panic!("{e}: {written}"));
            let scalars: Vec<_> = yaml.nodes().filter_map(|node| yaml.scalar(node)).collect();
            assert_eq!(scalars, ["a", text, text, text], "{written}");
            let flow = format!("{{a: [{}, b]}}", quoted_if_needed(text));
            let yaml = Stream::read("a", flow.clone().into_bytes()).unwrap();
            let scalars: Vec<_> = yaml.nodes().filter_map(|node| yaml.scalar(node)).collect();
            assert_eq!(scalars, ["a", text, "b"], "{flow}");
        }
    }

    #[test]
    fn no_text_changes_the_direction_of_another() {
        let text = "a\u{202e}b\u{2066}'\"\\x02\u{61c}\u{2}";
        let written = map([("a", Some(text.into())), (text, list([text]))]).to_yaml();
        let quoted = r#""a\u202Eb\u2066'\"\u005Cx02\u061C\u0002""#;
        assert_eq!(written, format!("a: {quoted}\n{quoted}:\n- {quoted}\n"));
        assert_eq!(quoted_if_needed(text), quoted);
    }

    #[test]
    fn what_yaml_1_1_would_take_for_another_type_is_quoted() {
        for text in OTHER_TYPES {
            let written = map([(text, list([text]))]).to_yaml();
            let quoted = format!("\"{text}\"");
            assert_eq!(written, format!("{quoted}:\n- {quoted}\n"));
            assert_eq!(quoted_if_needed(text), quoted);
        }
    }

    const OTHER_TYPES: [&str; 26] = [
        "",
        "true",
        "No",
        "NO",
        "y",
        "Y",
        "on",
        "off",
        "null",
        "~",
        "1",
        "1.5",
        "01",
        "0o7",
        "08",
        "1_000",
        "0x1f",
        "1e3",
        ".5",
        ".inf",
        ".NaN",
        "12:30:45",
        "22:22",
        "2001-12-14",
        "=",
        "<<",
    ];

    const TEXTS: [&str; 60] = [
        "a\u{202e}b \u{2066}c\u{2069}\u{200f}\u{61c}\\u202E\"",
        r"C:\x0220\x02",
        "",
        "true",
        "No",
        "no",
        "NO",
        "on",
        "y",
        "~",
        "null",
        "1",
        "1.5",
        "01",
        "0o7",
        "08",
        "1_000",
        "8080:80",
        "12:30:45",
        "22:22",
        "0x1f",
        "1e3",
        ".5",
        ".inf",
        "2001-12-14",
        "2001-12-14t21:59:43.10-05:00",
        "=",
        "<<",
        "a: b",
        "a #b",
        "a:",
        "- a",
        "-",
        "?",
        "? a",
        ":",
        "---",
        "...",
        "#",
        "|",
        ">",
        " a",
        "a ",
        "a, b",
        "a\nb\n",
        "é\n\r\t\0\u{85}",
        "\"'\\",
        "\u{2028}\u{feff}\u{7f}\u{1f600}",
        "{a}",
        "[a]",
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
}

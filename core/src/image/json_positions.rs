//! Positions of values in a JSON text, to change a document that somebody else wrote and keep the rest of its bytes.

use std::ops::Range;

use serde::de::IgnoredAny;

/// Returns the members of the object that a text is, each with its name and the position of its value. `None` if the text
/// is not an object.
pub(super) fn members(text: &str) -> Option<Vec<(String, Range<usize>)>> {
    let mut cursor = Cursor { text, at: 0 };
    let mut members = Vec::new();
    cursor.take('{').then_some(())?;
    while !cursor.take('}') {
        let name = cursor.value()?;
        cursor.take(':').then_some(())?;
        members.push((serde_json::from_str(&text[name]).ok()?, cursor.value()?));
        cursor.take(',');
    }
    Some(members)
}

/// Returns the positions of the values in the list at `list`, or `None` if there is no list.
pub(super) fn elements(text: &str, list: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut cursor = Cursor { text: &text[..list.end], at: list.start };
    let mut elements = Vec::new();
    cursor.take('[').then_some(())?;
    while !cursor.take(']') {
        elements.push(cursor.value()?);
        cursor.take(',');
    }
    Some(elements)
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        let found = self.text[self.at..].starts_with(wanted);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Option<Range<usize>> {
        self.skip_space();
        let start = self.at;
        let values = serde_json::Deserializer::from_str(&self.text[start..]);
        let mut values = values.into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at = start + values.byte_offset();
        Some(start..self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_where_they_are() {
        let text = " {\"a\\u0062\" : [ 1, {\"]\": \"}\"} ,null],\"c\":-1.5e3 }\n";
        let members = members(text).unwrap();
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ab", "c"]);
        assert_eq!(&text[members[1].1.clone()], "-1.5e3");
        let elements = elements(text, &members[0].1).unwrap();
        let values: Vec<_> = elements.into_iter().map(|range| &text[range]).collect();
        assert_eq!(values, ["1", "{\"]\": \"}\"}", "null"]);
    }

    #[test]
    fn what_is_not_json_has_no_positions() {
        for text in ["", "[", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{1:1}", "nul"] {
            assert!(members(text).is_none(), "{text}");
            assert!(elements(text, &(0..text.len())).is_none(), "{text}");
        }
    }
}

//! Changes in place: everything else stays as it is, including comments, quotes and indentation.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Error, Node, NodeId, NodeKind, Stream, Style, quoted_if_needed};

/// Changes of one text.
#[derive(Debug)]
pub struct Edits<'a> {
    stream: &'a Stream,
    /// New texts of scalars.
    replaced: BTreeMap<NodeId, String>,
    /// New pairs of mappings, by the key that they precede.
    inserted: BTreeMap<NodeId, Vec<(String, String)>>,
    /// All changes as byte ranges and their replacements.
    splices: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub fn of(stream: &'a Stream) -> Edits<'a> {
        Edits { stream, replaced: BTreeMap::new(), inserted: BTreeMap::new(), splices: Vec::new() }
    }

    /// Replaces the text `from` of a scalar; only line breaks may follow it. Neither text may contain characters that need
    /// escaping in quotes.
    pub fn replace(&mut self, node: NodeId, from: &str, to: &str) -> Result<(), Error> {
        let node = self.stream.resolved(node);
        let refused = || self.refused(node, format!("replace it with `{to}` by hand"));
        let (range, style) = raw(self.stream, node, from).ok_or_else(refused)?;
        let text = self.stream.scalar(node).unwrap_or_default().replacen(from, to, 1);
        // A reference such as `[::1]:5000/app` would be a list without quotes.
        let raw = if style == Style::Plain { quoted_if_needed(to) } else { to.to_owned() };
        // Several aliases may lead to the same node.
        if self.replaced.insert(node, text).is_none() {
            self.splices.push((range, raw));
        }
        Ok(())
    }

    /// Inserts pairs of texts into a mapping before one of its keys.
    pub fn insert(
        &mut self,
        mapping: NodeId,
        before: NodeId,
        pairs: &[(&str, &str)],
    ) -> Result<(), Error> {
        let mapping = self.stream.resolved(mapping);
        // Several aliases may lead to the same mapping.
        if pairs.is_empty() || self.inserted.contains_key(&before) {
            return Ok(());
        }
        let lines: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let refused = || self.refused(before, format!("add `{}` by hand", lines.join("`, `")));
        let (at, text) = insertion(self.stream, mapping, before, pairs).ok_or_else(refused)?;
        let owned = pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
        self.inserted.insert(before, owned.collect());
        self.splices.push((at..at, text));
        Ok(())
    }

    /// Returns the text with all changes. Fails if the result would differ by more than the changes.
    pub fn apply(mut self) -> Result<String, Error> {
        self.splices.sort_by_key(|(range, _)| (range.start, range.end));
        let old = &self.stream.text;
        let mut new = String::with_capacity(old.len() + self.splices.len() * 100);
        let mut at = 0;
        for (range, text) in &self.splices {
            new.push_str(&old[at..range.start]);
            new.push_str(text);
            at = range.end;
        }
        new.push_str(&old[at..]);
        if self.splices.is_empty() {
            return Ok(new);
        }
        // The result has to mean the same as the original, except for the changes. So a file in a form that
        // this module does not handle is refused and never damaged.
        let again = Stream::read(&self.stream.name, new.into_bytes());
        let expected = outline(self.stream, &self.replaced, &self.inserted);
        let same = |again: &Stream| outline(again, &BTreeMap::new(), &BTreeMap::new()) == expected;
        match again {
            Ok(again) if same(&again) => Ok(again.text),
            _ => {
                let changed = self.replaced.keys().chain(self.inserted.keys());
                let first = changed.min().copied().unwrap_or_default();
                Err(self.refused(first, "write it on a line of its own, `key: value`".to_owned()))
            }
        }
    }

    fn refused(&self, node: NodeId, suggestion: String) -> Error {
        Error::NotInPlace { place: self.stream.place(node), suggestion }
    }
}

/// A node without its style. The tokens of all nodes in order are the complete meaning of a text.
#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Document,
    Scalar { text: &'a str, anchor: usize },
    Sequence { items: usize, anchor: usize },
    Mapping { pairs: usize, anchor: usize },
    Alias { anchor: usize },
}

fn outline<'a>(
    stream: &'a Stream,
    replaced: &'a BTreeMap<NodeId, String>,
    inserted: &'a BTreeMap<NodeId, Vec<(String, String)>>,
) -> Vec<Token<'a>> {
    let mut tokens = Vec::with_capacity(stream.nodes.len());
    let mut documents = stream.documents.iter().copied().peekable();
    for (id, Node { anchor, kind, .. }) in stream.nodes.iter().enumerate() {
        while documents.next_if_eq(&id).is_some() {
            tokens.push(Token::Document);
        }
        for (key, value) in inserted.get(&id).into_iter().flatten() {
            tokens.extend([key, value].map(|text| Token::Scalar { text, anchor: 0 }));
        }
        let anchor = *anchor;
        tokens.push(match kind {
            NodeKind::Scalar { text, .. } => {
                Token::Scalar { text: replaced.get(&id).unwrap_or(text), anchor }
            }
            NodeKind::Sequence(items) => Token::Sequence { items: items.len(), anchor },
            NodeKind::Mapping(pairs) => {
                let more = pairs
                    .iter()
                    .filter_map(|(key, _)| inserted.get(key))
                    .map(Vec::len)
                    .sum::<usize>();
                Token::Mapping { pairs: pairs.len() + more, anchor }
            }
            NodeKind::Alias(node) => Token::Alias { anchor: stream.nodes[*node].anchor },
        });
    }
    tokens
}

/// Returns the byte range of `text` in a scalar: without quotes, anchor, tag and block header.
fn raw(stream: &Stream, node: NodeId, text: &str) -> Option<(Range<usize>, Style)> {
    let Node { at, kind: NodeKind::Scalar { style, .. }, .. } = &stream.nodes[node] else {
        return None;
    };
    let start = content(stream, node);
    let rest = &stream.text[start..];
    let range = match style {
        Style::Plain => start..start + rest.starts_with(text).then_some(text.len())?,
        Style::Block => {
            // Block scalars have no escapes, so the text occurs literally.
            let found = start + stream.text[start..at.end.max(start)].find(text)?;
            found..found + text.len()
        }
        // The text contains no quote, so the next one ends the scalar.
        Style::Single => start + 1..start + 1 + rest.strip_prefix('\'')?.find('\'')?,
        Style::Double => {
            // The whole content is replaced, because JSON may escape characters that don't need it.
            let inside = rest.strip_prefix('"')?;
            let mut escaped = false;
            let end = inside.bytes().position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            })?;
            start + 1..start + 1 + end
        }
    };
    Some((range, *style))
}

/// Returns the start of a node after its anchor and tag.
fn content(stream: &Stream, node: NodeId) -> usize {
    let mut at = stream.nodes[node].at.start;
    loop {
        let rest = &stream.text[at..];
        at += match rest.bytes().next() {
            Some(b'&' | b'!') => rest.find(char::is_whitespace).unwrap_or(rest.len()),
            Some(b'#') => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            Some(b' ' | b'\t' | b'\n' | b'\r') => 1,
            // The header of a block scalar.
            Some(b'|' | b'>') if is_block(stream, node) => {
                rest.find(['\n', '\r']).unwrap_or(rest.len())
            }
            _ => return at,
        };
    }
}

fn is_block(stream: &Stream, node: NodeId) -> bool {
    matches!(stream.nodes[node].kind, NodeKind::Scalar { style: Style::Block, .. })
}

/// Returns the position and the text that insert pairs into a mapping before one of its keys.
fn insertion(
    stream: &Stream,
    mapping: NodeId,
    before: NodeId,
    pairs: &[(&str, &str)],
) -> Option<(usize, String)> {
    let text = &stream.text;
    let key = stream.nodes[before].at.start;
    let line = line_start(text, key);
    let indentation = &text[line..key];
    // YAML allows only spaces here, but JSON is often indented by tabs.
    let is_alone = indentation.bytes().all(|byte| byte == b' ' || byte == b'\t');
    let line_break = line_break(text, key);
    // A quoted key means JSON, in which every text has quotes.
    let quoted = text[key..].starts_with('"');
    let written = pairs.iter().map(|&(name, value)| match quoted {
        true => format!("\"{name}\": \"{value}\""),
        false => format!("{name}: {}", quoted_if_needed(value)),
    });
    if text[content(stream, mapping)..].starts_with('{') {
        let between =
            if is_alone { format!(",{line_break}{indentation}") } else { ", ".to_owned() };
        return Some((key, written.map(|pair| pair + &between).collect()));
    }
    if is_alone {
        let at = above_comments(stream, before, line, indentation);
        return Some((
            at,
            written.map(|pair| format!("{indentation}{pair}{line_break}")).collect(),
        ));
    }
    // The first key of an item, `- key: value`.
    let is_item = indentation.bytes().all(|byte| byte == b' ' || byte == b'-');
    let spaces = " ".repeat(indentation.len());
    is_item.then(|| (key, written.map(|pair| format!("{pair}{line_break}{spaces}")).collect()))
}

/// Returns the start of the line that new lines precede. A comment directly above the key belongs to the key.
fn above_comments(stream: &Stream, key: NodeId, line: usize, indentation: &str) -> usize {
    let text = &stream.text;
    let is_leaf = |node: &&Node| matches!(node.kind, NodeKind::Scalar { .. } | NodeKind::Alias(_));
    // Lines before this position are part of a scalar, even if they look like comments.
    let floor = stream.nodes[..key].iter().rev().find(is_leaf).map_or(0, |node| node.at.end);
    let mut start = line;
    while start > 0 {
        let end = text[..start].trim_end_matches('\n').len().max(start.saturating_sub(1));
        let end = text[..end].strip_suffix('\r').map_or(end, str::len);
        let above = line_start(text, end);
        let is_comment =
            |line: &str| line.strip_prefix(indentation).is_some_and(|line| line.starts_with('#'));
        if above < floor || !is_comment(&text[above..end]) {
            break;
        }
        start = above;
    }
    start
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1)
}

fn line_break(text: &str, at: usize) -> &'static str {
    // A file keeps its own line breaks. A single `\r` is one, too (YAML 1.2, section 5.4).
    let end = text[at..].find(['\n', '\r']).map_or("", |end| &text[at + end..]);
    match (end.starts_with("\r\n"), end.starts_with('\r')) {
        (true, _) => "\r\n",
        (_, true) => "\r",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stream;
    use super::*;

    const FROM: &str = "wasm-oci://app";
    const TO: &str = "[::1]:5000/a/app@sha256:0123";

    /// The text with all references replaced.
    fn replaced(text: &str) -> String {
        let yaml = stream(text);
        let mut edits = Edits::of(&yaml);
        for node in yaml.nodes() {
            if yaml.resolved(node) == node
                && yaml.scalar(node).is_some_and(|it| it.trim_end_matches('\n') == FROM)
            {
                edits.replace(node, FROM, TO).unwrap();
            }
        }
        edits.apply().unwrap()
    }

    /// The text with pairs before the key `k` of every mapping that has it.
    fn inserted(text: &str) -> Result<String, Error> {
        let yaml = stream(text);
        let mut edits = Edits::of(&yaml);
        for node in yaml.nodes() {
            if let Some((key, _)) = yaml.get(node, "k") {
                edits.insert(node, key, &[("a", "b"), ("n", "1")])?;
            }
        }
        edits.apply()
    }

    #[test]
    fn only_the_scalar_changes() {
        // `@` is replaced inside quotes and blocks, and `P` as a plain scalar, which gets quotes.
        for text in [
            "# é ☃\r\na: P # c\r\n",
            "a:   '@'   # c\n",
            "a: &x !!str  \"@\"\nb: *x\n",
            "[ P , \"@\" ]",
            "{\"a\":\"@\"}",
            "a: >-\n    @\n\n# wasm-oci://app\nb: |+ # wasm-oci://app\n  @\n\n",
            "a: &x # wasm-oci://app\n  P\n",
            "a: !t |\n   @\n",
            "P",
            "\u{feff}- P\n--- # two\n- - P\n...\n",
            "? P\n: x\n",
        ] {
            let before = text.replace(['@', 'P'], FROM);
            let after = text.replace('@', TO).replace('P', &format!("\"{TO}\""));
            assert_eq!(replaced(&before), after);
        }
        // JSON may escape characters that don't need it.
        assert_eq!(replaced("{\"a\": \"wasm-oci:\\/\\/app\"}"), format!("{{\"a\": \"{TO}\"}}"));
    }

    #[test]
    fn pairs_are_written_as_their_neighbours() {
        for (text, expected) in [
            ("s:\n  k: 1\n", "s:\n  a: b\n  n: \"1\"\n  k: 1\n"),
            (
                "s:\r\n   x: 1\r\n   # on k\r\n   k: 1",
                "s:\r\n   x: 1\r\n   a: b\n   n: \"1\"\n   # on k\r\n   k: 1",
            ),
            (
                "s:\r\n   x: 1\r\n   k: 1\r\n",
                "s:\r\n   x: 1\r\n   a: b\r\n   n: \"1\"\r\n   k: 1\r\n",
            ),
            ("- k: 1\n  x: 2\n", "- a: b\n  n: \"1\"\n  k: 1\n  x: 2\n"),
            ("- - k: 1\n", "- - a: b\n    n: \"1\"\n    k: 1\n"),
            ("s: {k: 1}\n", "s: {a: b, n: \"1\", k: 1}\n"),
            ("{\"k\":1}", "{\"a\": \"b\", \"n\": \"1\", \"k\":1}"),
            ("{\n\t\"k\": 1\n}\n", "{\n\t\"a\": \"b\",\n\t\"n\": \"1\",\n\t\"k\": 1\n}\n"),
            ("x: |\n  # text\n# on k\nk: 1\n", "x: |\n  # text\na: b\nn: \"1\"\n# on k\nk: 1\n"),
            ("x: &x {y: 1}\nz:\n  <<: *x\n", "x: &x {y: 1}\nz:\n  <<: *x\n"),
        ] {
            assert_eq!(inserted(text).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_written_otherwise_is_refused_and_not_broken() {
        for text in ["? k\n: 1\n", "[k: 1]\n", "!x\n? &y k\n: 1\n"] {
            let error = inserted(text).unwrap_err().to_string();
            assert!(error.starts_with("a.yaml:1:") || error.starts_with("a.yaml:2:"), "{error}");
            assert!(
                error.contains("`a: b`, `n: 1`") || error.contains("line of its own"),
                "{error}"
            );
        }
    }
}

//! YAML that somebody else wrote, and that stays as they wrote it: where its values stand ([`Stream`]), and how some of
//! them are changed in place ([`edit`]). What we write ourselves is a [`Value`]. JSON is YAML, too.
//!
//! Aliases are never expanded: a node is there once, however often it is meant. So a small text can't become large.

mod build;
pub mod edit;
mod parse;

use std::ops::Range;

pub use crate::error::YamlError as Error;
pub use build::{Value, list, map, quoted_if_needed};

/// The most bytes that a text may have. Larger than what a cluster keeps of one object (1.5 MB) by far.
pub const MAX_BYTES: usize = 16 << 20;

/// How many mappings are looked into for the key of one that others are merged into.
const MAX_MERGES: usize = 64;

/// The number of a node in its stream. They count in the order in which nodes begin, so that a mapping comes before all
/// that is in it.
pub type NodeId = usize;

/// A text of any number of YAML documents, and where their values stand in it.
#[derive(Debug, Clone)]
pub struct Stream {
    /// What messages call it: a path.
    pub name: String,
    /// The text.
    pub text: String,
    /// What is in it.
    nodes: Vec<Node>,
    /// The first node of each document.
    documents: Vec<NodeId>,
    /// Whether the first document begins with `---`.
    pub begins_explicitly: bool,
}

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// The bytes of it, anchor and tag included. Of a block they say only where it begins.
    at: Range<usize>,
    /// The line, from 1.
    line: usize,
    /// The column, from 1, in characters.
    column: usize,
    /// The number of its anchor, 0 for none.
    anchor: usize,
    kind: NodeKind,
}

#[derive(Debug, Clone)]
enum NodeKind {
    Scalar {
        text: String,
        style: Style,
    },
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
    /// The node with the anchor.
    Alias(NodeId),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Block,
}

impl Stream {
    /// The text of these bytes.
    ///
    /// # Errors
    /// When it is too large, no text or no YAML.
    pub fn read(name: &str, bytes: Vec<u8>) -> Result<Stream, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::TooLarge { name: name.to_owned(), limit: MAX_BYTES });
        }
        let text = String::from_utf8(bytes).map_err(|error| Error::NotText {
            name: name.to_owned(),
            at: error.utf8_error().valid_up_to() + 1,
        })?;
        parse::parse(name, text)
    }

    /// All nodes, in the order in which they begin.
    #[must_use]
    pub fn nodes(&self) -> Range<NodeId> {
        0..self.nodes.len()
    }

    /// The first node of each document.
    #[must_use]
    pub fn documents(&self) -> &[NodeId] {
        &self.documents
    }

    /// `file:line:column` of a node.
    #[must_use]
    pub fn place(&self, node: NodeId) -> String {
        let Node { line, column, .. } = &self.nodes[node];
        format!("{}:{line}:{column}", self.name)
    }

    /// The text of a scalar.
    #[must_use]
    pub fn scalar(&self, node: NodeId) -> Option<&str> {
        match &self.nodes[self.resolved(node)].kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The items of a sequence; none of anything else.
    #[must_use]
    pub fn items(&self, node: NodeId) -> &[NodeId] {
        match &self.nodes[self.resolved(node)].kind {
            NodeKind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The keys and values of a mapping; none of anything else.
    #[must_use]
    pub fn pairs(&self, node: NodeId) -> &[(NodeId, NodeId)] {
        match &self.nodes[self.resolved(node)].kind {
            NodeKind::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// The node that an alias means, and any other itself.
    #[must_use]
    pub fn resolved(&self, node: NodeId) -> NodeId {
        match self.nodes[node].kind {
            NodeKind::Alias(node) => node,
            _ => node,
        }
    }

    /// What a mapping has for a key, by itself or by what is merged into it with
    /// [`<<`](https://yaml.org/type/merge.html); and the key in this mapping that brings it: that one or `<<`.
    #[must_use]
    pub fn get(&self, mapping: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        let mut budget = MAX_MERGES;
        self.get_within(mapping, key, &mut budget)
    }

    fn get_within(
        &self,
        mapping: NodeId,
        key: &str,
        budget: &mut usize,
    ) -> Option<(NodeId, NodeId)> {
        *budget = budget.checked_sub(1)?;
        let pairs = self.pairs(mapping);
        let is = |node: NodeId, name: &str| self.scalar(node) == Some(name);
        if let Some(&(found, value)) = pairs.iter().find(|(it, _)| is(*it, key)) {
            return Some((found, value));
        }
        pairs.iter().filter(|(it, _)| is(*it, "<<")).find_map(|&(merge, merged)| {
            let all =
                if self.items(merged).is_empty() { &[merged][..] } else { self.items(merged) };
            let (_, value) = all.iter().find_map(|&other| self.get_within(other, key, budget))?;
            Some((merge, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn stream(text: &str) -> Stream {
        Stream::read("a.yaml", text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn values_are_found_where_they_stand() {
        let yaml = stream("a: é # ü\nb: [x, &y {c: 'd'}]\n---\n- z\n");
        let scalars: Vec<_> = yaml.nodes().filter_map(|node| yaml.scalar(node)).collect();
        assert_eq!(scalars, ["a", "é", "b", "x", "c", "d", "z"]);
        let last = yaml.nodes().last().unwrap();
        assert_eq!(yaml.place(last), "a.yaml:4:3");
        assert_eq!(yaml.documents().len(), 2);
    }

    #[test]
    fn merged_keys_count_but_own_ones_come_first() {
        let yaml = stream("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x], c: 4}\n");
        let root = yaml.documents()[0];
        let of = |outer: &str, inner: &str| {
            let (_, mapping) = yaml.get(root, outer)?;
            let (key, value) = yaml.get(mapping, inner)?;
            Some(format!("{} {}", yaml.scalar(key)?, yaml.scalar(value)?))
        };
        assert_eq!(of("y", "a").as_deref(), Some("<< 1"));
        assert_eq!(of("y", "b").as_deref(), Some("b 3"));
        assert_eq!(of("z", "a").as_deref(), Some("<< 1"));
        assert_eq!(of("z", "none"), None);
    }

    #[test]
    fn aliases_are_not_expanded() {
        // Ten levels of ten: ten thousand million nodes, if they were.
        let mut text = String::from("a0: &a0 [x]\n");
        for n in 1..=10 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{list}]\n"));
        }
        assert!(stream(&text).nodes().len() < 200);
        // One in itself.
        let yaml = stream("a: &a {<<: [*a, *a, *a, *a, *a]}\n");
        assert!(yaml.get(yaml.pairs(yaml.documents()[0])[0].1, "none").is_none());
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        let error = |bytes: &[u8]| Stream::read("a.yaml", bytes.to_vec()).unwrap_err().to_string();
        assert!(error(b"a: [b\n").starts_with("a.yaml:"), "{}", error(b"a: [b\n"));
        assert!(error(b"a: {{ .Values.x }}\n{{- end }}\n").contains("template"));
        assert!(error(b"a: *b\n").starts_with("a.yaml:1:"));
        assert!(error(b"a: \xff\n").contains("byte 4"));
        assert!(error(&vec![b' '; MAX_BYTES + 1]).contains("16 MiB"));
        // Deep ones end, too.
        _ = Stream::read("a", "[".repeat(100_000).into_bytes());
        _ = Stream::read("a", "- ".repeat(100_000).into_bytes());
        _ = Stream::read("a", "? ".repeat(100_000).into_bytes());
    }
}

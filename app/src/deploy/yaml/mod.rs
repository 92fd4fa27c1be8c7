//! YAML: the positions of values in a user's file ([`Stream`]), changes of such a file in place ([`edit`]), and documents
//! that we print ([`Value`]). JSON is a subset of YAML, so all of this works for JSON too.

mod build;
pub mod edit;
mod parse;

use std::ops::Range;

pub use crate::error::YamlError as Error;
pub use build::{Value, list, map, quoted_if_needed};

/// Maximum size of a text, in bytes.
// Generous: Kubernetes stores at most 1.5 MB for one object.
pub const MAX_BYTES: usize = 16 << 20;

/// Maximum number of mappings searched for one key.
// A mapping may be merged into itself, so the search needs an end.
const MAX_MERGES: usize = 64;

/// Index of a node in its stream, in document order: a mapping comes before its content.
pub type NodeId = usize;

/// A text with any number of YAML documents, and the positions of their values.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Name in messages: a path.
    pub name: String,
    pub text: String,
    nodes: Vec<Node>,
    /// First node of each document.
    documents: Vec<NodeId>,
    /// True if the first document begins with `---`.
    pub begins_explicitly: bool,
}

#[derive(Debug, Clone)]
pub struct Node {
    /// Byte range, including anchor and tag. Only the start is meaningful for block collections.
    at: Range<usize>,
    /// Line, from 1.
    line: usize,
    /// Column, from 1, in characters.
    column: usize,
    /// Number of the anchor; 0 for none.
    anchor: usize,
    kind: NodeKind,
}

#[derive(Debug, Clone)]
enum NodeKind {
    Scalar { text: String, style: Style },
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
    // Aliases are never expanded, however many refer to a node. Otherwise a small text could grow exponentially.
    Alias(NodeId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Block,
}

impl Stream {
    pub fn read(name: &str, bytes: Vec<u8>) -> Result<Stream, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::TooLarge { name: name.to_owned(), limit: MAX_BYTES });
        }
        let text = String::from_utf8(bytes).map_err(|error| Error::NotText {
            name: name.to_owned(),
            at: error.utf8_error().valid_up_to(),
        })?;
        parse::parse(name, text)
    }

    /// Returns all nodes in document order.
    pub fn nodes(&self) -> Range<NodeId> {
        0..self.nodes.len()
    }

    pub fn documents(&self) -> &[NodeId] {
        &self.documents
    }

    /// Returns `file:line:column` of a node.
    pub fn place(&self, node: NodeId) -> String {
        let Node { line, column, .. } = &self.nodes[node];
        format!("{}:{line}:{column}", self.name)
    }

    pub fn scalar(&self, node: NodeId) -> Option<&str> {
        match &self.nodes[self.resolved(node)].kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns the items of a sequence; none for other nodes.
    pub fn items(&self, node: NodeId) -> &[NodeId] {
        match &self.nodes[self.resolved(node)].kind {
            NodeKind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Returns the keys and values of a mapping; none for other nodes.
    pub fn pairs(&self, node: NodeId) -> &[(NodeId, NodeId)] {
        match &self.nodes[self.resolved(node)].kind {
            NodeKind::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// Returns the target of an alias, and any other node itself.
    pub fn resolved(&self, node: NodeId) -> NodeId {
        match self.nodes[node].kind {
            NodeKind::Alias(node) => node,
            _ => node,
        }
    }

    /// Looks up a key in a mapping and in the mappings merged into it with [`<<`](https://yaml.org/type/merge.html). Returns
    /// the value, and the key of this mapping that leads to it: the key itself or `<<`.
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
        // Keys of the mapping itself take precedence over merged ones (yaml.org/type/merge.html).
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
        // Ten levels of ten aliases would be ten thousand million nodes.
        let mut text = String::from("a0: &a0 [x]\n");
        for n in 1..=10 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{list}]\n"));
        }
        assert!(stream(&text).nodes().len() < 200);
        // An alias to the mapping that contains it.
        let yaml = stream("a: &a {<<: [*a, *a, *a, *a, *a]}\n");
        assert!(yaml.get(yaml.pairs(yaml.documents()[0])[0].1, "none").is_none());
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        let error = |bytes: &[u8]| Stream::read("a.yaml", bytes.to_vec()).unwrap_err().to_string();
        assert!(error(b"a: [b\n").starts_with("a.yaml:"), "{}", error(b"a: [b\n"));
        assert!(error(b"a: {{ .Values.x }}\n{{- end }}\n").contains("template"));
        assert!(error(b"a: *b\n").starts_with("a.yaml:1:"));
        assert!(error(b"a: \xff\n").contains("offset 3"));
        assert!(error(&vec![b' '; MAX_BYTES + 1]).contains("16 MiB"));
        // Deep nesting must not overflow the stack.
        _ = Stream::read("a", "[".repeat(100_000).into_bytes());
        _ = Stream::read("a", "- ".repeat(100_000).into_bytes());
        _ = Stream::read("a", "? ".repeat(100_000).into_bytes());
    }
}

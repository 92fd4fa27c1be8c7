//! Parser: from a text to nodes.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::{Error, Node, NodeId, NodeKind, Stream, Style};

pub(super) fn parse(name: &str, text: String) -> Result<Stream, Error> {
    let mut tree =
        Tree { bytes: Bytes::of(&text), nodes: Vec::new(), open: Vec::new(), anchors: Vec::new() };
    let mut documents = Vec::new();
    let mut begins_explicitly = None;
    for event in Parser::new_from_str(&text) {
        let (event, span) = event.map_err(|error| syntax(name, &text, &error))?;
        match event {
            Event::DocumentStart(explicit) => {
                begins_explicitly.get_or_insert(explicit);
                documents.push(tree.nodes.len());
            }
            event => tree.take(event, span),
        }
    }
    let nodes = tree.nodes;
    // `---` at the end of a text begins a document without a node.
    documents.retain(|&root| root < nodes.len());
    let begins_explicitly = begins_explicitly.unwrap_or_default();
    Ok(Stream { name: name.to_owned(), text, nodes, documents, begins_explicitly })
}

struct Tree<'a> {
    bytes: Bytes<'a>,
    nodes: Vec<Node>,
    /// Sequences and mappings that have not ended, with their content so far.
    open: Vec<(NodeId, Vec<NodeId>)>,
    /// Nodes with anchors; the parser numbers anchors from 1.
    anchors: Vec<NodeId>,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                self.add(span, anchor, NodeKind::Scalar { text: text.into_owned(), style });
            }
            Event::Alias(anchor) => {
                let target = anchor.checked_sub(1).and_then(|n| self.anchors.get(n)).copied();
                // The parser has already rejected unknown aliases.
                self.add(span, 0, NodeKind::Alias(target.unwrap_or_default()));
            }
            Event::SequenceStart(anchor, _) => {
                self.open(span, anchor, NodeKind::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, _) => {
                self.open(span, anchor, NodeKind::Mapping(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => {}
        }
    }

    /// Adds a node to the innermost open collection.
    fn add(&mut self, span: Span, anchor: usize, kind: NodeKind) -> NodeId {
        let id = self.nodes.len();
        if let Some((_, content)) = self.open.last_mut() {
            content.push(id);
        }
        if anchor > 0 {
            self.anchors.resize(anchor, id);
            self.anchors[anchor - 1] = id;
        }
        let at = self.bytes.at(span.start)..self.bytes.at(span.end);
        self.nodes.push(Node {
            at,
            line: span.start.line(),
            column: span.start.col() + 1,
            anchor,
            kind,
        });
        id
    }

    fn open(&mut self, span: Span, anchor: usize, kind: NodeKind) {
        let id = self.add(span, anchor, kind);
        self.open.push((id, Vec::new()));
    }

    fn close(&mut self) {
        let Some((id, content)) = self.open.pop() else { return };
        match &mut self.nodes[id].kind {
            NodeKind::Sequence(items) => *items = content,
            NodeKind::Mapping(pairs) => {
                *pairs = content.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            }
            _ => {}
        }
    }
}

/// Converter from the parser's positions, counted in characters, to bytes.
// Consecutive positions are close to each other, so it moves from one to the next instead of counting from the start.
struct Bytes<'a> {
    text: &'a str,
    character: usize,
    byte: usize,
}

impl Bytes<'_> {
    fn of(text: &str) -> Bytes<'_> {
        Bytes { text, character: 0, byte: 0 }
    }

    fn at(&mut self, place: Marker) -> usize {
        while self.character < place.index() && self.byte < self.text.len() {
            self.byte += 1;
            while !self.text.is_char_boundary(self.byte) {
                self.byte += 1;
            }
            self.character += 1;
        }
        while self.character > place.index() {
            self.byte -= 1;
            while !self.text.is_char_boundary(self.byte) {
                self.byte -= 1;
            }
            self.character -= 1;
        }
        self.byte
    }
}

fn syntax(name: &str, text: &str, error: &ScanError) -> Error {
    let place = error.marker();
    // Looked for only after an error, because `{{` can also begin valid YAML.
    let is_template = text.lines().any(|line| line.contains("{{"));
    Error::Syntax {
        place: format!("{name}:{}:{}", place.line(), place.col() + 1),
        reason: error.info().to_owned(),
        hint: is_template.then_some(
            "templates are not YAML; render them first, for example with `helm template`",
        ),
    }
}

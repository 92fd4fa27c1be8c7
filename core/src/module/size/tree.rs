//! The parts of a module as a tree.

use std::collections::BTreeMap;

use serde::Serialize;

use super::symbol::{self, Place};
use super::{OTHER_LANGUAGES, SizeReport, SizedFunction, SizedSection, UNNAMED};

/// A part of a module, with its own parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SizeNode {
    /// Its name, unique among its siblings.
    pub name: String,
    /// The full name of a function, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Its kind.
    pub kind: SizeNodeKind,
    /// The size in bytes.
    pub size: u64,
    /// Its parts, the largest first. They add up to its size.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<SizeNode>,
}

/// The kind of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SizeNodeKind {
    /// A module or component.
    Module,
    /// A section.
    Section,
    /// The start of a section: its id, its length and the number of items.
    Header,
    /// All functions of a crate.
    Crate,
    /// A module of a crate, or a type.
    Path,
    /// A function.
    Function,
    /// A data segment.
    Segment,
}

impl SizeReport {
    /// Returns the module as a tree: sections, crates, modules of crates, functions.
    #[must_use]
    pub fn tree(&self, name: &str) -> SizeNode {
        let sections = self.sections.iter().zip(self.labels());
        let children = sections.map(|(section, label)| section.node(&label)).collect();
        SizeNode::of(name, SizeNodeKind::Module, children, self.total)
    }
}

impl SizedSection {
    fn node(&self, label: &str) -> SizeNode {
        if let Some(module) = &self.module {
            let mut node = module.tree(label);
            node.add_rest(self.size);
            return node;
        }
        let segment = |segment: &super::SizedSegment| {
            SizeNode::leaf(&segment.name, SizeNodeKind::Segment, segment.size)
        };
        let mut children: Vec<SizeNode> = self.segments.iter().map(segment).collect();
        children.extend(crates(&self.functions));
        SizeNode::of(label, SizeNodeKind::Section, children, self.size)
    }
}

impl SizeNode {
    fn leaf(name: &str, kind: SizeNodeKind, size: u64) -> SizeNode {
        SizeNode { name: name.to_owned(), full_name: None, kind, size, children: Vec::new() }
    }

    fn of(name: &str, kind: SizeNodeKind, children: Vec<SizeNode>, size: u64) -> SizeNode {
        let filled = children.iter().map(|child| child.size).sum();
        let mut node = SizeNode { children, ..SizeNode::leaf(name, kind, filled) };
        // A section without items would only have a header, of the same size.
        if node.children.is_empty() {
            node.size = size;
        } else {
            node.add_rest(size);
        }
        node
    }

    fn add_rest(&mut self, size: u64) {
        let rest = size - self.size;
        if rest > 0 {
            self.children.push(SizeNode::leaf("(header)", SizeNodeKind::Header, rest));
        }
        self.size = size;
        // By name as well, so that the output is always the same.
        self.children.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
    }
}

fn crates(functions: &[SizedFunction]) -> Vec<SizeNode> {
    let mut crates: BTreeMap<&str, Branch> = BTreeMap::new();
    for function in functions {
        let branch = crates.entry(&function.crate_name).or_default();
        // Names of other languages have no paths.
        let is_rust = ![OTHER_LANGUAGES, UNNAMED].contains(&function.crate_name.as_str());
        match is_rust.then(|| symbol::place(&function.name)) {
            Some(Place { path, item, .. }) => branch.add(&path, function, &item),
            None => branch.add(&[], function, &function.name),
        }
    }
    crates.into_iter().map(|(name, branch)| branch.node(name, SizeNodeKind::Crate)).collect()
}

/// A crate or module of a crate while its functions are collected.
#[derive(Default)]
struct Branch {
    branches: BTreeMap<String, Branch>,
    functions: Vec<SizeNode>,
}

impl Branch {
    fn add(&mut self, path: &[&str], function: &SizedFunction, item: &str) {
        let mut branch = self;
        for &segment in path.iter().take(MAX_PATH) {
            branch = branch.branches.entry(segment.to_owned()).or_default();
        }
        let full_name = (item != function.name).then(|| function.name.clone());
        let leaf = SizeNode::leaf(item, SizeNodeKind::Function, function.size);
        branch.functions.push(SizeNode { full_name, ..leaf });
    }

    fn node(self, name: &str, kind: SizeNodeKind) -> SizeNode {
        let branches = self.branches.into_iter();
        let mut children: Vec<SizeNode> =
            branches.map(|(name, branch)| branch.node(&name, SizeNodeKind::Path)).collect();
        children.extend(self.functions);
        let size = children.iter().map(|child| child.size).sum();
        SizeNode::of(name, kind, children, size)
    }
}

// Trees are processed recursively, and a hostile name can have any number of segments. Real paths have about ten.
const MAX_PATH: usize = 30;

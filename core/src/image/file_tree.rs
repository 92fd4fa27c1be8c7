//! The file system that the layers of an image make together.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::layer_path::{layer_path, without_dots};
use super::{Attributes, FileKind, IncludedFile};
use crate::limits::Timer;

// Linux's limit (`MAXSYMLINKS`), which also ends loops.
const MAX_LINKS: usize = 40;

/// Files, folders and links by their paths. Paths are relative to the root and lead through folders only, never through
/// links. Links are resolved inside the root, as in a container.
#[derive(Debug, Clone, Default)]
pub struct FileTree {
    nodes: BTreeMap<String, Node>,
    root: Option<Attributes>,
    /// Time for writing it out; `None` if no image of somebody else is in it.
    pub(super) time: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Without attributes if only the path of another entry implies it.
    Folder(Option<Attributes>),
    Symlink(String, Attributes),
    /// Shared by all hard links to the file.
    File(Arc<File>),
}

#[derive(Debug)]
pub(super) struct File {
    /// `None` if the content was not wanted.
    pub(super) content: Option<Arc<[u8]>>,
    pub(super) origin: Origin,
    pub(super) attributes: Attributes,
}

/// Position of a file in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Origin {
    pub(super) layer: usize,
    pub(super) entry: usize,
}

impl FileTree {
    /// Starts the time for writing the tree out, which is [`ReadLimits::time`](crate::limits::ReadLimits::time) of the image.
    /// A layer of a megabyte can have a million links.
    #[must_use]
    pub fn timer(&self) -> Timer {
        Timer::new(self.time.unwrap_or(Duration::MAX))
    }

    /// Adds a file, or replaces what is at its path.
    pub fn put(&mut self, file: IncludedFile) {
        let attributes = file.attributes().clone();
        let node = match file.kind() {
            FileKind::Folder => Node::Folder(Some(attributes)),
            FileKind::Symlink(target) => Node::Symlink(target.clone(), attributes),
            FileKind::File(content) => {
                let content = Some(Arc::clone(content));
                Node::File(Arc::new(File { content, origin: Origin::default(), attributes }))
            }
            FileKind::HardLink(target) => match self.linked(target) {
                Some(node) => node,
                None => return,
            },
        };
        // A path whose links lead in a circle is nowhere, for the program, too.
        let _ = self.insert(file.path(), node);
    }

    /// Returns true if there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns the content of the file at a path, following links.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        self.file(&self.resolve(path, true)?)?.content.as_deref()
    }

    /// Returns what it takes to make the tree again, sorted by path. Folders that have something in them and the usual
    /// attributes are not among it, because paths imply them.
    #[must_use]
    pub fn entries(&self) -> Vec<IncludedFile> {
        let usual = Attributes::of_mode(Attributes::FOLDER);
        let mut entries = Vec::new();
        if let Some(root) = self.root.as_ref().filter(|root| **root != usual) {
            entries.push(IncludedFile::of_tree("", FileKind::Folder, root.clone()));
        }
        let mut first_names: HashMap<*const File, &str> = HashMap::new();
        for (path, node) in &self.nodes {
            let (kind, attributes) = match node {
                Node::Folder(attributes) => {
                    let attributes = attributes.as_ref().unwrap_or(&usual);
                    if *attributes == usual && self.below(path).next().is_some() {
                        continue;
                    }
                    (FileKind::Folder, attributes)
                }
                Node::Symlink(target, attributes) => {
                    (FileKind::Symlink(target.clone()), attributes)
                }
                Node::File(file) => {
                    let first = first_names.entry(Arc::as_ptr(file)).or_insert(path);
                    let kind = match &file.content {
                        _ if *first != path => FileKind::HardLink((*first).to_owned()),
                        Some(content) => FileKind::File(Arc::clone(content)),
                        None => continue,
                    };
                    (kind, &file.attributes)
                }
            };
            entries.push(IncludedFile::of_tree(path, kind, attributes.clone()));
        }
        entries
    }

    /// Returns the real path of what is at `path`. Links in it are followed, and the last one if `follow_last` is set.
    /// Nothing has to be there. `None` if there are too many links, as in a loop.
    pub(super) fn resolve(&self, path: &str, follow_last: bool) -> Option<String> {
        let mut links = 0;
        let mut rest: Vec<&str> = path.split('/').rev().collect();
        let mut real = String::new();
        while let Some(part) = rest.pop() {
            let parent = real.len();
            match part {
                "" | "." => continue,
                // The root is its own parent, so that nothing leads out of it.
                ".." => {
                    real.truncate(real.rfind('/').unwrap_or_default());
                    continue;
                }
                name if real.is_empty() => real.push_str(name),
                name => real.extend(["/", name]),
            }
            let is_last = rest.iter().all(|part| matches!(*part, "" | "."));
            if let Some(Node::Symlink(target, _)) = self.nodes.get(&real)
                && (follow_last || !is_last)
            {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                real.truncate(if target.starts_with('/') { 0 } else { parent });
                rest.extend(target.split('/').rev());
            }
        }
        Some(real)
    }

    /// Returns the real path for a new entry at `path`: in its folder, whatever is there now.
    pub(super) fn place(&self, path: &str) -> Option<String> {
        self.resolve(path, false)
    }

    pub(super) fn file(&self, real: &str) -> Option<&Arc<File>> {
        match self.nodes.get(real) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }

    /// Returns the real path of the file that a path leads to, if it leads to one.
    pub(super) fn real_file(&self, path: &str) -> Option<String> {
        self.resolve(path, true).filter(|real| self.file(real).is_some())
    }

    /// Returns true if a path leads to a folder.
    pub(super) fn is_folder(&self, path: &str) -> bool {
        let real = self.resolve(path, true);
        real.is_some_and(|it| it.is_empty() || matches!(self.nodes.get(&it), Some(Node::Folder(_))))
    }

    /// Returns the files, by their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &Arc<File>)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::File(file) => Some((path.as_str(), file)),
            _ => None,
        })
    }

    /// Returns true if there is anything but a file and the folders that lead to it.
    pub(super) fn has_more_than(&self, file: &str) -> bool {
        let leads_to = |path: &str| file.strip_prefix(path).is_some_and(|it| it.starts_with('/'));
        self.nodes.keys().any(|path| path != file && !leads_to(path))
    }

    /// Returns true if there is a file or a link in addition to `file`.
    pub(super) fn has_files_besides(&self, file: &str) -> bool {
        self.nodes.iter().any(|(path, node)| path != file && !matches!(node, Node::Folder(_)))
    }

    /// Returns another name of the file, or of the symbolic link, at `path`.
    pub(super) fn linked(&self, path: &str) -> Option<Node> {
        let node = self.nodes.get(&self.place(path)?)?;
        (!matches!(node, Node::Folder(_))).then(|| node.clone())
    }

    /// Adds an entry at a path, or replaces what is there; a folder that stays a folder keeps what is in it. Returns the
    /// memory that it takes, in bytes, and `None` if links of the path lead in a circle.
    pub(super) fn insert(&mut self, path: &str, node: Node) -> Option<usize> {
        let real = self.place(path)?;
        // A link may lead to a name that no file may have.
        if real != path && !real.is_empty() && layer_path(&real).is_err() {
            return None;
        }
        if real.is_empty() {
            if let Node::Folder(Some(attributes)) = node {
                self.root = Some(attributes);
            }
            return Some(0);
        }
        let mut size = self.make_folders(&real);
        match (self.nodes.get_mut(&real), node) {
            (Some(Node::Folder(old)), Node::Folder(new)) => *old = new.or(old.take()),
            (_, node) => {
                self.remove_below(&real);
                size += real.len() + size_of::<(String, Node)>();
                self.nodes.insert(real, node);
            }
        }
        Some(size)
    }

    /// Makes the folders that lead to a path. A file in their place is replaced, because the upper layer says so.
    fn make_folders(&mut self, real: &str) -> usize {
        let mut size = 0;
        for (end, _) in real.match_indices('/') {
            let folder = &real[..end];
            if !matches!(self.nodes.get(folder), Some(Node::Folder(_))) {
                size += folder.len() + size_of::<(String, Node)>();
                self.nodes.insert(folder.to_owned(), Node::Folder(None));
            }
        }
        size
    }

    /// Removes what is at a path, and everything below it.
    pub(super) fn remove(&mut self, path: &str) {
        if let Some(real) = self.place(path) {
            self.remove_below(&real);
            self.nodes.remove(&real);
        }
    }

    /// Removes everything in a folder.
    pub(super) fn clear(&mut self, folder: &str) {
        if let Some(real) = self.resolve(folder, true) {
            self.remove_below(&real);
        }
    }

    fn remove_below(&mut self, real: &str) {
        if real.is_empty() {
            return self.nodes.clear();
        }
        let below: Vec<String> = self.below(real).map(|(path, _)| path.clone()).collect();
        for path in below {
            self.nodes.remove(&path);
        }
    }

    fn below(&self, real: &str) -> impl Iterator<Item = (&String, &Node)> {
        // `0` is the character after `/`.
        let (from, to) = (format!("{real}/"), format!("{real}0"));
        self.nodes.range::<str, _>((Bound::Included(from.as_str()), Bound::Excluded(to.as_str())))
    }
}

/// Returns a target for a symbolic link at `path` that means the same where the root of the image is a folder: never
/// absolute, and never out of that folder.
#[must_use]
pub fn target_inside(path: &str, target: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let above = path.matches('/').count();
    let (mut depth, mut leads_out) = (above, target.starts_with('/'));
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => leads_out = true,
            },
            _ => depth += 1,
        }
    }
    if !leads_out {
        return target.to_owned();
    }
    let from = if target.starts_with('/') { "" } else { folder };
    let relative = format!("{}{}", "../".repeat(above), without_dots(&format!("{from}/{target}")));
    match relative.trim_end_matches('/') {
        "" => ".".to_owned(),
        relative => relative.to_owned(),
    }
}

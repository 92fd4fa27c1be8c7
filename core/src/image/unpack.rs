//! Unpacking of layers, in their order, into one tree of files
//! ([image-spec, layer.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md)).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use super::compression::unpacked;
use super::file_tree::{File, FileTree, Node, Origin};
use super::layer_path::layer_path;
use super::tar_bounds::TarBounds;
use super::tar_entry::{Sparse, attributes, content};
use super::{Attributes, Blob, Digest, Digester, Error};
use crate::limits::Budget;

/// The prefix of a file that says that another one is deleted.
pub(super) const WHITEOUT: &str = ".wh.";
/// The file that says that nothing of lower layers is left in its folder.
const OPAQUE: &str = ".wh..wh..opq";
/// The prefix of files that AUFS kept for itself, and that older engines wrote into layers.
const AUFS: &str = ".wh..wh.";
// Linux's limit for a path (`PATH_MAX`): no engine can unpack a longer one.
const MAX_PATH: usize = 4096;
// Enough for a user to see what is missing.
const MAX_NOTES: usize = 20;

/// Files whose content is kept in memory.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep<'a> {
    All,
    /// Those at these paths, and all `.wasm` files.
    Modules(&'a [String]),
    Nothing,
}

impl Keep<'_> {
    fn wants(self, path: &str) -> bool {
        match self {
            Keep::All => true,
            Keep::Nothing => false,
            Keep::Modules(paths) => path.ends_with(".wasm") || paths.iter().any(|it| it == path),
        }
    }
}

/// The merged layers of a manifest.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) tree: FileTree,
    pub(super) left_out: Notes,
}

/// One layer, sorted by when it applies.
#[derive(Default)]
struct Changes {
    /// Deleted paths of lower layers.
    deleted: Vec<String>,
    /// Folders that lose everything that lower layers put there.
    cleared: Vec<String>,
    added: Vec<(String, Added)>,
    /// Files that AUFS hid. Hard links of the same layer may point to them.
    hidden: BTreeMap<String, Arc<File>>,
}

enum Added {
    Node(Node),
    HardLink(String),
    /// Something that we can't keep, in the place of whatever was there.
    Nothing,
}

impl Unpacked {
    /// Merges tar layers, the lowest first, each with its digest before compression, if the image says it.
    pub(super) fn of<'a>(
        layers: impl Iterator<Item = (&'a Blob, Option<&'a str>)>,
        budget: &Budget,
        keep: Keep<'_>,
    ) -> Result<Unpacked, Error> {
        let mut unpacked = Unpacked::default();
        unpacked.tree.time = Some(budget.limits.time);
        for (layer, (blob, diff_id)) in layers.enumerate() {
            let mut changes = Changes::default();
            let digest = read(blob, budget, |entry, number, bounds| {
                let origin = Origin { layer, entry: number };
                changes.take(entry, Reading { origin, bounds, keep }, &mut unpacked.left_out)
            })?;
            check_diff_id(blob, digest, diff_id)?;
            unpacked.apply(changes, budget)?;
        }
        Ok(unpacked)
    }

    /// Applies a layer. Its whiteouts come first, wherever they are in the tar: they hide files of lower layers only.
    fn apply(&mut self, changes: Changes, budget: &Budget) -> Result<(), Error> {
        let Changes { deleted, cleared, added, hidden } = changes;
        for path in deleted {
            budget.time_left()?;
            self.tree.remove(&path);
        }
        for folder in cleared {
            budget.time_left()?;
            self.tree.clear(&folder);
        }
        for (path, added) in added {
            // Each path may have thousands of folders and links in it.
            budget.time_left()?;
            let node = match added {
                Added::Node(node) => node,
                Added::HardLink(target) => {
                    let hidden = hidden.get(&target).map(|file| Node::File(Arc::clone(file)));
                    hidden.or_else(|| self.tree.linked(&target)).ok_or_else(|| {
                        unreadable(format!(
                            "`{path}` is a hard link to `{target}`, which is not a file"
                        ))
                    })?
                }
                Added::Nothing => {
                    self.tree.remove(&path);
                    continue;
                }
            };
            let size = self.tree.insert(&path, node);
            let size = size.ok_or_else(|| {
                unreadable(format!(
                    "links of `{path}` lead in a circle, or to a name that is refused"
                ))
            })?;
            budget.hold(size as u64)?;
        }
        Ok(())
    }
}

impl Changes {
    fn take(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        reading: Reading<'_>,
        left_out: &mut Notes,
    ) -> Result<(), Failure> {
        let kind = entry.header().entry_type();
        // Comments for the whole archive, which git writes.
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let sparse = Sparse::of(entry)?;
        let name = sparse.and_then(|sparse| sparse.name).map(String::into_bytes);
        let name = name.unwrap_or_else(|| entry.path_bytes().into_owned());
        let Ok(path) = String::from_utf8(name) else {
            left_out.add(&String::from_utf8_lossy(&entry.path_bytes()), "its name is not Unicode");
            return Ok(());
        };
        let is_folder = kind.is_dir() || (kind.is_file() && path.ends_with('/'));
        let path = match (checked(&path), reading.keep) {
            (Ok(path), _) => path,
            // No engine would start a module at such a path, so that it says nothing about the module.
            (Err(_), Keep::Modules(_) | Keep::Nothing) => return Ok(()),
            (Err(error), Keep::All) => return Err(error.into()),
        };
        reading.bounds.hold((path.len() + size_of::<(String, Added)>()) as u64)?;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == OPAQUE {
            self.cleared.push(folder.to_owned());
        } else if name.starts_with(AUFS) || folder.split('/').any(|part| part.starts_with(WHITEOUT))
        {
            if is_regular(kind) {
                self.hidden.insert(path, reading.file(entry, true)?);
            }
        } else if let Some(deleted) = name.strip_prefix(WHITEOUT) {
            if matches!(deleted, "" | "." | "..") {
                return Err(unreadable(format!("`{path}` deletes no file")).into());
            }
            let separator = if folder.is_empty() { "" } else { "/" };
            self.deleted.push(format!("{folder}{separator}{deleted}"));
        } else {
            let added = if is_folder {
                Added::Node(Node::Folder(Some(reading.attributes(entry)?)))
            } else if is_regular(kind) {
                Added::Node(Node::File(reading.file(entry, reading.keep.wants(&path))?))
            } else if kind.is_symlink() || kind.is_hard_link() {
                reading.link(entry, &path, left_out)?
            } else {
                left_out.add(&path, "a device, a pipe or another special file");
                Added::Nothing
            };
            self.added.push((path, added));
        }
        Ok(())
    }
}

/// The entry that is read, and what to keep of it.
#[derive(Clone, Copy)]
struct Reading<'a> {
    origin: Origin,
    bounds: &'a TarBounds<'a>,
    keep: Keep<'a>,
}

impl Reading<'_> {
    fn file(
        self,
        entry: &mut tar::Entry<'_, impl Read>,
        is_wanted: bool,
    ) -> Result<Arc<File>, Failure> {
        let attributes = self.attributes(entry)?;
        self.bounds.hold(size_of::<File>() as u64)?;
        let content = if is_wanted { Some(content(entry, self.bounds)?) } else { None };
        Ok(Arc::new(File { content, origin: self.origin, attributes }))
    }

    fn link(
        self,
        entry: &mut tar::Entry<'_, impl Read>,
        path: &str,
        left_out: &mut Notes,
    ) -> Result<Added, Failure> {
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        let target = String::from_utf8(target).unwrap_or_default();
        if target.is_empty() {
            left_out.add(path, "a link whose target is not Unicode, or missing");
            return Ok(Added::Nothing);
        }
        if target.len() > MAX_PATH {
            return Err(too_long(path, target.len()).into());
        }
        self.bounds.hold(target.len() as u64)?;
        if entry.header().entry_type().is_symlink() {
            return Ok(Added::Node(Node::Symlink(target, self.attributes(entry)?)));
        }
        match (checked(&target), self.keep) {
            (Ok(target), _) => Ok(Added::HardLink(target)),
            (Err(_), Keep::Modules(_) | Keep::Nothing) => Ok(Added::Nothing),
            (Err(error), Keep::All) => Err(error.into()),
        }
    }

    fn attributes(self, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Attributes> {
        let attributes = attributes(entry)?;
        self.bounds.hold(attributes.size() as u64)?;
        Ok(attributes)
    }
}

/// Entries that a tree can't have, for messages.
#[derive(Debug, Default)]
pub(super) struct Notes(pub(super) Vec<String>);

impl Notes {
    fn add(&mut self, path: &str, what: &str) {
        if self.0.len() < MAX_NOTES {
            self.0.push(format!("`{path}`: {what}"));
        }
    }
}

fn is_regular(kind: tar::EntryType) -> bool {
    kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()
}

/// Returns a path as the tree has it; the root is empty.
fn checked(path: &str) -> Result<String, Error> {
    if path.len() > MAX_PATH {
        return Err(too_long(path, path.len()));
    }
    // `tar -c .` writes the root itself as `./`.
    if path.split('/').all(|part| matches!(part, "" | ".")) {
        return Ok(String::new());
    }
    layer_path(path).map_err(|reason| unreadable(format!("it has `{path}`: {reason}")))
}

fn too_long(path: &str, length: usize) -> Error {
    let start: String = path.chars().take(50).collect();
    unreadable(format!(
        "`{start}…` has a path of {length} bytes, and no system takes more than {MAX_PATH}"
    ))
}

/// Reads one file again whose content was not kept.
pub(super) fn content_at(layer: &Blob, number: usize, budget: &Budget) -> Result<Arc<[u8]>, Error> {
    let mut found = None;
    read(layer, budget, |entry, at, bounds| {
        if at == number {
            found = Some(content(entry, bounds)?);
        }
        Ok(())
    })?;
    found.ok_or_else(|| unreadable("a file is not there any more".to_owned()))
}

/// An error of the archive, or what we say about its content.
enum Failure {
    Archive(io::Error),
    Content(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Archive(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Content(error)
    }
}

/// Compares a layer with its entry in `diff_ids`, as every engine does that unpacks it.
fn check_diff_id(layer: &Blob, digest: Digest, expected: Option<&str>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != digest.to_string() => Err(unreadable(format!(
            "{} unpacks to {digest}, but `diff_ids` of the configuration says {expected}; build the image again",
            layer.descriptor().digest
        ))),
        _ => Ok(()),
    }
}

/// Returns the digest of the tar in a layer.
pub(crate) fn diff_id(layer: &Blob, budget: &Budget) -> Result<Digest, Error> {
    read(layer, budget, |_, _, _| Ok(()))
}

/// A reader that digests what it reads.
struct Digesting<'a, R> {
    inner: R,
    digester: &'a RefCell<Digester>,
}

impl<R: Read> Read for Digesting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digester.borrow_mut().update(&buffer[..read]);
        Ok(read)
    }
}

/// Passes each entry of a tar layer, with its number, to `take`. Reads the layer to its end, where gzip has its checksum,
/// and returns the digest of the tar.
fn read(
    layer: &Blob,
    budget: &Budget,
    mut take: impl FnMut(
        &mut tar::Entry<'_, Box<dyn Read + '_>>,
        usize,
        &TarBounds<'_>,
    ) -> Result<(), Failure>,
) -> Result<Digest, Error> {
    let bounds = TarBounds::new(budget);
    let digester = RefCell::default();
    let tar = Digesting { inner: unpacked(layer)?, digester: &digester };
    // umoci omits the padding of the last file and the end of the archive, and other readers accept that.
    let end = io::repeat(0).take(1024);
    let reader: Box<dyn Read + '_> = Box::new(bounds.reader(tar.chain(end)));
    let mut archive = tar::Archive::new(reader);
    let each = || {
        for (number, entry) in archive.entries()?.enumerate() {
            let mut entry = entry?;
            bounds.enter(&entry)?;
            take(&mut entry, number, &bounds)?;
        }
        bounds.leave();
        io::copy(&mut archive.into_inner(), &mut io::sink())?;
        Ok(())
    };
    each().map_err(|failure| match (bounds.take_over(), failure) {
        (Some(over), _) => over.into(),
        (None, Failure::Content(error)) => error,
        (None, Failure::Archive(error)) => unreadable(error.to_string()),
    })?;
    Ok(digester.take().finish())
}

fn unreadable(reason: String) -> Error {
    Error::Layer { reason }
}

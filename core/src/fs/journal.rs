//! Recording of changes to a file system, and the states that a power failure after each of them can leave.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A change, as a kernel sees it.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A folder is created.
    Folder(PathBuf),
    /// A new file has this content, in memory.
    Content { file: PathBuf, content: Vec<u8> },
    /// The content of a file reaches the disk.
    SyncFile(PathBuf),
    /// A file gets another name, in memory.
    Rename { from: PathBuf, to: PathBuf },
    /// The names in a folder reach the disk.
    SyncFolder(PathBuf),
}

thread_local! {
    static CHANGES: RefCell<Option<Vec<Change>>> = const { RefCell::new(None) };
}

/// Notes a change that happens next or has just happened, if this thread records them.
pub(crate) fn note(change: Change) {
    CHANGES.with_borrow_mut(|changes| changes.iter_mut().for_each(|all| all.push(change.clone())));
}

/// Returns the changes that this thread makes in `work`.
pub(crate) fn record(work: impl FnOnce()) -> Vec<Change> {
    CHANGES.set(Some(Vec::new()));
    work();
    CHANGES.take().unwrap_or_default()
}

/// The losses that a file system can suffer: everything that is not synced, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Neither names nor contents that were not synced survive.
    All,
    /// All names survive, but contents that were not synced are empty.
    Contents,
    /// All names survive, but contents that were not synced are zeros.
    Zeros,
    /// All contents survive, but names that were not synced don't.
    Names,
    /// Each name and content survives or doesn't, as these bits say in turn.
    Some(u64),
}

impl Loss {
    fn keeps_name(self, number: usize) -> bool {
        match self {
            Loss::All | Loss::Names => false,
            Loss::Contents | Loss::Zeros => true,
            Loss::Some(bits) => bits.rotate_right(number as u32) & 1 == 1,
        }
    }

    fn content(self, number: usize, content: &[u8]) -> Vec<u8> {
        match self {
            Loss::All | Loss::Contents => Vec::new(),
            Loss::Zeros => vec![0; content.len()],
            Loss::Names => content.to_vec(),
            Loss::Some(bits) => match bits.rotate_right(2 * number as u32) & 3 {
                0 => Vec::new(),
                1 => vec![0; content.len()],
                2 => content[..content.len() / 2].to_vec(),
                _ => content.to_vec(),
            },
        }
    }
}

/// Builds in the empty folder `to` what the disk holds of `from` after these changes, a power failure and its losses. `from` was
/// empty before them.
pub(crate) fn replay(changes: &[Change], loss: Loss, from: &Path, to: &Path) {
    let mut contents: BTreeMap<&Path, (Vec<u8>, bool)> = BTreeMap::new();
    // Name to file, as the first name of a file identifies it.
    let mut in_memory: BTreeMap<&Path, &Path> = BTreeMap::new();
    let (mut folders, mut synced_folders) = (Vec::new(), BTreeSet::new());
    let mut on_disk: BTreeMap<&Path, &Path> = BTreeMap::new();
    for (number, change) in changes.iter().enumerate() {
        match change {
            Change::Folder(folder) => folders.push((number, folder.as_path())),
            Change::Content { file, content } => {
                contents.insert(file, (content.clone(), false));
                in_memory.insert(file, file);
            }
            Change::SyncFile(file) => {
                if let Some((_, is_synced)) = contents.get_mut(file.as_path()) {
                    *is_synced = true;
                }
            }
            Change::Rename { from, to } => {
                if let Some(file) = in_memory.remove(from.as_path()) {
                    in_memory.insert(to, file);
                }
            }
            Change::SyncFolder(folder) => {
                on_disk.retain(|name, _| name.parent() != Some(folder));
                on_disk.extend(in_memory.iter().filter(|(name, _)| name.parent() == Some(folder)));
                let inside = folders.iter().filter(|(_, it)| it.parent() == Some(folder));
                synced_folders.extend(inside.map(|(_, it)| *it));
            }
        }
    }
    let mut lost = Vec::new();
    for (number, folder) in folders {
        let is_there = synced_folders.contains(folder) || loss.keeps_name(number);
        if is_there && !lost.iter().any(|it| folder.starts_with(it)) {
            std::fs::create_dir_all(place(folder, from, to)).unwrap();
        } else {
            lost.push(folder);
        }
    }
    for (number, (name, file)) in in_memory.into_iter().enumerate() {
        if on_disk.get(name) != Some(&file) && loss.keeps_name(number) {
            on_disk.insert(name, file);
        }
    }
    for (number, (name, file)) in on_disk.into_iter().enumerate() {
        let (content, is_synced) = &contents[file];
        let content = if *is_synced { content.clone() } else { loss.content(number, content) };
        let path = place(name, from, to);
        if path.parent().unwrap().is_dir() {
            std::fs::write(path, content).unwrap();
        }
    }
}

fn place(path: &Path, from: &Path, to: &Path) -> PathBuf {
    to.join(path.strip_prefix(from).unwrap())
}

//! The folder that a program sees as `/`.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use wasm_oci_core::image::{Attributes, Error as ImageError, FileKind, FileTree, target_inside};
use wasm_oci_core::trace::OrTrace;

use crate::error::Error;

/// Writes the root file system of an image to an empty folder. Nothing leads out of the folder: links are written as they
/// would be resolved in a container. It takes at most the time that the limits for reading the image allow.
pub fn write_root(tree: &FileTree, folder: &Path) -> Result<(), Error> {
    let (entries, timer) = (tree.entries(), tree.timer());
    let mut written: Vec<(PathBuf, &Attributes)> = Vec::new();
    for entry in &entries {
        timer.check().map_err(ImageError::from)?;
        let path = entry.path_below(folder);
        let failed = |source| Error::Write { path: path.clone(), source };
        let parent = path.parent().filter(|_| !entry.path().is_empty()).unwrap_or(folder);
        fs::create_dir_all(parent).map_err(failed)?;
        match entry.kind() {
            FileKind::File(content) => fs::write(&path, content).map_err(failed)?,
            FileKind::Folder => fs::create_dir_all(&path).map_err(failed)?,
            // Sorted by path, so that the other name is there already.
            FileKind::HardLink(other) => {
                let other = folder.join(other);
                // Not every file system has hard links.
                let linked = fs::hard_link(&other, &path);
                linked.or_else(|_| fs::copy(&other, &path).map(drop)).map_err(failed)?;
            }
            FileKind::Symlink(target) => {
                link(tree, entry.path(), &target_inside(entry.path(), target), &path)
                    .map_err(failed)?;
                // Its own attributes have no meaning on most systems.
                continue;
            }
            _ => continue,
        }
        if !matches!(entry.kind(), FileKind::HardLink(_)) {
            set_mode(&path, entry.attributes(), *entry.kind() == FileKind::Folder)
                .map_err(failed)?;
            written.push((path, entry.attributes()));
        }
    }
    // Last, and from the innermost, because making a file changes the time of its folder.
    for (path, attributes) in written.iter().rev() {
        timer.check().map_err(ImageError::from)?;
        set_time(path, attributes);
    }
    Ok(())
}

#[cfg(unix)]
fn link(_: &FileTree, _: &str, target: &str, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(tree: &FileTree, name: &str, _: &str, path: &Path) -> std::io::Result<()> {
    // Windows lets only some users make links. A copy of the file is the best that is left.
    match tree.read(name) {
        Some(content) => fs::write(path, content),
        None => {
            tracing::debug!(link = name, "left out a link to a folder");
            Ok(())
        }
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, attributes: &Attributes, is_folder: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // We act as the owner, and have to remove it all in the end, whatever the image says.
    let least = if is_folder { 0o700 } else { 0o600 };
    let mode = attributes.mode & 0o777 | least;
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: &Attributes, _: bool) -> std::io::Result<()> {
    Ok(())
}

/// Sets the time of a file or folder where the system can: Windows, for example, opens no folder.
fn set_time(path: &Path, attributes: &Attributes) {
    // A tar can say any time; one that the system can't have stays as it is.
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(attributes.mtime));
    if let Some(time) = time.filter(|_| attributes.mtime <= u64::from(u32::MAX)) {
        let set = fs::File::open(path).and_then(|file| file.set_modified(time));
        set.or_trace("set the time of a file");
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use wasm_oci_core::image::IncludedFile;

    use super::*;

    #[test]
    fn modes_and_empty_folders_are_written() {
        let source = tempfile::tempdir().unwrap();
        fs::create_dir_all(source.path().join("empty")).unwrap();
        fs::write(source.path().join("tool"), "x").unwrap();
        fs::set_permissions(source.path().join("tool"), PermissionsExt::from_mode(0o755)).unwrap();
        let mut tree = FileTree::default();
        for file in IncludedFile::read(source.path(), "/data").unwrap() {
            tree.put(file);
        }
        let root = tempfile::tempdir().unwrap();
        write_root(&tree, root.path()).unwrap();
        let tool = fs::metadata(root.path().join("data/tool")).unwrap();
        assert_eq!(tool.permissions().mode() & 0o777, 0o755);
        assert_eq!(tool.modified().unwrap(), SystemTime::UNIX_EPOCH);
        assert!(root.path().join("data/empty").is_dir());
    }
}

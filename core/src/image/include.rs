//! Additional files in an image.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use super::layer_path::{below, layer_path};
use super::unpack::WHITEOUT;
use super::{Attributes, Digest, Digester, Error};
use crate::fs::read_regular;

/// Bytes of all files that are included together: more than that, we could not read again.
const MAX_SIZE: u64 = 1 << 30;

/// A file, folder or link to put into the root file system.
#[derive(Debug, Clone)]
pub struct IncludedFile {
    path: String,
    kind: FileKind,
    attributes: Attributes,
}

/// Kind and content of an [`IncludedFile`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file with its content.
    File(Arc<[u8]>),
    /// A folder.
    Folder,
    /// A symbolic link with its target, exactly as written.
    Symlink(String),
    /// Another name of the regular file at this path.
    HardLink(String),
}

impl IncludedFile {
    /// A regular file at `path` in the image.
    ///
    /// # Errors
    /// [`Error::InvalidInclude`] when the path is empty, or leads out of the image on any system.
    pub fn new(path: &str, content: impl Into<Arc<[u8]>>) -> Result<IncludedFile, Error> {
        let attributes = Attributes::of_mode(0o644);
        let kind = FileKind::File(content.into());
        Ok(IncludedFile { path: new_path(path)?, kind, attributes })
    }

    /// A file of the host, or everything below a folder of the host, for `path` in the image. A link to a file counts as
    /// the file. A file that its owner may execute stays executable; nothing else of the host's attributes is taken over,
    /// so that all machines make the same image.
    ///
    /// # Errors
    /// [`Error::Include`] when something can't be read, is neither a file nor a folder, or has more than 1 GiB;
    /// [`Error::InvalidInclude`] as [`IncludedFile::new`].
    pub fn read(host: &Path, path: &str) -> Result<Vec<IncludedFile>, Error> {
        let mut files = Vec::new();
        collect(host, path, MAX_SIZE, &mut files)?;
        Ok(files)
    }

    /// An entry of a tree, whose paths are checked already.
    pub(super) fn of_tree(path: &str, kind: FileKind, attributes: Attributes) -> IncludedFile {
        IncludedFile { path: path.to_owned(), kind, attributes }
    }

    /// The path in the image, relative to its root. It is empty for the root folder itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns where the file is if `root` is a folder with the image's files.
    #[must_use]
    pub fn path_below(&self, root: &Path) -> PathBuf {
        below(root, &self.path)
    }

    /// Kind and content.
    #[must_use]
    pub fn kind(&self) -> &FileKind {
        &self.kind
    }

    /// Mode, owner and time.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The bytes of a regular file; empty for a folder or a link.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        match &self.kind {
            FileKind::File(content) => content,
            _ => &[],
        }
    }

    /// A digest of everything but the path: two entries with the same digest are the same in an image.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let (kind, link) = match &self.kind {
            FileKind::File(_) => ("file", ""),
            FileKind::Folder => ("folder", ""),
            FileKind::Symlink(target) => ("symlink", target.as_str()),
            FileKind::HardLink(target) => ("hard link", target.as_str()),
        };
        let Attributes { mode, uid, gid, mtime, xattrs } = &self.attributes;
        let head = format!("{kind} {link:?} {mode:o} {uid} {gid} {mtime} {xattrs:?}\n");
        let mut digester = Digester::default();
        digester.update(head.as_bytes());
        digester.update(self.content());
        digester.finish()
    }
}

/// Reads what is at `host`, of at most `left` bytes, and returns how many more it may have had.
fn collect(
    host: &Path,
    path: &str,
    mut left: u64,
    files: &mut Vec<IncludedFile>,
) -> Result<u64, Error> {
    let failed = |source| Error::Include { path: host.to_owned(), source };
    let metadata = fs::metadata(host).map_err(failed)?;
    if !metadata.is_dir() {
        // A pipe or a device may have no end, or nobody at its other end.
        if !metadata.is_file() {
            let reason = "it is a pipe, a device or a socket; include files and folders only";
            return Err(failed(std::io::Error::other(reason)));
        }
        let content = read_within(host, left).map_err(failed)?;
        left -= content.len() as u64;
        let mut file = IncludedFile::new(path, content)?;
        file.attributes.mode = if is_executable(&metadata) { 0o755 } else { 0o644 };
        files.push(file);
        return Ok(left);
    }
    let mut is_empty = true;
    // `read_dir` has no fixed order, which is harmless because the layer sorts its entries.
    for entry in fs::read_dir(host).map_err(failed)? {
        is_empty = false;
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| failed(std::io::Error::other("a file name is not Unicode")))?;
        let file_type = entry.file_type().map_err(failed)?;
        if file_type.is_symlink() && entry.path().is_dir() {
            // A link to a folder may lead back up and make the walk endless.
            let reason = "it is a link to a folder: include that folder by its own path";
            return Err(Error::InvalidInclude { path: entry.path().display().to_string(), reason });
        }
        left = collect(&entry.path(), &format!("{path}/{name}"), left, files)?;
    }
    // Only an empty folder needs an entry: the paths of files imply all others. The root is always there.
    let is_root = path.split('/').all(|part| matches!(part, "" | "."));
    if is_empty && !is_root {
        let (path, attributes) = (new_path(path)?, Attributes::of_mode(Attributes::FOLDER));
        files.push(IncludedFile { path, kind: FileKind::Folder, attributes });
    }
    Ok(left)
}

fn read_within(path: &Path, left: u64) -> std::io::Result<Vec<u8>> {
    read_regular(path, left).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => std::io::Error::other(
            "the included files have more than 1 GiB together; mount large files when the program runs",
        ),
        _ => error,
    })
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    false
}

/// Returns the path as the image has it, relative to its root.
fn new_path(path: &str) -> Result<String, Error> {
    let invalid = |reason| Error::InvalidInclude { path: path.to_owned(), reason };
    let checked = layer_path(path).map_err(invalid)?;
    if checked.split('/').any(|name| name.starts_with(WHITEOUT)) {
        return Err(invalid(
            "in a layer, a name that begins with `.wh.` deletes another file; rename it",
        ));
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_image() {
        assert_eq!(IncludedFile::new("/etc//app/./a.toml", *b"").unwrap().path(), "etc/app/a.toml");
        for path in ["", "/", "../x", "a/../../x", "a\0b"] {
            assert!(IncludedFile::new(path, *b"").is_err(), "{path}");
        }
    }

    #[test]
    fn names_that_delete_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".wh.X", ".wh..wh..opq", "a/.wh.b/c"] {
            let error = IncludedFile::new(name, *b"").unwrap_err().to_string();
            assert!(error.contains("deletes another file"), "{error}");
        }
        fs::create_dir(dir.path().join(".wh.sub")).unwrap();
        assert!(IncludedFile::read(dir.path(), "/data").is_err());
        assert!(IncludedFile::new("a.wh.b/.whX", *b"").is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn what_has_no_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |path: &Path| {
            let error = IncludedFile::read(path, "/f").unwrap_err();
            std::error::Error::source(&error).unwrap().to_string()
        };
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero")).unwrap();
        for path in [dir.path().join("socket"), dir.path().join("zero"), "/dev/null".into()] {
            assert!(refused(&path).contains("a pipe, a device or a socket"), "{}", path.display());
        }
        // It takes no place on the disk.
        let large = dir.path().join("large");
        fs::File::create(&large).unwrap().set_len(MAX_SIZE + 1).unwrap();
        assert!(read_within(&large, 1 << 20).is_err());
        fs::write(dir.path().join("small"), "12345678").unwrap();
        assert_eq!(read_within(&dir.path().join("small"), 8).unwrap(), b"12345678");
        assert!(read_within(&dir.path().join("small"), 7).is_err());
    }

    #[test]
    fn a_folder_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a"), "A").unwrap();
        fs::write(dir.path().join("b"), "B").unwrap();
        let files = IncludedFile::read(dir.path(), "/data").unwrap();
        let mut paths: Vec<String> = files.into_iter().map(|file| file.path).collect();
        paths.sort();
        assert_eq!(paths, ["data/b", "data/sub/a"]);
    }

    #[cfg(unix)]
    #[test]
    fn empty_folders_and_executable_files_stay() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/empty")).unwrap();
        fs::write(dir.path().join("a/tool"), "").unwrap();
        fs::write(dir.path().join("a/text"), "").unwrap();
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        fs::set_permissions(dir.path().join("a/tool"), mode(0o700)).unwrap();
        fs::set_permissions(dir.path().join("a/text"), mode(0o600)).unwrap();
        let mut files = IncludedFile::read(dir.path(), "/x").unwrap();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let found: Vec<_> = files
            .iter()
            .map(|f| (f.path(), f.attributes.mode, f.kind == FileKind::Folder))
            .collect();
        let expected =
            [("x/a/empty", 0o755, true), ("x/a/text", 0o644, false), ("x/a/tool", 0o755, false)];
        assert_eq!(found, expected);
        let empty = IncludedFile::read(&dir.path().join("a/empty"), "/data").unwrap();
        assert_eq!((empty.len(), empty[0].path()), (1, "data"));
    }
}

//! Additional files in an image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use super::Error;
use super::layer_path::{below, layer_path};

/// A file to put into the root file system.
#[derive(Debug, Clone)]
pub struct IncludedFile {
    path: String,
    content: Arc<[u8]>,
}

impl IncludedFile {
    /// A file at `path` in the image.
    ///
    /// # Errors
    /// [`Error::InvalidInclude`] when the path is empty, or leads out of the image on any system.
    pub fn new(path: &str, content: impl Into<Arc<[u8]>>) -> Result<IncludedFile, Error> {
        let invalid = |reason| Error::InvalidInclude { path: path.to_owned(), reason };
        // `convert` and `run` pass paths from images of strangers.
        Ok(IncludedFile { path: layer_path(path).map_err(invalid)?, content: content.into() })
    }

    /// A file of the host, or every file below a folder of the host, for `path` in the image.
    /// A link to a file counts as the file.
    ///
    /// # Errors
    /// [`Error::Include`] when something can't be read, [`Error::InvalidInclude`] as [`IncludedFile::new`].
    pub fn read(host: &Path, path: &str) -> Result<Vec<IncludedFile>, Error> {
        let mut files = Vec::new();
        collect(host, path, &mut files)?;
        Ok(files)
    }

    /// The path in the image, relative to its root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns where the file is if `root` is a folder with the image's files.
    #[must_use]
    pub fn path_below(&self, root: &Path) -> PathBuf {
        below(root, &self.path)
    }

    /// The bytes of the file.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

fn collect(host: &Path, path: &str, files: &mut Vec<IncludedFile>) -> Result<(), Error> {
    let failed = |source| Error::Include { path: host.to_owned(), source };
    if !fs::metadata(host).map_err(failed)?.is_dir() {
        files.push(IncludedFile::new(path, fs::read(host).map_err(failed)?)?);
        return Ok(());
    }
    // `read_dir` has no fixed order, which is harmless because the layer sorts its entries.
    for entry in fs::read_dir(host).map_err(failed)? {
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
        collect(&entry.path(), &format!("{path}/{name}"), files)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_image() {
        assert_eq!(IncludedFile::new("/etc//app/./a.toml", *b"").unwrap().path(), "etc/app/a.toml");
        for path in ["", "/", "../x", "a/../../x", r"..\x", "Z:/x", "a/NUL"] {
            assert!(IncludedFile::new(path, *b"").is_err(), "{path}");
        }
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
}

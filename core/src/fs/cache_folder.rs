//! Folders of caches.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{Access, Durability, WriteOptions, create_private_folder, require_owned};

/// Folder of a cache, whose entries can be trusted because only this user can write to it. What another user could have written is
/// never read.
#[derive(Debug, Clone)]
pub struct CacheFolder {
    path: PathBuf,
}

impl CacheFolder {
    /// Opens the folder at `path`, or creates it. Folders above it are created as the umask says, and not checked.
    ///
    /// # Errors
    /// The error of creating it, or of [`require_owned`].
    pub fn open(path: &Path) -> io::Result<CacheFolder> {
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        create_private_folder(path)?;
        CacheFolder::existing(path)
    }

    /// Opens the folder at `path` if it is there.
    ///
    /// # Errors
    /// The error of [`require_owned`], which may be that it is missing.
    pub fn existing(path: &Path) -> io::Result<CacheFolder> {
        require_owned(path)?;
        Ok(CacheFolder { path: path.to_owned() })
    }

    /// Opens or creates a folder in this one.
    ///
    /// # Errors
    /// As [`CacheFolder::open`].
    pub fn folder(&self, name: &str) -> io::Result<CacheFolder> {
        CacheFolder::open(&self.path.join(name))
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// The error of reading it, or of [`require_owned`].
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.path.join(name);
        require_owned(&path)?;
        fs_err::read(path)
    }

    /// Writes an entry, which only this user can read. `fill` writes the content.
    ///
    /// # Errors
    /// As [`WriteOptions::replace`].
    pub fn write(
        &self,
        name: &str,
        durability: Durability,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let options = WriteOptions { access: Access::Private, durability, staging: None };
        options.replace(&self.path.join(name), fill)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_entry_that_others_could_have_written_is_not_read() {
        let parent = tempfile::tempdir().unwrap();
        let folder = CacheFolder::open(&parent.path().join("a/cache")).unwrap();
        folder.write("entry", Durability::Checked, |file| file.write_all(b"ours")).unwrap();
        assert_eq!(folder.read("entry").unwrap(), b"ours");
        let planted = folder.path().join("planted");
        std::fs::write(&planted, "theirs").unwrap();
        set_permissions(&planted, Permissions::from_mode(0o666)).unwrap();
        folder.read("planted").unwrap_err();
        std::os::unix::fs::symlink(folder.path().join("entry"), folder.path().join("link"))
            .unwrap();
        folder.read("link").unwrap_err();
        set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        CacheFolder::open(folder.path()).unwrap_err();
        CacheFolder::existing(&parent.path().join("missing")).unwrap_err();
        assert!(!parent.path().join("missing").exists());
    }
}

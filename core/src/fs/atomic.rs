//! Writes that replace a file as a whole, and survive a crash.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use tempfile::TempPath;

#[cfg(test)]
use super::journal::{Change, note};
use super::temporary::{Registered, UNFINISHED, sweep_unfinished};

/// The users who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Those that the umask allows, as for any other file.
    #[default]
    Umask,
    /// Only the user who writes it (mode 0600).
    Private,
}

/// The state after a crash or a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The file has the old content or the new one. Content, then name, are on disk when the write returns.
    #[default]
    Full,
    /// The file may be cut short or zeroed, and its reader must detect that: by a digest, or because a damaged record does
    /// not parse. For caches only, where the time of an fsync is worth more than the entry.
    Checked,
}

/// The way in which a file is written. Each write goes to a temporary file, which then replaces the file in one step.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteOptions<'a> {
    /// The users who may read the file.
    pub access: Access,
    /// The state after a crash.
    pub durability: Durability,
    /// The folder of the temporary file, on the same file system. By default, the folder of the file itself.
    pub staging: Option<&'a Path>,
}

impl WriteOptions<'_> {
    /// Replaces the file, or creates it. `fill` writes the content.
    ///
    /// # Errors
    /// The error of `fill`, or of writing, syncing or renaming the file. The file then has its old content, unless only
    /// syncing its folder failed.
    pub fn replace(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let (temporary, _registered) = self.temporary(path, fill)?;
        #[cfg(test)]
        note(Change::Rename { from: temporary.to_path_buf(), to: path.to_owned() });
        temporary.persist(path).map_err(|e| e.error)?;
        self.sync_folder_of(path)
    }

    /// Creates the file, unless there is one already. `fill` writes the content.
    ///
    /// # Errors
    /// As [`WriteOptions::replace`].
    pub fn create(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let (temporary, _registered) = self.temporary(path, fill)?;
        #[cfg(test)]
        if !path.exists() {
            note(Change::Rename { from: temporary.to_path_buf(), to: path.to_owned() });
        }
        match temporary.persist_noclobber(path) {
            // Another process was faster.
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(()),
            persisted => {
                persisted.map_err(|e| e.error)?;
                self.sync_folder_of(path)
            }
        }
    }

    fn temporary(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<(TempPath, Registered)> {
        let mut builder = tempfile::Builder::new();
        // Temporary files are private by default.
        #[cfg(unix)]
        if self.access == Access::Umask {
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        }
        let folder = self.staging.unwrap_or(folder_of(path));
        let make = || builder.prefix(UNFINISHED).tempfile_in(folder);
        let (mut file, registered) = Registered::create(make, |it| it.path().to_owned())?;
        fill(file.as_file_mut())?;
        #[cfg(test)]
        note(Change::Content {
            file: file.path().to_owned(),
            content: std::fs::read(file.path())?,
        });
        // Without this, the new name can reach the disk before the content does.
        if self.durability == Durability::Full {
            file.as_file().sync_all()?;
            #[cfg(test)]
            note(Change::SyncFile(file.path().to_owned()));
        }
        Ok((file.into_temp_path(), registered))
    }

    fn sync_folder_of(&self, path: &Path) -> io::Result<()> {
        // Syncing a file does not sync its name, which is in the folder (fsync(2)).
        match self.durability {
            Durability::Full => sync_folder(folder_of(path)),
            Durability::Checked => Ok(()),
        }
    }
}

/// Replaces a file, or creates it: readable as the umask says, and on disk when this returns. What killed processes left
/// unfinished in its folder is removed.
///
/// # Errors
/// As [`WriteOptions::replace`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    sweep_unfinished(folder_of(path));
    WriteOptions::default().replace(path, |file| file.write_all(bytes))
}

/// Renames a file or folder in one step, and returns when the new name is on disk.
///
/// # Errors
/// The error of renaming, or of syncing the folder of `to`.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(test)]
    note(Change::Rename { from: from.to_owned(), to: to.to_owned() });
    fs_err::rename(from, to)?;
    sync_folder(folder_of(to))
}

/// Replaces a symbolic link, or creates it, so that there is no moment without one.
///
/// # Errors
/// The error of creating or renaming the link. [`ErrorKind::Unsupported`] on Windows, where links need a privilege.
pub fn replace_link(link: &Path, target: &Path) -> io::Result<()> {
    // `symlink` doesn't replace a link, but renaming one over another does.
    #[cfg(unix)]
    {
        let mut builder = tempfile::Builder::new();
        let make = || {
            let place = |temporary: &Path| std::os::unix::fs::symlink(target, temporary);
            builder.prefix(UNFINISHED).make_in(folder_of(link), place)
        };
        let (temporary, _registered) = Registered::create(make, |it| it.path().to_owned())?;
        temporary.into_temp_path().persist(link).map_err(|e| e.error)
    }
    #[cfg(not(unix))]
    {
        let _ = (link, target);
        Err(ErrorKind::Unsupported.into())
    }
}

/// Creates a folder and its missing parents, and returns when their names are on disk.
///
/// # Errors
/// The error of creating or syncing one of them.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|it| !it.is_dir()).collect();
    DirBuilder::new().recursive(true).create(folder)?;
    #[cfg(test)]
    missing.iter().rev().for_each(|it| note(Change::Folder(it.to_path_buf())));
    // The name of each new folder is in its parent.
    missing
        .into_iter()
        .filter(|it| !it.as_os_str().is_empty())
        .map(folder_of)
        .try_for_each(sync_folder)
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    // The parent of `file` is the empty path, which can't be opened.
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns when the names in the folder are on disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows can't open folders as files, and writes names through.
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some network and FUSE file systems can't sync a folder, and one that only lets us write can't be opened.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            tracing::debug!(%error, folder = %folder.display(), "can't sync a folder");
            Ok(())
        }
        synced => {
            #[cfg(test)]
            note(Change::SyncFolder(folder.to_owned()));
            synced
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"old").unwrap();
        let half = |file: &mut File| {
            file.write_all(b"ne")?;
            Err(io::Error::other("no space"))
        };
        for durability in [Durability::Full, Durability::Checked] {
            let options = WriteOptions { durability, ..WriteOptions::default() };
            assert_eq!(options.replace(&path, half).unwrap_err().to_string(), "no space");
            assert_eq!(options.create(&path, half).unwrap_err().to_string(), "no space");
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
        // A folder can't be replaced by a file.
        fs::create_dir(folder.path().join("sub")).unwrap();
        write(&folder.path().join("sub"), b"new").unwrap_err();
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["file", "sub"]);
    }

    #[test]
    fn of_two_writers_one_wins_and_readers_see_whole_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = &folder.path().join("file");
        let contents = [vec![b'a'; 100_000], vec![b'b'; 200_000]];
        write(path, &contents[0]).unwrap();
        std::thread::scope(|scope| {
            for content in &contents {
                scope.spawn(move || (0..20).for_each(|_| write(path, content).unwrap()));
            }
            for _ in 0..100 {
                assert!(contents.contains(&fs::read(path).unwrap()));
            }
        });
        assert!(contents.contains(&fs::read(path).unwrap()));
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn create_keeps_the_first_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for content in [&b"first"[..], b"second"] {
            WriteOptions::default().create(&path, |file| file.write_all(content)).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_access_decides_the_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode();
        write(&folder.path().join("ours"), b"x").unwrap();
        fs::write(folder.path().join("other"), b"x").unwrap();
        assert_eq!(mode("ours"), mode("other"));
        let private = WriteOptions { access: Access::Private, ..WriteOptions::default() };
        private.replace(&folder.path().join("ours"), |file| file.write_all(b"x")).unwrap();
        assert_eq!(mode("ours") & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced_by_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        for target in ["/one", "/two"] {
            replace_link(&link, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        assert_eq!(names(folder.path()), ["link"]);
    }

    #[test]
    fn folders_are_created_with_their_parents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        create_folder(&path).unwrap();
        create_folder(&path).unwrap();
        rename(&path, &folder.path().join("c")).unwrap();
        assert!(folder.path().join("c").is_dir());
        write(&folder.path().join("file"), b"").unwrap();
        create_folder(&folder.path().join("file/sub")).unwrap_err();
    }
}

//! Temporary files and folders that no end of the process leaves behind.
//!
//! While one exists, it is registered, so that a program can remove all of them when a signal ends it
//! ([`remove_temporaries`]). A folder is also locked, so that later processes remove it ([`sweep`]) if this one is killed, and
//! never while this one uses it.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tempfile::{TempDir, TempPath};

use super::evict::is_older;
use super::owned::is_ours;
use crate::trace::OrTrace;

/// Prefix of the names of files and folders in the folder for temporary files.
const PREFIX: &str = "wasm-oci-";

/// Prefix of the names of files and folders that are still being written, next to the place that they get.
pub(super) const UNFINISHED: &str = ".tmp-wasm-oci-";

// A process locks a new folder at once, and a new file never.
const LOCKED_AFTER: Duration = Duration::from_secs(60);

// Each write makes a file young again, so a file of this age was left by a process that was killed.
pub(super) const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// Paths of the temporary files and folders that exist.
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Called before the first of them is created.
static BEFORE_FIRST: OnceLock<fn()> = OnceLock::new();

/// Folder of the process for temporary files, as long as it has some.
static OF_PROCESS: Mutex<Weak<TemporaryFolder>> = Mutex::new(Weak::new());

fn live() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets what is called before the first temporary file or folder of this process is created, such as a function that listens for
/// signals. Only the first call has an effect.
pub fn before_first_temporary(hook: fn()) {
    BEFORE_FIRST.set(hook).ok();
}

/// Removes all temporary files and folders of this process, which must end next: whoever creates one from now on waits for that
/// end.
pub fn remove_temporaries() {
    let live = live();
    for path in live.iter() {
        // Another thread may be writing into the folder.
        for _ in 0..3 {
            match remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::debug!(%error, "can't remove a temporary file");
                }
                _ => break,
            }
        }
    }
    std::mem::forget(live);
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) }
}

/// Registration of a temporary file or folder until it is dropped.
#[derive(Debug)]
pub(super) struct Registered(PathBuf);

impl Registered {
    /// Creates a file or folder and registers it, with no moment between the two.
    pub(super) fn create<T>(
        make: impl FnOnce() -> io::Result<T>,
        path: impl FnOnce(&T) -> PathBuf,
    ) -> io::Result<(T, Registered)> {
        static FIRST: Once = Once::new();
        FIRST.call_once(|| {
            if let Some(hook) = BEFORE_FIRST.get() {
                hook();
            }
        });
        let mut live = live();
        let made = make()?;
        let path = path(&made);
        live.insert(path.clone());
        Ok((made, Registered(path)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        live().remove(&self.0);
    }
}

/// A temporary folder, which is removed when it is dropped.
#[derive(Debug)]
pub struct TemporaryFolder {
    files: PathBuf,
    // In this order: the folder is removed, then forgotten, then unlocked.
    folder: TempDir,
    _registered: Registered,
    _lock: Option<File>,
}

impl TemporaryFolder {
    /// Creates a folder in the system's folder for temporary files, which only this user can look into.
    ///
    /// # Errors
    /// The error of creating it.
    pub fn new() -> io::Result<TemporaryFolder> {
        static SWEPT: Once = Once::new();
        let all = std::env::temp_dir();
        SWEPT.call_once(|| sweep(&all, PREFIX));
        TemporaryFolder::create(&all, PREFIX)
    }

    /// Creates a folder in `parent`, to be [moved](super::rename) to its place on the same file system when it is complete. The
    /// umask says who can look into it.
    ///
    /// # Errors
    /// The error of creating it.
    pub fn new_in(parent: &Path) -> io::Result<TemporaryFolder> {
        sweep(parent, UNFINISHED);
        TemporaryFolder::create(parent, UNFINISHED)
    }

    fn create(parent: &Path, prefix: &str) -> io::Result<TemporaryFolder> {
        let make = || tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
        let (folder, registered) = Registered::create(make, |it| it.path().to_owned())?;
        // Not the folder itself, which can't be locked on every system. And not a file among those of the user.
        let lock = File::create(folder.path().join("lock")).or_trace("create a lock");
        let lock = lock.filter(|lock| lock.lock().or_trace("lock a temporary folder").is_some());
        let files = folder.path().join("files");
        std::fs::create_dir(&files)?;
        Ok(TemporaryFolder { files, folder, _registered: registered, _lock: lock })
    }

    /// Returns the path of the empty folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.files
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// The error of removing it, or something in it.
    pub fn close(self) -> io::Result<()> {
        self.folder.close()
    }
}

/// A temporary file, which is removed when it is dropped.
#[derive(Debug)]
pub struct TemporaryFile {
    path: TempPath,
    _folder: Arc<TemporaryFolder>,
}

impl TemporaryFile {
    /// Creates a file in the system's folder for temporary files, which only this user can read, and opens it.
    ///
    /// # Errors
    /// The error of creating it.
    pub fn new() -> io::Result<(File, TemporaryFile)> {
        let folder = of_process()?;
        let (file, path) = tempfile::NamedTempFile::new_in(folder.path())?.into_parts();
        Ok((file, TemporaryFile { path, _folder: folder }))
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn of_process() -> io::Result<Arc<TemporaryFolder>> {
    let mut folder = OF_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = folder.upgrade() {
        return Ok(folder);
    }
    let new = Arc::new(TemporaryFolder::new()?);
    *folder = Arc::downgrade(&new);
    Ok(new)
}

/// Removes what killed processes of this user left unfinished in a folder.
pub fn sweep_unfinished(folder: &Path) {
    sweep(folder, UNFINISHED);
}

/// Removes files and folders with this prefix that killed processes of this user left in a folder. A failure costs only space.
fn sweep(folder: &Path, prefix: &str) {
    let entries = std::fs::read_dir(folder).or_trace("look for abandoned temporary files");
    for entry in entries.into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(prefix) && is_abandoned(&path) {
            tracing::debug!(path = %path.display(), "remove what a killed process left");
            remove(&path).or_trace("remove an abandoned temporary file");
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    // Links are not ours, and neither are the files of other users.
    let metadata = std::fs::symlink_metadata(path).or_trace("look at a temporary file");
    let Some(metadata) = metadata.filter(is_ours) else { return false };
    let is_old = |age| metadata.modified().is_ok_and(|modified| is_older(modified, age));
    if !metadata.is_dir() {
        return is_old(ABANDONED_AFTER);
    }
    // A process that was killed before it locked its folder left no lock, or one that is free.
    is_old(LOCKED_AFTER)
        && match File::open(path.join("lock")) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                // Without locks, nothing tells if a process uses the folder.
                Err(TryLockError::Error(_)) => false,
            },
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn age(path: &Path, age: Duration) {
        File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let folder = TemporaryFolder::new_in(parent.path()).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(names(folder.path()), ["file"]);
        assert!(live().iter().any(|path| path.starts_with(parent.path())));
        drop(folder);
        assert!(names(parent.path()).is_empty());
        assert!(!live().iter().any(|path| path.starts_with(parent.path())));
        let (file, temporary) = TemporaryFile::new().unwrap();
        let (_, second) = TemporaryFile::new().unwrap();
        drop(file);
        let (path, folder) = (temporary.path().to_owned(), temporary._folder.path().to_owned());
        assert_eq!(second.path().parent(), Some(&*folder));
        drop(temporary);
        assert!(!path.exists() && second.path().exists());
        drop(second);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_killed_process_left_is_swept_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let used = TemporaryFolder::new_in(parent.path()).unwrap();
        let used_name = names(parent.path())[0].clone();
        let make = |name: &str, hours: u32| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("lock"), "").unwrap();
            age(&path, hours * Duration::from_secs(60 * 60));
        };
        make(".tmp-wasm-oci-killed", 1);
        make(".tmp-wasm-oci-begun", 0);
        make(".tmp-other", 9);
        std::fs::create_dir(parent.path().join(".tmp-wasm-oci-early")).unwrap();
        age(&parent.path().join(".tmp-wasm-oci-early"), 2 * LOCKED_AFTER);
        std::os::unix::fs::symlink("/", parent.path().join(".tmp-wasm-oci-link")).unwrap();
        for (name, hours) in [("old", 2), ("new", 0)] {
            let path = parent.path().join(format!(".tmp-wasm-oci-{name}"));
            std::fs::write(&path, "").unwrap();
            // As with the umask 002.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o664);
            std::fs::set_permissions(&path, mode).unwrap();
            age(&path, hours * ABANDONED_AFTER);
        }
        age(used.path().parent().unwrap(), 100 * ABANDONED_AFTER);
        sweep_unfinished(parent.path());
        let mut left = [
            ".tmp-other",
            ".tmp-wasm-oci-begun",
            ".tmp-wasm-oci-link",
            ".tmp-wasm-oci-new",
            &used_name,
        ];
        left.sort_unstable();
        assert_eq!(names(parent.path()), left);
    }
}

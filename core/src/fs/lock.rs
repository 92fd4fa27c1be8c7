//! Locks between processes, on file systems that have locks and on those that don't.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::FileState;
use super::temporary::Registered;
use crate::trace::OrTrace;

// A lock is held while one small file is written. If one of this age is still the same, its process was killed.
const STALE_AFTER: Duration = Duration::from_secs(30);

const TRY_AGAIN: Duration = Duration::from_millis(10);

/// A lock, until it is dropped.
#[derive(Debug)]
pub(crate) enum Lock {
    /// The system's lock of a file, which ends with the process.
    OfSystem { _file: File },
    /// A file that exists while the lock is held.
    Existing { _file: LockFile },
}

/// Waits for the lock of a file that all processes share and none replaces. Where there are no locks, a file next to it takes its
/// place, with the extension `lock`.
pub(crate) fn lock_beside(shared: &Path) -> io::Result<Lock> {
    // On Windows, nobody can read a locked file.
    if cfg!(unix) {
        // NFS locks a file for one process only if it is open for writing.
        let file = File::options().read(true).write(true).open(shared);
        let file = file.or_else(|_| File::open(shared))?;
        match file.lock() {
            Ok(()) => return Ok(Lock::OfSystem { _file: file }),
            Err(error) => {
                tracing::debug!(%error, file = %shared.display(), "can't lock a file");
            }
        }
    }
    LockFile::create(&shared.with_extension("lock"), STALE_AFTER)
        .map(|_file| Lock::Existing { _file })
}

/// A file that only one process can create.
#[derive(Debug)]
pub(crate) struct LockFile(Registered);

impl LockFile {
    fn create(path: &Path, stale_after: Duration) -> io::Result<LockFile> {
        let mut seen: Option<(FileState, Instant)> = None;
        loop {
            match Registered::create(|| File::create_new(path), |_| path.to_owned()) {
                Ok((_, registered)) => return Ok(LockFile(registered)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            // By our own clock, because that of a server may differ.
            seen = match (FileState::of(path), seen) {
                (Some(now), Some((before, since))) if now == before => {
                    if since.elapsed() >= stale_after {
                        break_lock(path, &before);
                        None
                    } else {
                        Some((before, since))
                    }
                }
                (now, _) => now.map(|now| (now, Instant::now())),
            };
            thread::sleep(TRY_AGAIN);
        }
    }
}

/// Removes the lock of a killed process, unless another process has just done so and holds its own.
fn break_lock(path: &Path, stale: &FileState) {
    let aside = path.with_extension(format!("lock-{}", std::process::id()));
    if fs_err::rename(path, &aside).or_trace("break a lock").is_none() {
        return;
    }
    // Renaming changes no time of writing, length or number.
    if !FileState::of(&aside).is_some_and(|state| state.is_same_file(stale)) {
        std::fs::hard_link(&aside, path).or_trace("give a lock back");
    }
    std::fs::remove_file(&aside).or_trace("remove a broken lock");
}

impl Drop for LockFile {
    fn drop(&mut self) {
        std::fs::remove_file(self.0.path()).or_trace("remove a lock");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_holds_a_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (shared, number) = (folder.path().join("shared"), folder.path().join("number"));
        std::fs::write(&shared, "").unwrap();
        std::fs::write(&number, "0").unwrap();
        let add = |without_locks: bool| {
            for _ in 0..20 {
                let _lock = match without_locks {
                    true => {
                        let path = shared.with_extension("lock");
                        Lock::Existing { _file: LockFile::create(&path, STALE_AFTER).unwrap() }
                    }
                    false => lock_beside(&shared).unwrap(),
                };
                let old: u32 = std::fs::read_to_string(&number).unwrap().parse().unwrap();
                std::fs::write(&number, (old + 1).to_string()).unwrap();
            }
        };
        for without_locks in [true, false] {
            std::fs::write(&number, "0").unwrap();
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| add(without_locks));
                }
            });
            assert_eq!(std::fs::read_to_string(&number).unwrap(), "80");
            assert!(!shared.with_extension("lock").exists());
        }
    }

    #[test]
    fn the_lock_of_a_killed_process_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "").unwrap();
        let wait = Duration::from_millis(100);
        let start = Instant::now();
        let _lock = LockFile::create(&path, wait).unwrap();
        assert!(start.elapsed() >= wait);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

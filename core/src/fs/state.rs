//! States of files, which show a change without reading the files.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

// A multiple of a tick: kernels advance the clock of file systems every 1 to 10 ms.
const TICK: Duration = Duration::from_millis(50);

// ext3 and HFS+ store whole seconds, FAT every other one.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// The times, length and number of a file, one of which changes with its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    modified: SystemTime,
    // Programs can set `modified`, but not the time of the last change of content or attributes. Windows doesn't have
    // that time. The time of creation at least shows if another file has taken the place.
    changed: Option<SystemTime>,
    length: u64,
    /// Device and inode. Zero on Windows.
    number: (u64, u64),
}

impl FileState {
    /// Returns the state of the file at `path`, or of the one that it links to, if it is there.
    #[must_use]
    pub fn of(path: &Path) -> Option<FileState> {
        FileState::from_metadata(&std::fs::metadata(path).ok()?)
    }

    /// Returns the state in `metadata`, if its times are after 1970.
    #[must_use]
    pub fn from_metadata(metadata: &Metadata) -> Option<FileState> {
        #[cfg(unix)]
        let (changed, number) = {
            use std::os::unix::fs::MetadataExt;
            let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
            let since = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
            (Some(SystemTime::UNIX_EPOCH + since), (metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let (changed, number) = (metadata.created().ok(), (0, 0));
        Some(FileState {
            modified: metadata.modified().ok()?,
            changed,
            length: metadata.len(),
            number,
        })
    }

    /// Returns true if a change after `time` would show in the state. It may not show if the file was last changed shortly
    /// before: a second write within one tick of the clock gets the same time as the first.
    #[must_use]
    pub fn is_settled(&self, time: SystemTime) -> bool {
        let last = self.changed.map_or(self.modified, |changed| changed.max(self.modified));
        time.duration_since(last).is_ok_and(|age| age > self.tick())
    }

    /// Returns true for a state of the same file with the same content, whatever its name.
    pub(super) fn is_same_file(&self, other: &FileState) -> bool {
        // Renaming sets the time of the last change.
        let key = |state: &FileState| (state.modified, state.length, state.number);
        key(self) == key(other)
    }

    fn tick(&self) -> Duration {
        // A program may have set `modified` to a whole second on a fine clock. Waiting longer then is harmless.
        let is_whole = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.subsec_nanos() == 0)
        };
        let is_coarse = is_whole(self.modified) || self.changed.is_some_and(is_whole);
        if is_coarse { COARSE_TICK } else { TICK }
    }
}

/// A path with the state of its file at one moment, or the fact that there was none. Take it before reading the file: a later state
/// may be that of another content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrackedFile {
    path: PathBuf,
    state: Option<FileState>,
    taken: SystemTime,
}

impl TrackedFile {
    /// Records the present state of the file. Links are followed.
    #[must_use]
    pub fn of(path: &Path) -> TrackedFile {
        // The time first, because the file may change at any moment.
        let taken = SystemTime::now();
        TrackedFile { path: path.to_owned(), state: FileState::of(path), taken }
    }

    /// The path, as it was passed to [`TrackedFile::of`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns true if there was a file.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.state.is_some()
    }

    /// Returns true if the file is still in the recorded state, and a change since would show. It would not if the file had
    /// [just been changed](FileState::is_settled) when its state was taken.
    #[must_use]
    pub fn is_current(&self) -> bool {
        FileState::of(&self.path) == self.state && self.is_settled(self.taken)
    }

    /// Returns true if a change after `time` would show, as [`FileState::is_settled`]. A missing file is settled: its
    /// appearance shows.
    #[must_use]
    pub fn is_settled(&self, time: SystemTime) -> bool {
        self.state.as_ref().is_none_or(|state| state.is_settled(time))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn nobody_can_hide_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let missing = TrackedFile::of(&path);
        assert!(missing.is_current() && !missing.exists());
        fs::write(&path, "one").unwrap();
        assert!(!missing.is_current());
        let early = TrackedFile::of(&path);
        std::thread::sleep(2 * TICK);
        let known = TrackedFile::of(&path);
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        // The file could have been changed again at once, in the same tick of the clock.
        assert!(known.is_current() && !early.is_current());
        fs::write(&path, "two").unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
        assert_eq!(known.is_current(), cfg!(not(unix)));
    }

    #[test]
    fn what_was_just_changed_may_change_again_unseen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert!(TrackedFile::of(&path).is_settled(SystemTime::now()));
        fs::write(&path, "").unwrap();
        let state = TrackedFile::of(&path);
        assert!(!state.is_settled(SystemTime::now()));
        assert!(state.is_settled(SystemTime::now() + 2 * COARSE_TICK));
        assert!(!state.is_settled(SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn a_coarse_clock_is_waited_for() {
        let at = |milliseconds| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
        let state = |modified, changed| FileState { modified, changed, length: 1, number: (1, 2) };
        let fine = state(at(10_001), Some(at(10_001)));
        assert!(!fine.is_settled(at(10_051)) && fine.is_settled(at(10_052)));
        for coarse in [
            state(at(10_000), Some(at(10_000))),
            state(at(10_000), None),
            // FAT stores the time of creation finer than that of the last write.
            state(at(10_000), Some(at(9_123))),
            state(at(9_123), Some(at(10_000))),
        ] {
            assert!(!coarse.is_settled(at(11_999)) && !coarse.is_settled(at(12_000)));
            assert!(coarse.is_settled(at(12_001)));
        }
        // A clock that runs ahead proves nothing.
        assert!(!state(at(90_001), Some(at(90_001))).is_settled(at(50_000)));
    }
}

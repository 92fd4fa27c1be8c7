//! Whether a file is as it was, without reading it.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// How far the times of files may lie behind the clock.
pub const CLOCK_TICK: Duration = Duration::from_millis(50);

/// The same where times are whole seconds: such file systems know no others, or only every second one.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// What changes when a file does, or that it isn't there. Links are followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    path: PathBuf,
    found: Option<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    modified: SystemTime,
    /// When the file, or what is known of it, was changed: nobody can set this time. Only where there is such a time.
    changed: Option<SystemTime>,
    length: u64,
    /// Device and inode: another file in its place has another. Zero where there are none.
    number: (u64, u64),
}

impl FileState {
    /// Its state now.
    pub fn of(path: &Path) -> Self {
        let found = std::fs::metadata(path).ok().and_then(|file| Found::of(&file));
        Self { path: path.to_owned(), found }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is there.
    pub fn exists(&self) -> bool {
        self.found.is_some()
    }

    /// Whether it still is in that state.
    pub fn is_current(&self) -> bool {
        Self::of(&self.path) == *self
    }

    /// Whether a change after `start` would show: not when it was changed so shortly before that the clock of its file
    /// system may stand still. What isn't there is settled: when it comes, that shows.
    pub fn is_settled(&self, start: SystemTime) -> bool {
        let Some(found) = &self.found else { return true };
        let last = found.changed.map_or(found.modified, |changed| changed.max(found.modified));
        start.duration_since(last).is_ok_and(|age| age > found.tick())
    }
}

impl Found {
    fn tick(&self) -> Duration {
        let is_whole = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.subsec_nanos() == 0)
        };
        // The other time may have been set, to whatever.
        if is_whole(self.changed.unwrap_or(self.modified)) { COARSE_TICK } else { CLOCK_TICK }
    }

    #[cfg(unix)]
    fn of(file: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let since =
            Duration::new(file.ctime().try_into().ok()?, file.ctime_nsec().try_into().ok()?);
        Some(Self {
            modified: file.modified().ok()?,
            changed: Some(SystemTime::UNIX_EPOCH + since),
            length: file.len(),
            number: (file.dev(), file.ino()),
        })
    }

    #[cfg(not(unix))]
    fn of(file: &Metadata) -> Option<Self> {
        Some(Self {
            modified: file.modified().ok()?,
            changed: None,
            length: file.len(),
            number: (0, 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn nobody_can_hide_a_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        let missing = FileState::of(&path);
        assert!(missing.is_current() && !missing.exists());
        fs::write(&path, "one").expect("writable");
        assert!(!missing.is_current());
        let known = FileState::of(&path);
        let modified = fs::metadata(&path).expect("there").modified().expect("a time");
        std::thread::sleep(CLOCK_TICK);
        assert!(known.is_current());
        fs::write(&path, "two").expect("writable");
        fs::File::options()
            .append(true)
            .open(&path)
            .expect("there")
            .set_modified(modified)
            .expect("writable");
        assert_eq!(fs::metadata(&path).expect("there").modified().expect("a time"), modified);
        assert_eq!(known.is_current(), cfg!(not(unix)));
    }

    #[test]
    fn what_was_just_changed_may_change_again_unseen() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        fs::write(&path, "").expect("writable");
        let state = FileState::of(&path);
        assert!(!state.is_settled(SystemTime::now()));
        assert!(state.is_settled(SystemTime::now() + 2 * COARSE_TICK));
        assert!(!state.is_settled(SystemTime::UNIX_EPOCH));
    }
}

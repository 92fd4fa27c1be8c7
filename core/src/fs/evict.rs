//! Eviction of the least recently used entries of a cache.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::temporary::{ABANDONED_AFTER, UNFINISHED};
use crate::trace::OrTrace;

// Otherwise each hit would cost a write to the disk.
const USE_NOTED_FOR: Duration = Duration::from_secs(60);

/// Files that share a name but for its extension, and that are removed together.
#[derive(Default)]
struct Entry {
    used: Option<SystemTime>,
    size: u64,
    files: Vec<PathBuf>,
}

/// Removes the least recently used entries of `folders` until all entries together have at most `limit` bytes, and temporary
/// files that killed processes left behind.
///
/// An entry is every file named after a digest (64 hexadecimal digits), with any extension; other files stay. So does an
/// entry that was written or [marked](mark_used) within `in_use`, whose files may still be open. A failure only costs space,
/// and other processes may remove the same files, so that failures are traced and not returned.
pub fn evict(folders: &[PathBuf], limit: u64, in_use: Duration) {
    let mut total = 0;
    let mut entries: BTreeMap<PathBuf, Entry> = BTreeMap::new();
    for folder in folders {
        let files = fs_err::read_dir(folder).or_trace("look for cache entries to evict");
        for file in files.into_iter().flatten().flatten() {
            let path = file.path();
            let Some((metadata, modified)) = state(&path) else { continue };
            match path.file_name().and_then(|name| name.to_str()) {
                Some(name) if name.starts_with(UNFINISHED) => {
                    if is_older(modified, ABANDONED_AFTER) {
                        remove(&path);
                    } else {
                        // Another process is writing it.
                        total += metadata.len();
                    }
                }
                Some(name) if metadata.is_file() && is_named_after_digest(name) => {
                    let entry = entries.entry(path.with_extension("")).or_default();
                    entry.used = entry.used.max(Some(modified));
                    entry.size += metadata.len();
                    entry.files.push(path);
                    total += metadata.len();
                }
                // The user may have put other files into the folder.
                _ => {}
            }
        }
    }
    let mut entries: Vec<Entry> = entries.into_values().collect();
    entries.sort_by_key(|entry| entry.used);
    for Entry { used, size, files } in entries {
        if total <= limit || !used.is_some_and(|used| is_older(used, in_use)) {
            break;
        }
        files.iter().for_each(|file| remove(file));
        total -= size;
    }
}

/// Makes a file of an entry young, so that [`evict`] removes the entry last.
pub fn mark_used(file: &Path) {
    let is_recent = |(_, modified): (Metadata, _)| !is_older(modified, USE_NOTED_FOR);
    if !state(file).is_some_and(is_recent) {
        let touch = |file: File| file.set_modified(SystemTime::now());
        let marked = File::options().write(true).open(file).and_then(touch);
        marked.or_trace("note the use of a cache entry");
    }
}

/// Returns nothing for a file that another process has just removed.
fn state(file: &Path) -> Option<(Metadata, SystemTime)> {
    let metadata = std::fs::symlink_metadata(file).ok()?;
    let modified = metadata.modified().ok()?;
    Some((metadata, modified))
}

/// Returns false for a time in the future.
pub(super) fn is_older(time: SystemTime, age: Duration) -> bool {
    time.elapsed().is_ok_and(|elapsed| elapsed >= age)
}

fn is_named_after_digest(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn remove(file: &Path) {
    tracing::debug!(file = %file.display(), "evict from the cache");
    fs_err::remove_file(file).or_trace("evict a cache entry");
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn name(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn file(folder: &Path, name: &str, age: Duration) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, [0; 100]).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        path
    }

    #[test]
    fn what_was_used_last_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_owned(), folder.path().join("not there")];
        let entry = |digit, hours| file(folder.path(), &name(digit), hours * HOUR);
        let [first, second, third] = [entry('a', 3), entry('b', 2), entry('c', 4)];
        mark_used(&third);
        evict(&folders, 300, Duration::ZERO);
        assert!(first.exists() && second.exists() && third.exists());
        evict(&folders, 200, Duration::ZERO);
        assert!(!first.exists() && second.exists() && third.exists());
        evict(&folders, 0, HOUR);
        assert!(!second.exists() && third.exists(), "the third is in use");
        evict(&folders, 0, Duration::ZERO);
        assert!(!third.exists());
    }

    #[test]
    fn files_of_an_entry_go_together_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, hours| file(folder.path(), name, hours * HOUR);
        let [code, record] = ["code", "json"].map(|it| format!("{}.{it}", name('a')));
        let (code, record) = (of(&code, 9), of(&record, 1));
        let other = of(&name('b'), 5);
        let [letter, begun, left] =
            [of("letter.txt", 9), of(".tmp-wasm-oci-1", 0), of(".tmp-wasm-oci-2", 2)];
        let link = folder.path().join(name('d'));
        std::fs::create_dir(&link).unwrap();
        evict(&[folder.path().to_owned()], 300, Duration::ZERO);
        assert!(code.exists() && record.exists() && !other.exists());
        assert!(letter.exists() && begun.exists() && !left.exists());
        evict(&[folder.path().to_owned()], 100, Duration::ZERO);
        assert!(!code.exists() && !record.exists() && letter.exists() && begun.exists());
        assert!(link.exists());
    }
}

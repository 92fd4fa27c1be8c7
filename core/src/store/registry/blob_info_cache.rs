//! Cache of the repositories where blobs were seen, from which a push can mount them. skopeo calls it blob info cache.
//!
//! It is only a hint: the registry decides about each mount, so an entry that is out of date costs no more than the upload
//! that it was to avoid. Two processes that change the same entry at the same time may lose one of the two names, at the same cost.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fs::{CacheFolder, Durability, evict, mark_used};
use crate::image::{Digest, Reference};
use crate::trace::OrTrace;

/// Most repositories that we remember for a blob.
const MAX_REPOSITORIES: usize = 4;
/// Limit of the size of all entries, in bytes: about two thousand blobs.
const LIMIT: u64 = 512 << 10;

/// Cache of the repositories where blobs were seen: pushed to, mounted in, found in or pulled from. All clones share it.
///
/// By default, it is only in memory.
#[derive(Debug, Clone, Default)]
pub struct BlobInfoCache {
    folder: Option<Folder>,
    seen: Arc<Mutex<BTreeMap<Key, Vec<String>>>>,
}

#[derive(Debug, Clone)]
struct Folder {
    /// Folder of all caches. It needs the same protection, because who can write to it can replace those in it.
    caches: PathBuf,
    own: PathBuf,
    limit: u64,
}

// The host and port of a registry, as users write them, and a blob.
type Key = (String, Digest);

/// Content of a file. With its key, so that a file of another name means nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    registry: String,
    digest: Digest,
    /// The most recent first.
    repositories: Vec<String>,
}

impl BlobInfoCache {
    /// Returns the cache in the folder `blob-info` of `caches`, which may not exist yet. It has at most `limit` bytes, and never
    /// more than 512 KiB. A limit of zero means that nothing is read or written.
    #[must_use]
    pub fn among(caches: &Path, limit: Option<u64>) -> BlobInfoCache {
        let limit = limit.map_or(LIMIT, |limit| limit.min(LIMIT));
        let own = caches.join("blob-info");
        let folder = Folder { caches: caches.to_owned(), own, limit };
        BlobInfoCache { folder: (limit > 0).then_some(folder), ..BlobInfoCache::default() }
    }

    /// Returns the repositories of a registry where a blob was seen, the most recent first.
    pub(super) fn repositories(&self, registry: &str, digest: Digest) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (registry.to_owned(), digest);
        seen.entry(key).or_insert_with_key(|key| self.read(key)).clone()
    }

    /// Notes that a repository has a blob.
    pub(super) fn record(&self, registry: &str, repository: &str, digest: Digest) {
        self.update(registry, digest, |repositories| put_first(repositories, repository));
    }

    /// Notes for this process only that a repository has a blob, such as in a dry run.
    pub(super) fn assume(&self, registry: &str, repository: &str, digest: Digest) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (registry.to_owned(), digest);
        put_first(seen.entry(key).or_insert_with_key(|key| self.read(key)), repository);
    }

    /// Notes that a registry does not give us the blob of a repository.
    pub(super) fn forget(&self, registry: &str, repository: &str, digest: Digest) {
        self.update(registry, digest, |repositories| repositories.retain(|it| it != repository));
    }

    fn update(&self, registry: &str, digest: Digest, change: impl Fn(&mut Vec<String>)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (registry.to_owned(), digest);
        // Other processes may have changed the file since it was read.
        let before = self.read(&key);
        change(seen.entry(key.clone()).or_insert_with(|| before.clone()));
        let Some(folder) = &self.folder else { return };
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            folder.write(key, after, before.is_empty()).or_trace("note where a blob is");
        } else if !after.is_empty() {
            mark_used(&folder.own.join(name(&key)));
        }
    }

    fn read(&self, key: &Key) -> Vec<String> {
        let read = self.folder.as_ref().map(|folder| folder.read(key));
        match read {
            None => Vec::new(),
            // No blob is known at first.
            Some(Err(error)) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Some(read) => read.or_trace("read where a blob is").unwrap_or_default(),
        }
    }
}

impl Folder {
    fn read(&self, key: &Key) -> io::Result<Vec<String>> {
        CacheFolder::existing(&self.caches)?;
        let bytes = CacheFolder::existing(&self.own)?.read(&name(key))?;
        let entry: Entry = serde_json::from_slice(&bytes)?;
        if (&entry.registry, entry.digest) != (&key.0, key.1) {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is about another blob"));
        }
        let mut repositories = entry.repositories;
        repositories.retain(|repository| is_repository(&key.0, repository));
        repositories.truncate(MAX_REPOSITORIES);
        Ok(repositories)
    }

    fn write(&self, key: Key, repositories: Vec<String>, is_new: bool) -> io::Result<()> {
        let name = name(&key);
        if repositories.is_empty() {
            return fs_err::remove_file(self.own.join(name));
        }
        CacheFolder::open(&self.caches)?;
        let folder = CacheFolder::open(&self.own)?;
        let json = serde_json::to_vec(&Entry { registry: key.0, digest: key.1, repositories })?;
        // JSON that was cut short or zeroed does not parse.
        folder.write(&name, Durability::Checked, |file| file.write_all(&json))?;
        // Looking at all files takes longer than the rest of a push without a change. One new entry of 16 does it.
        if is_new && name.starts_with('0') {
            evict(std::slice::from_ref(&self.own), self.limit, Duration::ZERO);
        }
        Ok(())
    }
}

fn name((registry, digest): &Key) -> String {
    Digest::of(format!("{registry}\n{digest}").as_bytes()).hex()
}

fn put_first(repositories: &mut Vec<String>, repository: &str) {
    repositories.retain(|it| it != repository);
    repositories.insert(0, repository.to_owned());
    repositories.truncate(MAX_REPOSITORIES);
}

/// Returns true for the name of a repository. Another text could ask a token server for other rights.
fn is_repository(registry: &str, text: &str) -> bool {
    let reference = format!("{registry}/{text}").parse::<Reference>();
    reference.is_ok_and(|it| it.registry() == registry && it.repository() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "r.io:5000";

    fn digest() -> Digest {
        Digest::of(b"layer")
    }

    fn file(caches: &Path) -> PathBuf {
        caches.join("blob-info").join(name(&(HOST.to_owned(), digest())))
    }

    #[test]
    fn repositories_of_a_registry_come_back_in_another_process_the_most_recent_first() {
        let dir = tempfile::tempdir().unwrap();
        let caches = dir.path().join("a/caches");
        let of = |host: &str| BlobInfoCache::among(&caches, None).repositories(host, digest());
        assert!(of(HOST).is_empty());
        assert!(!caches.exists(), "reading creates nothing");
        let cache = BlobInfoCache::among(&caches, None);
        for repository in ["a", "b/c", "d", "a", "e", "f"] {
            cache.record(HOST, repository, digest());
        }
        assert_eq!(cache.repositories(HOST, digest()), ["f", "e", "a", "d"]);
        assert_eq!(of(HOST), ["f", "e", "a", "d"]);
        assert!(of("r.io").is_empty() && of("other.io:5000").is_empty());
        assert!(cache.repositories(HOST, Digest::of(b"other")).is_empty());
        for repository in ["e", "f", "nowhere"] {
            cache.forget(HOST, repository, digest());
        }
        assert_eq!(of(HOST), ["a", "d"]);
        ["a", "d"].iter().for_each(|repository| cache.forget(HOST, repository, digest()));
        assert!(of(HOST).is_empty() && !file(&caches).exists());
    }

    #[test]
    fn what_is_damaged_or_about_something_else_is_ignored_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        BlobInfoCache::among(dir.path(), None).record(HOST, "a", digest());
        let file = file(dir.path());
        let json = std::fs::read_to_string(&file).unwrap();
        let damaged = [
            String::new(),
            "\0".repeat(json.len()),
            json[..json.len() - 1].to_owned(),
            json.replace(HOST, "evil.io"),
            json.replace(&digest().hex(), &Digest::of(b"other").hex()),
            json.replace("\"a\"", "\"a:pull,push repository:b\",\"../a\",\"a@sha256\",\"A\",\"\""),
            json.replace("\"a\"", "7"),
        ];
        for content in damaged {
            std::fs::write(&file, &content).unwrap();
            let cache = BlobInfoCache::among(dir.path(), None);
            assert!(cache.repositories(HOST, digest()).is_empty(), "{content}");
            cache.record(HOST, "b", digest());
            let again = BlobInfoCache::among(dir.path(), None);
            assert_eq!(again.repositories(HOST, digest()), ["b"]);
        }
        let many = (0..100).map(|n| format!("\"a{n}\"")).collect::<Vec<_>>().join(",");
        std::fs::write(&file, json.replace("\"a\"", &many)).unwrap();
        let cache = BlobInfoCache::among(dir.path(), None);
        assert_eq!(cache.repositories(HOST, digest()).len(), MAX_REPOSITORIES);
    }

    #[test]
    fn only_memory_is_used_without_a_folder_or_a_limit_and_for_assumptions() {
        let dir = tempfile::tempdir().unwrap();
        for cache in [BlobInfoCache::default(), BlobInfoCache::among(dir.path(), Some(0))] {
            cache.record(HOST, "a", digest());
            assert_eq!(cache.clone().repositories(HOST, digest()), ["a"]);
        }
        let cache = BlobInfoCache::among(dir.path(), None);
        cache.assume(HOST, "b", digest());
        assert_eq!(cache.repositories(HOST, digest()), ["b"]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        // What was assumed does not become a fact later.
        cache.record(HOST, "c", digest());
        let again = BlobInfoCache::among(dir.path(), None);
        assert_eq!(again.repositories(HOST, digest()), ["c"]);
    }

    #[test]
    fn the_folder_has_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let cache = BlobInfoCache::among(dir.path(), Some(10_000));
        for n in 0..500_u32 {
            cache.record(HOST, "some/repository", Digest::of(&n.to_le_bytes()));
        }
        let files = std::fs::read_dir(dir.path().join("blob-info")).unwrap();
        let size: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        // 500 entries have more than 60,000 bytes. Between two evictions, a few more come.
        assert!(size > 5_000 && size < 25_000, "{size}");
    }

    #[test]
    fn writers_at_the_same_time_leave_a_whole_entry() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let caches = dir.path();
                scope.spawn(move || {
                    for n in 0..50 {
                        let cache = BlobInfoCache::among(caches, None);
                        let found = cache.repositories(HOST, digest());
                        assert!(found.len() <= MAX_REPOSITORIES);
                        assert!(n == 0 || !found.is_empty(), "an entry was damaged");
                        cache.record(HOST, &format!("a{writer}/{n}"), digest());
                    }
                });
            }
        });
        let found = BlobInfoCache::among(dir.path(), None).repositories(HOST, digest());
        assert!(!found.is_empty());
        assert_eq!(std::fs::read_dir(dir.path().join("blob-info")).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it_and_what_others_could_have_written_is_not_used() {
        use std::fs::{Permissions, metadata, set_permissions};
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let caches = dir.path().join("caches");
        BlobInfoCache::among(&caches, None).record(HOST, "a", digest());
        let (own, file) = (caches.join("blob-info"), file(&caches));
        let mode = |path: &Path| metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&own), mode(&file)), (0o700, 0o600));
        for path in [&caches, &own, &file] {
            let before = mode(path);
            set_permissions(path, Permissions::from_mode(0o777)).unwrap();
            let cache = BlobInfoCache::among(&caches, None);
            assert!(cache.repositories(HOST, digest()).is_empty(), "{}", path.display());
            set_permissions(path, Permissions::from_mode(before)).unwrap();
        }
    }
}

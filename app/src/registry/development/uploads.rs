//! Uploads that are not finished yet. They are in memory, so that they are limited together: clients may leave any number
//! behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ferro_blob_store::{BlobStoreError, Result as Stored};
use ferro_oci_server::{UploadAdmission, UploadState};

/// Number of uploads. One more ends the one that has been idle for longest.
const MAX_OPEN: usize = 1_024;
/// Bytes of all uploads together.
pub(super) const MAX_HELD: u64 = 1 << 30;
/// An upload that was idle for so long has ended. Clients wait at most minutes before they try again.
const MAX_IDLE: Duration = Duration::from_secs(5 * 60);
/// An upload that was idle for so long ends if another one needs its memory.
const MAX_IDLE_IF_FULL: Duration = Duration::from_secs(10);

/// Name of the repository, and identifier.
type Key = (String, String);

/// The open uploads of a registry.
#[derive(Clone)]
pub(super) struct Uploads {
    open: Arc<Mutex<BTreeMap<Key, UploadState>>>,
    max_held: u64,
    max_idle_if_full: Duration,
}

impl Default for Uploads {
    fn default() -> Uploads {
        let open = Arc::default();
        Uploads { open, max_held: MAX_HELD, max_idle_if_full: MAX_IDLE_IF_FULL }
    }
}

impl Uploads {
    /// Opens an upload, unless those that are in use hold all the memory.
    pub(super) fn start(&self, name: &str) -> UploadAdmission {
        self.end_idle();
        let mut open = self.lock();
        if open.len() >= MAX_OPEN {
            end_oldest(&mut open, Duration::ZERO, None);
        }
        if held(&open) >= self.max_held && !end_oldest(&mut open, self.max_idle_if_full, None) {
            return UploadAdmission::AtCapacity(open.len());
        }
        let id = uuid::Uuid::new_v4().to_string();
        open.insert(key(name, &id), UploadState::new(name, &id));
        UploadAdmission::Started(id)
    }

    /// Adds bytes at the end of an upload, and returns its length.
    pub(super) fn append(&self, name: &str, id: &str, offset: u64, chunk: &Bytes) -> Stored<u64> {
        self.end_idle();
        let (mut open, key) = (self.lock(), key(name, id));
        let length = open.get(&key).map(UploadState::offset);
        if length != Some(offset) {
            return Err(BlobStoreError::NotFound(format!("an upload `{id}` of {offset} bytes")));
        }
        let added = chunk.len() as u64;
        while held(&open).saturating_add(added) > self.max_held {
            if !end_oldest(&mut open, self.max_idle_if_full, Some(&key)) {
                let reason = format!(
                    "the open uploads have {} bytes, and all together may have {}; try again later",
                    held(&open),
                    self.max_held
                );
                return Err(BlobStoreError::Io(std::io::Error::other(reason)));
            }
        }
        let upload = open.get_mut(&key);
        Ok(upload.map(|upload| upload.append(chunk)).unwrap_or_default())
    }

    /// Returns the state of an upload, of which only the length is right: a copy of its bytes would take as much memory again
    /// for each request.
    pub(super) fn state(&self, name: &str, id: &str) -> Option<UploadState> {
        self.end_idle();
        let open = self.lock();
        let upload = open.get(&key(name, id))?;
        // The system gives memory to zeros only when something is written to them.
        let buffer = BytesMut::zeroed(upload.buffer.len());
        let (name, uuid) = (upload.name.clone(), upload.uuid.clone());
        Some(UploadState { name, uuid, buffer, last_activity: upload.last_activity })
    }

    pub(super) fn take_bytes(&self, name: &str, id: &str) -> Option<Bytes> {
        self.lock().get_mut(&key(name, id)).map(UploadState::take_bytes)
    }

    /// Ends an upload, and returns true if it was there.
    pub(super) fn end(&self, name: &str, id: &str) -> bool {
        self.lock().remove(&key(name, id)).is_some()
    }

    /// Ends all uploads that have been idle for too long.
    pub(super) fn end_idle(&self) {
        let now = Instant::now();
        self.lock().retain(|_, upload| !upload.is_idle_for(now, MAX_IDLE));
    }

    /// Ends idle uploads also while nobody sends requests.
    pub(super) async fn keep_tidy(self) {
        loop {
            tokio::time::sleep(MAX_IDLE / 5).await;
            self.end_idle();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, UploadState>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &str, id: &str) -> Key {
    (name.to_owned(), id.to_owned())
}

fn held(open: &BTreeMap<Key, UploadState>) -> u64 {
    open.values().map(UploadState::offset).sum()
}

/// Ends the upload that has been idle for longest, at least for `idle`, but not `kept`. Returns false if there is none.
fn end_oldest(open: &mut BTreeMap<Key, UploadState>, idle: Duration, kept: Option<&Key>) -> bool {
    let now = Instant::now();
    let idle =
        open.iter().filter(|(key, upload)| kept != Some(key) && upload.is_idle_for(now, idle));
    let oldest = idle.min_by_key(|(_, upload)| upload.last_activity).map(|(key, _)| key.clone());
    oldest.is_some_and(|key| open.remove(&key).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(uploads: &Uploads) -> String {
        match uploads.start("app") {
            UploadAdmission::Started(id) => id,
            UploadAdmission::AtCapacity(open) => panic!("{open} are open"),
        }
    }

    #[test]
    fn no_number_of_uploads_keeps_others_out() {
        let uploads = Uploads::default();
        let first = started(&uploads);
        for _ in 0..MAX_OPEN {
            let id = started(&uploads);
            assert_eq!(uploads.append("app", &id, 0, &Bytes::from_static(b"x")).unwrap(), 1);
        }
        assert!(uploads.state("app", &first).is_none(), "the oldest has ended");
        assert_eq!(uploads.lock().len(), MAX_OPEN);
    }

    #[test]
    fn uploads_together_hold_so_many_bytes() {
        let of = |idle| Uploads { max_held: 10, max_idle_if_full: idle, ..Uploads::default() };
        let six = Bytes::from_static(b"123456");
        for (idle, ends) in [(Duration::ZERO, true), (Duration::from_secs(3600), false)] {
            let uploads = of(idle);
            let (first, second) = (started(&uploads), started(&uploads));
            assert_eq!(uploads.append("app", &first, 0, &six).unwrap(), 6);
            let added = uploads.append("app", &second, 0, &six);
            assert_eq!(added.is_ok(), ends, "one that is in use is kept");
            assert_eq!(uploads.state("app", &first).is_none(), ends);
        }
        let (uploads, huge) = (of(Duration::ZERO), Bytes::from(vec![0; 11]));
        let id = started(&uploads);
        let error = uploads.append("app", &id, 0, &huge).unwrap_err();
        assert!(error.to_string().contains("may have 10; try again later"), "{error}");
        assert_eq!(uploads.append("app", &id, 0, &six).unwrap(), 6);
        assert_eq!(uploads.state("app", &id).unwrap().offset(), 6);
        uploads.append("app", &id, 0, &six).unwrap_err();
        let _rest = uploads.append("app", &id, 6, &Bytes::from_static(b"7890")).unwrap();
        let full = Uploads { max_idle_if_full: Duration::from_secs(3600), ..uploads.clone() };
        assert_eq!(full.start("app"), UploadAdmission::AtCapacity(1));
        assert_eq!(uploads.take_bytes("app", &id).unwrap(), "1234567890");
        assert!(uploads.end("app", &id) && !uploads.end("app", &id));
    }
}

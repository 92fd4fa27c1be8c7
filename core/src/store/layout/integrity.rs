//! Blobs and files of a layout that a power failure, or another tool, may have damaged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::{LAYOUT_FILE, Layout};
use crate::fs::{lock_beside, open_regular};
use crate::image::{Blob, Descriptor, Digest, MediaType};
use crate::store::Error;
use crate::trace::OrTrace;

pub(super) const EMPTY_INDEX: &[u8] = br#"{"manifests":[],"schemaVersion":2}"#;

impl Layout {
    /// Returns true if there is an undamaged blob of this digest and size. The file is read: a power failure may have emptied or
    /// zeroed one that another tool wrote.
    #[must_use]
    pub fn contains(&self, digest: Digest, size: u64) -> bool {
        let descriptor = Descriptor::new(MediaType::ImageLayer, digest, size);
        self.has_size(&descriptor) && self.read(&descriptor).or_trace("use a blob").is_some()
    }

    /// Returns true if there is an undamaged blob of this digest.
    #[must_use]
    pub fn holds(&self, digest: Digest) -> bool {
        let metadata = std::fs::metadata(self.blob_file(digest)).ok();
        metadata.is_some_and(|it| it.is_file() && self.contains(digest, it.len()))
    }

    /// Returns true if there is a blob of this size, which may be damaged.
    pub(in crate::store) fn has_size(&self, descriptor: &Descriptor) -> bool {
        std::fs::metadata(self.blob_file(descriptor.digest))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == descriptor.size)
    }

    pub(super) fn read(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let path = self.blob_file(descriptor.digest);
        let file = open_regular(&path).map_err(Error::io("read", &path))?;
        let size = file.metadata().map_err(Error::io("read", &path))?.len();
        Ok(Blob::verified_file(descriptor.clone(), &path, 0..size)?)
    }

    /// Writes the marker and the index again if a power failure took their content or the index itself.
    pub(super) fn heal(&self) {
        if !self.blobs().is_dir() {
            return;
        }
        let is_lost_in = |file: &Path| match open_regular(file).and_then(has_only_zeros) {
            Ok(is_lost) => is_lost,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        let files = [(self.index_file(), EMPTY_INDEX), (self.marker(), LAYOUT_FILE.as_bytes())];
        for (file, content) in files.iter().filter(|(file, _)| is_lost_in(file)) {
            let heal = || {
                // Another process may have done so, and written more since.
                let _lock = lock_beside(&self.marker())?;
                match is_lost_in(file) {
                    // In place, because the marker is what all processes lock.
                    true if *file == self.marker() => write_in_place(file, content),
                    true => self.writing().replace(file, |it| it.write_all(content)),
                    false => Ok(()),
                }
            };
            heal().or_trace("heal a layout after a power failure");
        }
    }

    /// Returns true if the directory holds files that are not of a layout which was just begun.
    pub(super) fn is_occupied(&self) -> bool {
        let is_empty = |folder: &Path| folder.read_dir().is_ok_and(|mut it| it.next().is_none());
        let entries = self.path.read_dir().into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).any(|path| !(path.ends_with("blobs") && is_empty(&path)))
    }
}

/// Returns true for the content of a file that was renamed but not synced before a power failure: nothing, or zeros.
pub(super) fn is_lost(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Reads no further than to the first other byte: a sound index may be large.
fn has_only_zeros(mut file: File) -> io::Result<bool> {
    let mut buffer = [0; 1 << 12];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(true),
            read if !is_lost(&buffer[..read]) => return Ok(false),
            _ => {}
        }
    }
}

fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).truncate(true).create(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

//! What an earlier build made of the same inputs.
//!
//! Invariant: a stamp that counts says what the stages would make; it is written after them, and it only counts
//! while everything that it names is there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wasm_oci::pipeline::{Packed, Sizes, TaggedImage};
use wasm_oci_core::image::{Descriptor, Digest, Format, Tag};
use wasm_oci_core::store::{Layout, Name, Sink, Source};

/// A record of what was made for one program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stamp {
    fingerprint: Digest,
    layout: PathBuf,
    /// The module's sizes.
    pub sizes: Sizes,
    /// The images, the main format first.
    pub images: Vec<StampedImage>,
}

/// An image of the record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StampedImage {
    format: String,
    /// Its digest.
    pub digest: Digest,
    tags: Vec<String>,
    blobs: Vec<(Digest, u64)>,
}

impl Stamp {
    /// The record of what was just made.
    #[must_use]
    pub fn new(fingerprint: Digest, layout: &Path, packed: &Packed) -> Stamp {
        let images = packed.images.iter().map(StampedImage::of).collect();
        Stamp { fingerprint, layout: layout.to_owned(), sizes: packed.sizes, images }
    }

    /// The record in `file`, when it is of the same inputs and all that it names is in `layout`.
    pub async fn current(file: &Path, fingerprint: Digest, layout: &Path) -> Option<Stamp> {
        let stamp: Stamp = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        if stamp.fingerprint != fingerprint || stamp.layout != layout {
            return None;
        }
        let layout = Layout::open(layout).ok()?;
        for image in &stamp.images {
            if !image.is_in(&layout).await {
                return None;
            }
        }
        Some(stamp)
    }

    /// Keeps the record. That this fails costs only time: everything is made again.
    pub fn keep(&self, file: &Path) {
        let write = || {
            let folder = file.parent().unwrap_or(Path::new("."));
            fs_err::create_dir_all(folder)?;
            let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut temporary, self)?;
            temporary.persist(file).map_err(|e| e.error)
        };
        drop::<std::io::Result<_>>(write());
    }
}

impl StampedImage {
    fn of(TaggedImage { format, image, tags }: &TaggedImage) -> StampedImage {
        let blob = |blob: &wasm_oci_core::image::Blob| (blob.descriptor().digest, blob.descriptor().size);
        StampedImage {
            format: format.to_string(),
            digest: image.digest(),
            tags: tags.iter().map(Tag::to_string).collect(),
            blobs: image.blobs().map(blob).collect(),
        }
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format.parse().unwrap_or_default()
    }

    /// Its tags.
    #[must_use]
    pub fn tags(&self) -> Vec<Tag> {
        self.tags.iter().filter_map(|tag| tag.parse().ok()).collect()
    }

    /// The size of all its blobs in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.blobs.iter().map(|(_, size)| size).sum()
    }

    async fn is_in(&self, layout: &Layout) -> bool {
        for tag in self.tags() {
            if layout.resolve(&Name::Tag(tag)).await.map(|found| found.digest).ok() != Some(self.digest) {
                return false;
            }
        }
        for (digest, size) in &self.blobs {
            let descriptor = Descriptor { digest: *digest, size: *size, ..Descriptor::of("".into(), b"") };
            if !layout.exists(&descriptor).await.unwrap_or(false) {
                return false;
            }
        }
        true
    }
}

//! What an earlier build made of the same inputs.
//!
//! Invariant: a stamp that counts says what the stages would make; it is written after them, and it only counts
//! while everything that it names is there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wasm_oci_app::files::write;
use wasm_oci_app::pipeline::packed::{Packed, Sizes, TaggedImage};
use wasm_oci_core::fs::TrackedFile;
use wasm_oci_core::image::{Descriptor, Digest, Format, Tag};
use wasm_oci_core::store::Layout;

/// A record of what was made for one program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildRecord {
    module: ModuleFile,
    fingerprint: Digest,
    layout: PathBuf,
    /// The module's sizes.
    pub sizes: Sizes,
    /// The images, the main format first.
    pub images: Vec<RecordedImage>,
}

/// A module's file, and what was in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ModuleFile {
    state: TrackedFile,
    digest: Digest,
}

/// An image of the record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedImage {
    format: String,
    /// Its digest.
    pub digest: Digest,
    tags: Vec<String>,
    blobs: Vec<(Digest, u64)>,
}

impl BuildRecord {
    /// The record of what was just made of `module`, which is at `path`.
    #[must_use]
    pub fn new(
        path: &Path,
        module: Digest,
        fingerprint: Digest,
        layout: &Path,
        packed: &Packed,
    ) -> BuildRecord {
        let images = packed.images.iter().map(RecordedImage::of).collect();
        let module = ModuleFile { state: TrackedFile::of(path), digest: module };
        BuildRecord { module, fingerprint, layout: layout.to_owned(), sizes: packed.sizes, images }
    }

    /// The record in `file`, whether or not it still counts.
    #[must_use]
    pub fn read(file: &Path) -> Option<BuildRecord> {
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    /// The digest of the module at `path`, if it is the file that the record is of: large modules take longer to
    /// read than all the rest of a build that has nothing to do.
    #[must_use]
    pub fn digest_of(&self, path: &Path) -> Option<Digest> {
        let ModuleFile { state, digest } = &self.module;
        (state.exists() && TrackedFile::of(path) == *state).then_some(*digest)
    }

    /// The same record, with the module, which is the same, now at `path` as it is there.
    #[must_use]
    pub fn of_file(self, path: &Path) -> BuildRecord {
        BuildRecord { module: ModuleFile { state: TrackedFile::of(path), ..self.module }, ..self }
    }

    /// Whether the record is of the same inputs, and all that it names is in `layout`.
    #[must_use]
    pub fn is_fresh(&self, fingerprint: Digest, layout: &Path) -> bool {
        if self.fingerprint != fingerprint || self.layout != layout {
            return false;
        }
        let Ok(layout) = Layout::open(layout) else { return false };
        let Ok(there) = layout.images() else { return false };
        self.images.iter().all(|image| image.is_in(&layout, &there))
    }

    /// Keeps the record. That this fails costs only time: everything is made again.
    pub fn write(&self, file: &Path) {
        fs_err::create_dir_all(file.parent().unwrap_or(Path::new("."))).ok();
        if let Ok(json) = serde_json::to_vec(self) {
            write(file, &json).ok();
        }
    }
}

impl RecordedImage {
    fn of(TaggedImage { format, image, tags }: &TaggedImage) -> RecordedImage {
        let blob =
            |blob: &wasm_oci_core::image::Blob| (blob.descriptor().digest, blob.descriptor().size);
        RecordedImage {
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

    fn is_in(&self, layout: &Layout, there: &[(Option<Tag>, Descriptor)]) -> bool {
        let is_tagged = |tag: &Tag| {
            there
                .iter()
                .any(|(other, image)| other.as_ref() == Some(tag) && image.digest == self.digest)
        };
        self.tags().iter().all(is_tagged)
            && self.blobs.iter().all(|(digest, size)| layout.contains(*digest, *size))
    }
}

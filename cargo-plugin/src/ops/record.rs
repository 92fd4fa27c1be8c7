//! Build records: the inputs and results of earlier builds.
//!
//! A record is written after its images, and counts only while every blob that it names is there.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wasm_oci_app::pipeline::packed::{Packed, Sizes, TaggedImage};
use wasm_oci_core::fs::TrackedFile;
use wasm_oci_core::image::{Blob, Descriptor, Digest, Format, Tag};
use wasm_oci_core::store::Layout;
use wasm_oci_core::trace::OrTrace;

/// Record of the last build of one program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildRecord {
    module: ModuleFile,
    fingerprint: Digest,
    layout: PathBuf,
    pub sizes: Sizes,
    /// The main format comes first.
    pub images: Vec<BuiltImage>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ModuleFile {
    file: TrackedFile,
    digest: Digest,
}

/// An image in a layout.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuiltImage {
    pub format: Format,
    pub digest: Digest,
    pub tags: Vec<Tag>,
    blobs: Vec<(Digest, u64)>,
}

impl BuildRecord {
    /// Describes images that were just made from a module. The state of `file` was taken before the module was read.
    pub fn new(
        file: TrackedFile,
        module: Digest,
        fingerprint: Digest,
        layout: &Path,
        packed: &Packed,
    ) -> BuildRecord {
        let images = packed.images.iter().map(BuiltImage::of).collect();
        let module = ModuleFile { file, digest: module };
        BuildRecord { module, fingerprint, layout: layout.to_owned(), sizes: packed.sizes, images }
    }

    /// Returns the digest of the module at `path` without reading it, if the file has not changed.
    pub fn digest_of(&self, path: &Path) -> Option<Digest> {
        let ModuleFile { file, digest } = &self.module;
        (file.exists() && file.path() == path && file.is_current()).then_some(*digest)
    }

    /// Returns the record for the same module in a new file, whose state was taken before it was read.
    pub fn of_file(self, file: TrackedFile) -> BuildRecord {
        BuildRecord { module: ModuleFile { file, ..self.module }, ..self }
    }

    /// Returns true if a build with the inputs of `fingerprint` would write only what `layout` already has.
    pub fn is_fresh(&self, fingerprint: Digest, layout: &Path) -> bool {
        // The record belongs to the program, but each build may name another layout.
        if self.fingerprint != fingerprint || self.layout != layout {
            return false;
        }
        let found = Layout::open(layout).and_then(|layout| Ok((layout.images()?, layout)));
        let Some((there, layout)) = found.or_trace("read the layout") else { return false };
        self.images.iter().all(|image| image.is_in(&layout, &there))
    }
}

impl BuiltImage {
    fn of(TaggedImage { format, image, tags }: &TaggedImage) -> BuiltImage {
        let blob = |blob: &Blob| (blob.descriptor().digest, blob.descriptor().size);
        BuiltImage {
            format: *format,
            digest: image.digest(),
            tags: tags.clone(),
            blobs: image.blobs().map(blob).collect(),
        }
    }

    /// Returns the total size of the blobs in bytes.
    pub fn size(&self) -> u64 {
        self.blobs.iter().map(|(_, size)| size).sum()
    }

    fn is_in(&self, layout: &Layout, there: &[(Option<Tag>, Descriptor)]) -> bool {
        let is_tagged = |tag: &Tag| {
            there
                .iter()
                .any(|(other, image)| other.as_ref() == Some(tag) && image.digest == self.digest)
        };
        // Other tools write layouts, too: they may have moved a tag or removed a blob.
        self.tags.iter().all(is_tagged)
            && self.blobs.iter().all(|(digest, size)| layout.contains(*digest, *size))
    }
}

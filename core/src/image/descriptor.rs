//! Descriptors, which name blobs.

use std::collections::BTreeMap;

use super::{Digest, MediaType, Platform};

/// The annotation with which buildx names the manifest that an attestation is about
/// ([buildkit, attestation storage](https://github.com/moby/buildkit/blob/v0.20.0/docs/attestations/attestation-storage.md)).
pub(super) const REFERENCE: &str = "vnd.docker.reference.digest";
/// The annotation with which buildx says that a manifest is not an image.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// Names a blob: its type, digest and size
/// ([image-spec, descriptor.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The blob's type.
    pub media_type: MediaType,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The platform of the image, in an entry of an index.
    pub platform: Option<Platform>,
    /// The type of the artifact that a manifest is for, if it is not an image.
    pub artifact_type: Option<String>,
    /// Further properties, for people and tools.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor of `bytes`.
    #[must_use]
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Descriptor {
        Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor of a blob with this digest and size.
    pub(crate) fn new(media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
        let annotations = BTreeMap::new();
        Descriptor { media_type, digest, size, platform: None, artifact_type: None, annotations }
    }

    /// Returns true for an entry that is not an image but a document about one. No engine starts it.
    pub(crate) fn is_attestation(&self) -> bool {
        self.annotations.contains_key(REFERENCE)
            || self.annotations.get(REFERENCE_TYPE).is_some_and(|it| it == "attestation-manifest")
            || self.platform.as_ref().is_some_and(Platform::is_unknown)
    }
}

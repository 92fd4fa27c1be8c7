//! Images: their parts, and how to make one from a module.
//!
//! Everything here is pure: no network, no clock, and no file but those that blobs and included files are read
//! from. [`assemble`] is the only maker of new images; the [`store`](crate::store) reads and writes them.

mod architecture;
mod assemble;
mod attributes;
mod blob;
mod compression;
mod config;
mod created;
mod descriptor;
mod digest;
mod documents;
mod error;
pub(crate) mod extract;
mod file_tree;
mod format;
mod include;
pub(crate) mod index;
mod json_positions;
mod layer;
pub(crate) mod layer_path;
mod losses;
mod media_type;
mod native;
mod platform;
mod programs;
mod reference;
mod settings;
mod spin;
mod start;
pub(crate) mod tar_bounds;
mod tar_entry;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod unpack;

pub use architecture::Architecture;
pub use assemble::assemble;
pub use attributes::Attributes;
pub use blob::Blob;
pub use compression::LayerCompression;
pub use config::{Config, OtherConfig};
pub use created::Created;
pub use descriptor::Descriptor;
pub use digest::{Digest, Digester};
pub use error::Error;
pub use file_tree::{FileTree, target_inside};
pub use format::Format;
pub use include::{FileKind, IncludedFile};
pub use media_type::MediaType;
pub use native::{ENGINE, NativeContent, NativeProgram};
pub use platform::Platform;
pub use programs::{ImageProgram, several_programs};
pub use reference::{Reference, Tag};
pub use settings::{ImageSettings, ModuleFile};

use std::collections::BTreeMap;

use crate::limits::ReadLimits;

pub(crate) use compression::{is_tar, layer_type};
pub(crate) use documents::{IndexDocument, MAX_DOCUMENT, ManifestDocument};
pub(crate) use programs::programs;
pub(crate) use start::Start;

/// An image, complete and immutable: a manifest, or an index of manifests, and every blob below it with its
/// exact bytes.
#[derive(Debug, Clone)]
pub struct Image {
    root: Blob,
    /// Indexes between the root and the manifests, each after those it lists.
    indexes: Vec<Blob>,
    manifests: Vec<Manifest>,
}

/// One manifest of an image and what it lists.
#[derive(Debug, Clone)]
pub struct Manifest {
    blob: Blob,
    document: ManifestDocument,
    config: Config,
    config_blob: Blob,
    layers: Vec<Blob>,
    limits: ReadLimits,
}

impl Image {
    /// An image of parts that were read, each verified, from a store. `root` is the index of `manifests`, directly or
    /// through `indexes`, or the blob of the only one.
    pub(crate) fn from_parts(root: Blob, indexes: Vec<Blob>, manifests: Vec<Manifest>) -> Image {
        Image { root, indexes, manifests }
    }

    /// The blob that the image is named by: its index, or its only manifest.
    #[must_use]
    pub fn root(&self) -> &Blob {
        &self.root
    }

    /// The digest that names the image.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.root.descriptor().digest
    }

    /// The manifests: those of the index, or the only one.
    #[must_use]
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The manifest that holds the module: the one for a Wasm platform in an index, otherwise the first.
    ///
    /// # Errors
    /// [`Error::NoManifest`] when an index is empty.
    pub fn wasm_manifest(&self) -> Result<&Manifest, Error> {
        // Shims also run modules from images for linux, so another platform doesn't mean that there is no module.
        let of_wasm = |m: &&Manifest| m.config().platform.as_ref().is_some_and(Platform::is_wasm);
        self.manifests.iter().find(of_wasm).or(self.manifests.first()).ok_or(Error::NoManifest)
    }

    /// Returns the format that it has or comes closest to.
    #[must_use]
    pub fn format(&self) -> Format {
        // No other format of ours has an index.
        if self.root().descriptor().media_type.is_index() {
            let is_native = self.manifests().iter().any(Manifest::is_native);
            return if is_native { Format::Standalone } else { Format::Universal };
        }
        let Some(manifest) = self.manifests().first() else { return Format::Container };
        let is_raw = |blob: &Blob| blob.descriptor().media_type == MediaType::Wasm;
        let raw = manifest.layers().iter().filter(|layer| is_raw(layer)).count();
        match (raw, manifest.layers().len()) {
            _ if manifest.config_blob().descriptor().media_type == MediaType::WasmConfig => {
                Format::Artifact
            }
            (0, _) => Format::Container,
            (raw, all) if raw == all => Format::Module,
            _ => Format::Combined,
        }
    }

    /// Returns the linux platforms that it is for.
    fn linux_platforms(&self) -> Vec<Platform> {
        let platforms = self.manifests.iter().filter_map(|it| it.config().platform.clone());
        platforms.filter(|platform| platform.os == "linux").collect()
    }

    fn index_annotations(&self) -> Result<BTreeMap<String, String>, Error> {
        if !self.root.descriptor().media_type.is_index() {
            return Ok(BTreeMap::new());
        }
        Ok(IndexDocument::parse(&self.root.bytes()?)?.annotations)
    }

    /// Every blob of the image once, in the order in which a store must take them: layers and configurations,
    /// then manifests, the root last.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        // A registry may refuse a manifest whose blobs it doesn't have (distribution-spec, MANIFEST_BLOB_UNKNOWN).
        let leaves = self.manifests.iter().flat_map(|m| m.layers.iter().chain([&m.config_blob]));
        let manifests = self.manifests.iter().map(|m| &m.blob);
        let mut seen = std::collections::BTreeSet::new();
        leaves
            .chain(manifests)
            .chain(&self.indexes)
            .chain([&self.root])
            .filter(move |blob| seen.insert(blob.descriptor().digest))
    }

    /// The sum of all blobs' sizes in bytes: what a registry stores and a puller of everything reads.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.blobs().map(|blob| blob.descriptor().size).sum()
    }
}

impl Manifest {
    /// The digest that names it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.blob.descriptor().digest
    }

    /// A manifest of blobs that were read and verified. The limits are for unpacking its layers.
    ///
    /// # Errors
    /// [`Error::Document`] when the configuration can't be read.
    pub(crate) fn from_parts(
        blob: Blob,
        document: ManifestDocument,
        config_blob: Blob,
        layers: Vec<Blob>,
        limits: ReadLimits,
    ) -> Result<Manifest, Error> {
        let config = Config::parse(&config_blob.bytes()?)?;
        Ok(Manifest { blob, document, config, config_blob, layers, limits })
    }

    /// The manifest's own blob.
    #[must_use]
    pub fn blob(&self) -> &Blob {
        &self.blob
    }

    /// The parsed configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configuration's blob.
    #[must_use]
    pub fn config_blob(&self) -> &Blob {
        &self.config_blob
    }

    /// The layers, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Blob] {
        &self.layers
    }

    pub(crate) fn layer_digests(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| layer.descriptor().digest).collect()
    }

    /// The manifest's annotations.
    #[must_use]
    pub fn annotations(&self) -> &std::collections::BTreeMap<String, String> {
        &self.document.annotations
    }
}

//! Reading what there is of an image, for those who are to say what is wrong with it.

use std::collections::BTreeMap;

use super::{Error, Name, Source, fetch_document};
use crate::compat::engines::PartialManifest;
use crate::error::error_chain;
use crate::image::{Blob, Descriptor, Digest, IndexDocument, Manifest, ManifestDocument, Platform};

/// An image as far as it can be read.
#[derive(Debug, Clone)]
pub struct PartialImage {
    /// Its manifest or index.
    pub root: Blob,
    /// Its manifests: those that an index lists, or the only one.
    pub manifests: Vec<PartialManifest>,
}

impl PartialImage {
    /// The properties that engines tell images apart by.
    #[must_use]
    pub fn shape(&self) -> crate::compat::engines::Shape {
        crate::compat::engines::Shape::of_parts(
            self.root.descriptor().media_type.is_index(),
            &self.manifests,
        )
    }
}

/// Reads as much as there is of the image that `name` means. Blobs that several manifests share are fetched once.
///
/// # Errors
/// What [`Source`] fails with for the manifest or index itself, or [`Error::Image`] when an index can't be understood. What
/// is wrong below is in the load_partial.
pub async fn load_partial(source: &impl Source, name: &Name) -> Result<PartialImage, Error> {
    let root = fetch_document(source, &source.resolve(name).await?).await?;
    let mut layers = BTreeMap::new();
    let mut manifests = Vec::new();
    if root.descriptor().media_type.is_index() {
        for entry in IndexDocument::parse(&root.bytes()?)?.manifests {
            let manifest = match fetch_document(source, &entry).await {
                Ok(blob) => read(source, blob, &mut layers).await,
                Err(error) => Err(error),
            };
            manifests.push(partial(entry.platform, manifest));
        }
    } else {
        let manifest = read(source, root.clone(), &mut layers).await;
        manifests.push(partial(None, manifest));
    }
    Ok(PartialImage { root, manifests })
}

fn partial(listed_for: Option<Platform>, manifest: Result<Manifest, Error>) -> PartialManifest {
    PartialManifest { listed_for, manifest: manifest.map_err(|error| error_chain(&error)) }
}

async fn read(
    source: &impl Source,
    blob: Blob,
    held: &mut BTreeMap<Digest, Blob>,
) -> Result<Manifest, Error> {
    let document = ManifestDocument::parse(&blob.bytes()?)?;
    let config = fetch_document(source, &document.config).await?;
    let mut layers = Vec::new();
    for layer in &document.layers {
        layers.push(fetch_once(source, layer, held).await?);
    }
    Ok(Manifest::from_parts(blob, document, config, layers)?)
}

async fn fetch_once(
    source: &impl Source,
    layer: &Descriptor,
    held: &mut BTreeMap<Digest, Blob>,
) -> Result<Blob, Error> {
    // What has another type or size under the same digest is another blob.
    if let Some(blob) = held.get(&layer.digest).filter(|blob| blob.descriptor() == layer) {
        return Ok(blob.clone());
    }
    let blob = source.fetch(layer).await?;
    held.insert(layer.digest, blob.clone());
    Ok(blob)
}

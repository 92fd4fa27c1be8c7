//! Partial reads of damaged images, for diagnosis.

use super::graph::Graph;
use super::{Error, Name, Source};
use crate::compat::engines::{PartialManifest, Shape};
use crate::error::error_chain;
use crate::image::{Blob, Error as ImageError, Image, ImageProgram, ImageSettings, programs};
use crate::trace::OrTrace;

/// An image as far as it can be read.
#[derive(Debug, Clone)]
pub struct PartialImage {
    /// Its manifest or index.
    pub root: Blob,
    /// Its manifests: those that an index lists, or the only one.
    pub manifests: Vec<PartialManifest>,
}

impl PartialImage {
    /// Returns the properties that engines distinguish images by.
    ///
    /// # Errors
    /// [`ImageError::OverLimit`] when the layers unpack to more than the limits of the image's source allow.
    pub fn shape(&self) -> Result<Shape, ImageError> {
        Shape::of_parts(self.root.descriptor().media_type.is_index(), &self.manifests)
    }

    /// Returns true if the image can be converted: it can be read whole, and its settings and files fit a new one.
    #[must_use]
    pub fn is_convertible(&self) -> bool {
        let manifests = self.manifests.iter().map(|it| it.manifest.clone());
        let Ok(manifests) = manifests.collect::<Result<Vec<_>, _>>() else { return false };
        let image = Image::from_parts(self.root.clone(), Vec::new(), manifests);
        let settings = ImageSettings::of(&image).map(drop);
        let module = image.wasm_manifest().and_then(|manifest| manifest.module().map(drop));
        settings.and(module).or_trace("convert the image").is_some()
    }

    /// Returns every program that an engine may start, as [`Image::programs`](crate::image::Image::programs).
    ///
    /// # Errors
    /// As [`PartialImage::shape`].
    pub fn programs(&self) -> Result<Vec<ImageProgram>, ImageError> {
        let manifests: Vec<_> = self
            .manifests
            .iter()
            .filter_map(|it| Some((it.manifest.as_ref().ok()?, it.listed_for.as_ref())))
            .collect();
        programs(&manifests)
    }
}

/// Reads as much as possible of the image that `name` means.
///
/// # Errors
/// Errors of the [`Source`] for the manifest or index itself, or [`Error::Image`] when an index can't be read or the image
/// is over [`Source::limits`]. Other errors are part of the result.
pub async fn load_partial(source: &impl Source, name: &Name) -> Result<PartialImage, Error> {
    let graph = Graph::new(source);
    let root = graph.root(name).await?;
    let is_index = root.descriptor().media_type.is_index();
    let mut manifests = Vec::new();
    let entries = match graph.listing(&root).await {
        Ok(listing) => listing.manifests,
        Err(error @ Error::Image(ImageError::OverLimit(_))) => return Err(error),
        // One of the indexes in it can't be read: show what there is without it.
        Err(error) => {
            tracing::debug!(%error, "could not read an index in an index");
            graph.entries(&root)?
        }
    };
    for entry in entries {
        let manifest = match graph.manifest(&entry).await {
            // The budget is that of the whole image, so the other manifests would fail, too.
            Err(error @ Error::Image(ImageError::OverLimit(_))) => return Err(error),
            manifest => manifest.map_err(|error| error_chain(&error)),
        };
        let listed_for = entry.platform.filter(|_| is_index);
        manifests.push(PartialManifest { listed_for, manifest });
    }
    Ok(PartialImage { root, manifests })
}

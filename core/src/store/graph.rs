//! The walk over an image, from its index through manifests to configurations and layers, within one budget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Error, MAX_CONCURRENT, Name, Source};
use crate::image::{
    Blob, Descriptor, Digest, Error as ImageError, Image, IndexDocument, MAX_DOCUMENT, Manifest,
    ManifestDocument,
};
use crate::limits::{Budget, OverLimit};

/// An image in a source.
///
/// It fetches each digest once, even if the image names it many times, and stops when [`Source::limits`] are used up.
pub(super) struct Graph<'a, S> {
    source: &'a S,
    budget: Budget,
    fetched: Mutex<BTreeMap<Digest, Blob>>,
}

// Nobody nests them more than once. Without a limit, each fetch could lead to another one.
const MAX_DEPTH: usize = 8;

/// The manifests of an image in their order, with the indexes between them and the root, each after those it lists.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) manifests: Vec<Descriptor>,
    pub(super) indexes: Vec<Blob>,
}

/// The parts of an image without its root, each once.
pub(super) struct Parts {
    pub(super) manifests: Vec<Blob>,
    /// Indexes that the root lists, directly or not, each after those it lists itself.
    pub(super) indexes: Vec<Blob>,
    /// Layers and configurations.
    pub(super) leaves: Vec<Descriptor>,
}

impl<'a, S: Source> Graph<'a, S> {
    pub(super) fn new(source: &'a S) -> Graph<'a, S> {
        Graph { source, budget: Budget::new(source.limits()), fetched: Mutex::default() }
    }

    /// Returns the manifest or index that `name` means.
    pub(super) async fn root(&self, name: &Name) -> Result<Blob, Error> {
        let descriptor = within_time(&self.budget, self.source.resolve(name)).await?;
        self.document(&descriptor).await
    }

    /// Returns the manifests that an index lists itself, or `root` if it is a manifest.
    pub(super) fn entries(&self, root: &Blob) -> Result<Vec<Descriptor>, Error> {
        if !root.descriptor().media_type.is_index() {
            return Ok(vec![root.descriptor().clone()]);
        }
        let entries = IndexDocument::parse(&root.bytes()?)?.manifests;
        self.budget.list_manifests(entries.len())?;
        Ok(entries)
    }

    /// Returns the manifests that an index lists, also through other indexes (image-spec, image-index.md).
    pub(super) async fn listing(&self, root: &Blob) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        // An index can't list itself, but many can list the same one.
        let mut seen = BTreeSet::from([root.descriptor().digest]);
        let mut open = vec![(root.clone(), self.entries(root)?.into_iter(), None)];
        while let Some((_, rest, platform)) = open.last_mut() {
            let Some(mut entry) = rest.next() else {
                listing.indexes.extend(open.pop().map(|(index, ..)| index));
                continue;
            };
            entry.platform = entry.platform.or_else(|| platform.clone());
            if !entry.media_type.is_index() {
                listing.manifests.push(entry);
                self.budget.list_manifests(listing.manifests.len())?;
            } else if seen.insert(entry.digest) {
                if open.len() > MAX_DEPTH {
                    let reason = format!("indexes are nested more than {MAX_DEPTH} deep");
                    return Err(ImageError::Document { what: "index", reason }.into());
                }
                let index = self.document(&entry).await?;
                let entries = self.entries(&index)?.into_iter();
                open.push((index, entries, entry.platform));
            }
        }
        // The root itself, which comes last.
        listing.indexes.pop();
        Ok(listing)
    }

    pub(super) async fn image(&self, root: Blob) -> Result<Image, Error> {
        let listing = self.listing(&root).await?;
        let mut manifests = Vec::new();
        for entry in &listing.manifests {
            manifests.push(self.manifest(entry).await?);
        }
        Ok(Image::from_parts(root, listing.indexes, manifests))
    }

    /// Reads a manifest with everything that it lists, some layers at once.
    pub(super) async fn manifest(&self, entry: &Descriptor) -> Result<Manifest, Error> {
        let (blob, document) = self.list(entry).await?;
        let config = self.document(&document.config).await?;
        // Two concurrent fetches of one digest would not find each other's blob.
        let mut seen = BTreeSet::new();
        let distinct = document.layers.iter().filter(|layer| seen.insert(layer.digest));
        let distinct: Vec<_> = distinct.map(|layer| self.fetch_once(layer)).collect();
        stream::iter(distinct).buffered(MAX_CONCURRENT).try_collect::<Vec<_>>().await?;
        let mut layers = Vec::new();
        for layer in &document.layers {
            layers.push(self.fetch_once(layer).await?);
        }
        Ok(Manifest::from_parts(blob, document, config, layers, self.budget.limits)?)
    }

    /// Reads the manifest that holds the module: the one for a Wasm platform, otherwise the first.
    pub(super) async fn wasm_manifest(&self, entries: &[Descriptor]) -> Result<Manifest, Error> {
        let of_wasm = |entry: &&Descriptor| {
            entry.platform.as_ref().is_some_and(|platform| platform.is_wasm())
        };
        // The entry for a manifest that was named itself has no platform.
        let entry = entries.iter().find(of_wasm).or(entries.first());
        self.manifest(entry.ok_or(ImageError::NoManifest)?).await
    }

    /// Reads the documents of an image, and lists its layers without reading them.
    pub(super) async fn walk(&self, root: &Blob) -> Result<Parts, Error> {
        let (mut manifests, mut leaves) = (Vec::new(), Vec::new());
        let listing = self.listing(root).await?;
        for entry in &listing.manifests {
            let (blob, document) = self.list(entry).await?;
            manifests.push(blob);
            leaves.extend(document.layers);
            leaves.push(document.config);
        }
        // Manifests of one index often share layers, and a store needs each digest once.
        let mut seen = BTreeSet::from([root.descriptor().digest]);
        leaves.retain(|leaf| seen.insert(leaf.digest));
        manifests.retain(|manifest| seen.insert(manifest.descriptor().digest));
        Ok(Parts { manifests, indexes: listing.indexes, leaves })
    }

    pub(super) async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.budget.fetch(descriptor.size)?;
        within_time(&self.budget, self.source.fetch(descriptor)).await
    }

    /// Fetches a document to be parsed in memory.
    pub(super) async fn document(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if descriptor.size > MAX_DOCUMENT {
            let reason = format!("it has {} bytes, more than {MAX_DOCUMENT}", descriptor.size);
            return Err(ImageError::Document { what: "manifest or configuration", reason }.into());
        }
        // A document that was fetched before is counted already.
        if self.known(descriptor).is_none() {
            self.budget.hold_document(descriptor.size)?;
        }
        self.fetch_once(descriptor).await
    }

    /// Reads a manifest alone.
    pub(super) async fn list(&self, entry: &Descriptor) -> Result<(Blob, ManifestDocument), Error> {
        if !entry.media_type.is_manifest() {
            let reason = format!("its type is {}, not that of an image manifest", entry.media_type);
            return Err(ImageError::Document { what: "manifest", reason }.into());
        }
        let blob = self.document(entry).await?;
        let document = ManifestDocument::parse(&blob.bytes()?)?;
        self.budget.list_layers(document.layers.len())?;
        Ok((blob, document))
    }

    async fn fetch_once(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if let Some(blob) = self.known(descriptor) {
            // The same content may be listed with another type, platform or annotations.
            return Ok(blob.with_descriptor(descriptor.clone())?);
        }
        let blob = self.fetch(descriptor).await?;
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.insert(descriptor.digest, blob.clone());
        Ok(blob)
    }

    fn known(&self, descriptor: &Descriptor) -> Option<Blob> {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.get(&descriptor.digest).cloned()
    }
}

/// Waits for a source as long as the budget has time.
pub(super) async fn within_time<T>(
    budget: &Budget,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let left = budget.time_left()?;
    #[cfg(feature = "registry")]
    {
        use std::pin::pin;

        use futures_util::future::{Either, select};

        // Only a source that makes us wait needs the timer, and with it a Tokio runtime.
        let timer = async { tokio::time::sleep(left).await };
        match select(pin!(work), pin!(timer)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(budget.over_time().into()),
        }
    }
    #[cfg(not(feature = "registry"))]
    {
        let _ = left;
        work.await
    }
}

impl From<OverLimit> for Error {
    fn from(over: OverLimit) -> Error {
        Error::Image(over.into())
    }
}

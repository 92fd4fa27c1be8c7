//! Indexes that are made or changed, from images in any stores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::graph::Graph;
use super::{Error, Name, Source};
use crate::image::index::{Index, select};
use crate::image::{
    Blob, Config, Descriptor, Digest, Error as ImageError, ManifestDocument, Platform,
};
use crate::limits::ReadLimits;
use crate::trace::OrTrace;

/// An index that is made, or changed, of entries in one or more stores. Nothing is written before [`IndexDraft::finish`].
///
/// Entries keep their digests. Whatever does not change in an index keeps its bytes.
pub struct IndexDraft<'a, S> {
    index: Index,
    former: Option<Digest>,
    /// The store of each entry.
    homes: BTreeMap<Digest, &'a S>,
    limits: ReadLimits,
}

impl<'a, S: Source> IndexDraft<'a, S> {
    /// Returns an index without an entry.
    ///
    /// # Errors
    /// None in practice.
    pub fn empty() -> Result<IndexDraft<'a, S>, Error> {
        let (homes, limits) = (BTreeMap::new(), ReadLimits::default());
        Ok(IndexDraft { index: Index::empty()?, former: None, homes, limits })
    }

    /// Reads an index. A single manifest becomes the first entry of a new one.
    ///
    /// # Errors
    /// Errors of the [`Source`], [`Error::Image`] for an index that is invalid, over [`Source::limits`] or lists another
    /// index, and for a manifest without a platform.
    pub async fn read(store: &'a S, name: &Name) -> Result<IndexDraft<'a, S>, Error> {
        let graph = Graph::new(store);
        let root = graph.root(name).await?;
        let former = Some(root.descriptor().digest);
        let mut draft = IndexDraft { former, limits: store.limits(), ..IndexDraft::empty()? };
        if !root.descriptor().media_type.is_index() {
            let entry = with_platform(&graph, only_entry(&root)).await?;
            draft.homes.insert(entry.digest, store);
            draft.index.add(vec![entry], false)?;
            return Ok(draft);
        }
        let mut platforms = BTreeMap::new();
        for entry in graph.entries(&root)? {
            if entry.media_type.is_index() {
                return Err(ImageError::NestedIndex { digest: entry.digest }.into());
            }
            draft.homes.insert(entry.digest, store);
            if entry.platform.is_none() && !entry.is_attestation() {
                let platform = platform_of(&graph, &entry).await?;
                platforms.insert(entry.digest, platform);
            }
        }
        draft.index = Index::parse(&root.bytes()?)?;
        draft.index.set_platforms(|entry| platforms.get(&entry.digest).cloned().flatten());
        Ok(draft)
    }

    /// Adds the entries of an image or index, or those for some platforms, with the attestations about them. Indexes in an
    /// index are flattened, because few engines read them. Returns the entries.
    ///
    /// # Errors
    /// As [`IndexDraft::read`]; `NoSuchEntry` and `SamePlatform` of [`ImageError`], unless `replace` is true: then, entries
    /// take the places of those for the same platform.
    pub async fn add(
        &mut self,
        store: &'a S,
        name: &Name,
        platforms: &[Platform],
        replace: bool,
    ) -> Result<Vec<Descriptor>, Error> {
        let graph = Graph::new(store);
        let root = graph.root(name).await?;
        let listed = match root.descriptor().media_type.is_index() {
            true => graph.listing(&root).await?.manifests,
            false => vec![only_entry(&root)],
        };
        let mut entries = Vec::new();
        for entry in listed {
            entries.push(with_platform(&graph, entry).await?);
        }
        let entries = select(entries, platforms)?;
        for entry in &entries {
            self.homes.entry(entry.digest).or_insert(store);
        }
        self.limits = store.limits();
        self.index.add(entries.clone(), replace)?;
        Ok(entries)
    }

    /// Removes the entries for some platforms, and those with some digests, with the attestations about them.
    ///
    /// # Errors
    /// `NoSuchEntry` and `LastEntry` of [`ImageError`].
    pub fn remove(&mut self, platforms: &[Platform], digests: &[Digest]) -> Result<(), Error> {
        Ok(self.index.remove(platforms, digests)?)
    }

    /// Returns the index, to be copied into a store.
    ///
    /// # Errors
    /// [`ImageError::NoManifest`] when it is empty, [`ImageError::Document`] when it is too large.
    pub fn finish(self) -> Result<DraftedIndex<'a, S>, Error> {
        if self.index.entries().all(Descriptor::is_attestation) {
            return Err(ImageError::NoManifest.into());
        }
        let entries: Vec<Descriptor> = self.index.entries().cloned().collect();
        let listed: BTreeSet<Digest> = entries.iter().map(|entry| entry.digest).collect();
        let mut homes = self.homes;
        homes.retain(|digest, _| listed.contains(digest));
        Ok(DraftedIndex {
            root: self.index.to_blob()?,
            former: self.former,
            entries,
            homes: Mutex::new(homes),
            limits: self.limits,
        })
    }
}

/// An index whose entries are in other stores, as a source for [`copy`](super::copy) and [`load`](super::load).
pub struct DraftedIndex<'a, S> {
    root: Blob,
    former: Option<Digest>,
    entries: Vec<Descriptor>,
    /// The store of each entry, and of the parts of those that were fetched.
    homes: Mutex<BTreeMap<Digest, &'a S>>,
    limits: ReadLimits,
}

impl<S> DraftedIndex<'_, S> {
    /// The document.
    #[must_use]
    pub fn root(&self) -> &Blob {
        &self.root
    }

    /// The digest of the index or manifest that was read, if one was.
    #[must_use]
    pub fn former(&self) -> Option<Digest> {
        self.former
    }

    /// The entries in their order, each with its platform.
    #[must_use]
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    fn missing(&self, name: impl ToString) -> Error {
        Error::NotFound { place: "the index".to_owned(), name: name.to_string(), known: Vec::new() }
    }
}

impl<S: Source> Source for DraftedIndex<'_, S> {
    /// Returns the index, whose only name is its digest.
    async fn resolve(&self, name: &Name) -> Result<Descriptor, Error> {
        match name {
            Name::Digest(digest) if *digest == self.root.descriptor().digest => {
                Ok(self.root.descriptor().clone())
            }
            name => Err(self.missing(name)),
        }
    }

    fn limits(&self) -> ReadLimits {
        self.limits
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if descriptor.digest == self.root.descriptor().digest {
            return Ok(self.root.with_descriptor(descriptor.clone())?);
        }
        let homes = || self.homes.lock().unwrap_or_else(PoisonError::into_inner);
        let home = homes().get(&descriptor.digest).copied();
        let home = home.ok_or_else(|| self.missing(descriptor.digest))?;
        let blob = home.fetch(descriptor).await?;
        if descriptor.media_type.is_manifest() {
            // Its parts are where it is. Nobody fetches them before it.
            let manifest = ManifestDocument::parse(&blob.bytes()?)?;
            let mut homes = homes();
            for part in manifest.layers.iter().chain([&manifest.config]) {
                homes.entry(part.digest).or_insert(home);
            }
        }
        Ok(blob)
    }
}

/// Returns the entry for a manifest that no index lists, without the names that a store gives it.
fn only_entry(root: &Blob) -> Descriptor {
    let Descriptor { media_type, digest, size, .. } = root.descriptor().clone();
    Descriptor::new(media_type, digest, size)
}

async fn with_platform(
    graph: &Graph<'_, impl Source>,
    mut entry: Descriptor,
) -> Result<Descriptor, Error> {
    if entry.platform.is_none() && !entry.is_attestation() {
        let platform = platform_of(graph, &entry).await?;
        entry.platform = Some(platform.ok_or(ImageError::NoPlatform { digest: entry.digest })?);
    }
    Ok(entry)
}

/// Returns the platform in the configuration of a manifest, if there is one.
async fn platform_of(
    graph: &Graph<'_, impl Source>,
    entry: &Descriptor,
) -> Result<Option<Platform>, Error> {
    let (_, manifest) = graph.list(entry).await?;
    let config = graph.document(&manifest.config).await?;
    // The configuration of an artifact can be anything.
    let config = Config::parse(&config.bytes()?).or_trace("read the platform of a manifest");
    let platform = config.and_then(|config| config.platform);
    Ok(platform.filter(|it| !it.os.is_empty() && !it.architecture.is_empty()))
}

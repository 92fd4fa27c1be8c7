//! A cache of fetched blobs.

use std::time::Duration;

use super::{Error, Layout, Name, Silent, Sink, Source};
use crate::fs::{CacheFolder, evict, mark_used};
use crate::image::{Blob, Descriptor, Digest, MAX_DOCUMENT, MediaType};
use crate::limits::ReadLimits;
use crate::trace::OrTrace;

// For this long after its last use, a blob is not evicted, because its file may still be read.
const IN_USE: Duration = Duration::from_secs(60 * 60);

/// A source with a cache of its blobs, which is a layout without tags. A cached blob is not fetched again, and a cached
/// manifest that is named by its digest needs no request at all. Digests and sizes of cached blobs are checked on each use.
#[derive(Debug)]
pub struct CachedSource<S> {
    origin: S,
    /// Nothing where no layout can be made, such as in a home that can't be written.
    layout: Option<Layout>,
    limit: u64,
}

impl<S> CachedSource<S> {
    /// Returns `origin` with a cache in the layout in `folder`, of at most `limit` bytes. If the folder can't be used, blobs are
    /// fetched each time.
    // In a private folder, because images that were pulled with a user's credentials are not for others.
    pub fn new(origin: S, folder: &CacheFolder, limit: u64) -> CachedSource<S> {
        let layout = Layout::create(folder.path()).or_trace("use the cache of blobs");
        CachedSource { origin, layout: layout.map(Layout::checked), limit }
    }

    async fn cache(&self, blob: &Blob) {
        let Some(layout) = &self.layout else { return };
        // Failure is harmless: the blob is fetched again.
        if layout.push(blob, &Silent).await.or_trace("cache a blob").is_some() {
            self.shrink();
        }
    }

    /// Evicts the least recently used blobs until the rest is within the limit.
    pub(super) fn shrink(&self) {
        if let Some(layout) = &self.layout {
            evict(&[layout.path().to_owned(), layout.blobs()], self.limit, IN_USE);
        }
    }

    async fn cached(&self, descriptor: &Descriptor) -> Option<Blob> {
        let layout = self.layout.as_ref().filter(|it| it.has_size(descriptor))?;
        let blob = layout.fetch(descriptor).await.or_trace("use a cached blob")?;
        mark_used(&layout.blob_file(descriptor.digest));
        Some(blob)
    }
}

impl<S: Source> Source for CachedSource<S> {
    async fn resolve(&self, name: &Name) -> Result<Descriptor, Error> {
        let cached = match name {
            Name::Digest(digest) => self.layout.as_ref().and_then(|it| document(it, *digest)),
            Name::Tag(_) | Name::Ref(_) => None,
        };
        match cached {
            Some(descriptor) => Ok(descriptor),
            None => self.origin.resolve(name).await,
        }
    }

    fn limits(&self) -> ReadLimits {
        self.origin.limits()
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if let Some(blob) = self.cached(descriptor).await {
            tracing::debug!(digest = %descriptor.digest, "cache hit: a blob");
            return Ok(blob);
        }
        tracing::debug!(digest = %descriptor.digest, "cache miss: a blob");
        let blob = self.origin.fetch(descriptor).await?;
        self.cache(&blob).await;
        Ok(blob)
    }
}

fn document(layout: &Layout, digest: Digest) -> Option<Descriptor> {
    // A digest on the command line may be that of a large layer.
    if std::fs::metadata(layout.blob_file(digest)).ok()?.len() > MAX_DOCUMENT {
        return None;
    }
    let bytes = layout.bytes(digest).or_trace("read a cached manifest")??;
    let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    // The image-spec only recommends `mediaType`. Without it, we do not guess.
    let media_type = MediaType::from(json["mediaType"].as_str()?);
    Some(Descriptor::of(media_type, &bytes)).filter(|descriptor| descriptor.digest == digest)
}

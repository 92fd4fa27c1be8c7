//! Blobs that were fetched once.

use std::path::Path;
use std::time::Duration;

use super::{Error, Layout, Name, Silent, Sink, Source};
use crate::fs::{create_private_folder, evict, mark_used};
use crate::image::{Blob, Descriptor, MediaType};
use crate::limits::ReadLimits;
use crate::trace::OrTrace;

/// A blob that was used within this time stays: its file may still be read.
const IN_USE: Duration = Duration::from_secs(60 * 60);

/// A source whose blobs are kept in a layout, without a tag. What is there is not fetched again, and what is named by
/// its digest is not even asked for. Digest and size of what is kept are checked as those of anything else.
#[derive(Debug)]
pub struct CachedSource<S> {
    origin: S,
    layout: Layout,
    limit: u64,
}

impl<S> CachedSource<S> {
    /// `origin`, whose blobs are kept in the layout in `dir`. `limit` is the size to stay below, in bytes.
    ///
    /// # Errors
    /// As [`Layout::create`].
    pub fn new(origin: S, dir: &Path, limit: u64) -> Result<CachedSource<S>, Error> {
        // Images that were pulled with a user's credentials are not for others.
        create_private_folder(dir).map_err(Error::io("create", dir))?;
        Ok(CachedSource { origin, layout: Layout::create(dir)?.checked(), limit })
    }

    /// Keeps a blob. That this fails costs only time: it is fetched again.
    async fn keep(&self, blob: &Blob) {
        if self.layout.push(blob, &Silent).await.is_ok() {
            self.shrink();
        }
    }

    /// Evicts the least recently used blobs until the rest is within the limit.
    pub(super) fn shrink(&self) {
        evict(&[self.layout.path().to_owned(), self.layout.blobs()], self.limit, IN_USE);
    }
}

impl<S: Source> Source for CachedSource<S> {
    async fn resolve(&self, name: &Name) -> Result<Descriptor, Error> {
        let kept = match name {
            Name::Digest(digest) => document(&self.layout, *digest),
            Name::Tag(_) => None,
        };
        match kept {
            Some(descriptor) => Ok(descriptor),
            None => self.origin.resolve(name).await,
        }
    }

    fn limits(&self) -> ReadLimits {
        self.origin.limits()
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if self.layout.contains(descriptor.digest, descriptor.size)
            && let Some(blob) = self.layout.fetch(descriptor).await.or_trace("use a cached blob")
        {
            tracing::debug!(digest = %descriptor.digest, "the blob is cached");
            mark_used(&self.layout.blob_file(descriptor.digest));
            return Ok(blob);
        }
        let blob = self.origin.fetch(descriptor).await?;
        self.keep(&blob).await;
        Ok(blob)
    }
}

/// The descriptor of a manifest or index that is kept, if it says itself which of them it is.
fn document(layout: &Layout, digest: crate::image::Digest) -> Option<Descriptor> {
    let bytes = layout.bytes(digest).ok()??;
    let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let media_type = MediaType::from(json["mediaType"].as_str()?);
    Some(Descriptor::of(media_type, &bytes)).filter(|descriptor| descriptor.digest == digest)
}

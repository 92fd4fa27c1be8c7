//! What long work reports to.

use crate::image::Descriptor;

/// Hears how far blobs have come. All of it may be called from several threads.
pub trait Progress: Send + Sync {
    /// The blob starts to move; or starts again, from nothing.
    fn begin(&self, _blob: &Descriptor) {}

    /// So many bytes more of the blob have moved.
    fn advance(&self, _blob: &Descriptor, _bytes: u64) {}

    /// The blob is where it should be.
    fn end(&self, _blob: &Descriptor, _outcome: Outcome) {}
}

/// How a blob came to be where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was sent.
    Moved,
    /// It was there already.
    Existed,
    /// The store took it from another place of its own.
    Mounted,
}

/// Hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}

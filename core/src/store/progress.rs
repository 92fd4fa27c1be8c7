//! Progress of transfers.

use crate::image::Descriptor;

/// Callbacks for the progress of blobs. Several threads may call them.
pub trait Progress: Send + Sync {
    /// The transfer of the blob begins, or begins again from the start.
    fn begin(&self, _blob: &Descriptor) {}

    /// This many more bytes of the blob are transferred.
    fn advance(&self, _blob: &Descriptor, _bytes: u64) {}

    /// The blob is at its destination.
    fn end(&self, _blob: &Descriptor, _outcome: Outcome) {}
}

/// The way in which a blob got to its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// We sent it.
    Moved,
    /// It was there already.
    Existed,
    /// The store copied it from another of its repositories.
    Mounted,
}

/// Ignores all progress.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {}

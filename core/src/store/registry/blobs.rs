//! Blobs: asked for, read and written. They go through `oci-client`, and through memory in pieces only.

use std::io::{self, Read, Write};
use std::pin::pin;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use oci_client::errors::OciDistributionError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::{Error, Progress};
use super::failure::Failure;
use super::wire::{Wire, within};
use crate::image::{Blob, Descriptor, Digest, Error as ImageError};

/// How much is read from a file at once.
const PIECE: usize = 256 << 10;

/// Whether the repository has the blob.
pub(super) async fn exists(wire: &Wire, digest: Digest) -> Result<bool, Failure> {
    within(wire.options().read_timeout, wire.blobs.blob_exists(&wire.image, &digest.to_string())).await
}

/// Reads the blob that `descriptor` names into a temporary file, and no more than its size. It is only ever asked
/// of the repository: the `urls` that a descriptor may have are not followed.
pub(super) async fn get(wire: &Wire, descriptor: &Descriptor) -> Result<Blob, Failure> {
    let patience = wire.options().read_timeout;
    let digest = descriptor.digest.to_string();
    let limit = descriptor.size;
    let mut body = within(patience, wire.blobs.pull_blob_stream(&wire.image, digest.as_str())).await?;
    if body.content_length.is_some_and(|length| length > limit) {
        return Err(Failure::TooLarge { limit });
    }
    let mut file = tempfile::NamedTempFile::new().map_err(Error::io("write", &std::env::temp_dir()))?;
    let mut left = limit;
    loop {
        let piece = match tokio::time::timeout(patience, body.next()).await {
            Err(_) => return Err(Failure::Stalled(patience)),
            Ok(None) => break,
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => match error.downcast::<reqwest::Error>() {
                Ok(error) => return Err(error.into()),
                // The digest is another. So we find below, with an error that says which.
                Err(_) => break,
            },
        };
        left = left.checked_sub(piece.len() as u64).ok_or(Failure::TooLarge { limit })?;
        file.write_all(&piece).map_err(Error::io("write", file.path()))?;
    }
    Ok(Blob::verified_temporary(descriptor.clone(), file.into_temp_path())?)
}

/// Writes a blob with one request that has all of it, after one that asks where to.
///
/// The registry compares it with its digest, which it is told; it reports none that we could compare.
pub(super) async fn put(wire: &Wire, blob: &Blob, progress: &dyn Progress) -> Result<(), Failure> {
    let descriptor = blob.descriptor();
    let digest = descriptor.digest.to_string();
    let (sender, events) = unbounded_channel();
    let pieces = stream::iter(Pieces { reader: blob.reader()?, left: descriptor.size, sender });
    let upload = wire.blobs.push_blob_stream(&wire.image, pieces, &digest, Some(descriptor.size));
    match watch(wire, upload, events, |bytes| progress.advance(descriptor, bytes)).await {
        // It may have come after all: some registries don't say where they put it.
        Err(Upload::Failed(OciDistributionError::RegistryNoLocationError))
            if exists(wire, descriptor.digest).await? =>
        {
            Ok(())
        }
        Err(Upload::Failed(error)) => Err(error.into()),
        Err(Upload::Unreadable(error)) => Err(ImageError::Io(error).into()),
        Err(Upload::Stalled) => Err(Failure::Stalled(wire.options().stall_timeout)),
        Ok(_) => Ok(()),
    }
}

/// Why an upload ended early.
enum Upload {
    Failed(OciDistributionError),
    /// The blob's own file.
    Unreadable(io::Error),
    Stalled,
}

/// Waits for an upload as long as it takes pieces, and passes on how many bytes they have.
async fn watch<T>(
    wire: &Wire,
    upload: impl Future<Output = Result<T, OciDistributionError>>,
    mut events: UnboundedReceiver<io::Result<u64>>,
    advance: impl Fn(u64),
) -> Result<T, Upload> {
    let mut upload = pin!(upload);
    let hear = |event: io::Result<u64>| event.map(&advance).map_err(Upload::Unreadable);
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => hear(event)?,
            result = &mut upload => break result,
            () = tokio::time::sleep(wire.options().stall_timeout) => return Err(Upload::Stalled),
        }
    };
    while let Ok(event) = events.try_recv() {
        hear(event)?;
    }
    result.map_err(Upload::Failed)
}

/// The pieces of a blob. They are read when the connection takes them, and announced, because the request outlives
/// any borrow of a [`Progress`].
struct Pieces {
    reader: Box<dyn Read + Send>,
    left: u64,
    sender: UnboundedSender<io::Result<u64>>,
}

impl Iterator for Pieces {
    type Item = Result<Bytes, OciDistributionError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        // Nobody hears it when the upload was given up, and then it doesn't matter.
        match self.read() {
            Ok(piece) => {
                self.left -= piece.len() as u64;
                let _ = self.sender.send(Ok(piece.len() as u64));
                Some(Ok(piece))
            }
            Err(error) => {
                self.left = 0;
                let kind = error.kind();
                let _ = self.sender.send(Err(error));
                Some(Err(OciDistributionError::IoError(kind.into())))
            }
        }
    }
}

impl Pieces {
    fn read(&mut self) -> io::Result<Bytes> {
        let size = self.left.min(PIECE as u64);
        let mut piece = Vec::with_capacity(PIECE);
        (&mut self.reader).take(size).read_to_end(&mut piece)?;
        if piece.len() as u64 == size {
            Ok(piece.into())
        } else {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its file was cut short while it was read"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(bytes: Vec<u8>, size: u64) -> (Vec<Result<Bytes, OciDistributionError>>, Vec<io::Result<u64>>) {
        let (sender, mut events) = unbounded_channel();
        let pieces = Pieces { reader: Box::new(io::Cursor::new(bytes)), left: size, sender }.collect();
        (pieces, std::iter::from_fn(|| events.try_recv().ok()).collect())
    }

    #[test]
    fn a_blob_is_sent_in_large_pieces() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 7).map(|n| n as u8).collect();
        let (pieces, events) = pieces(bytes.clone(), bytes.len() as u64);
        let pieces: Vec<Bytes> = pieces.into_iter().map(Result::unwrap).collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [PIECE, PIECE, 7]);
        assert_eq!(pieces.concat(), bytes);
        assert_eq!(events.into_iter().map(Result::unwrap).sum::<u64>(), bytes.len() as u64);
    }

    #[test]
    fn a_file_that_was_cut_short_is_not_sent_as_if_it_were_whole() {
        let (pieces, events) = pieces(vec![0; 5], 6);
        assert!(pieces[0].is_err() && pieces.len() == 1);
        assert!(events[0].is_err());
    }

    #[test]
    fn nothing_is_no_piece() {
        assert!(pieces(Vec::new(), 0).0.is_empty());
    }
}

//! Blobs: asked for, mounted, read and written, through memory in pieces only.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE};
use reqwest::{Body, RequestBuilder, Response, StatusCode, Url};
use tempfile::NamedTempFile;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::{Error, Progress};
use super::auth::Access;
use super::failure::Failure;
use super::manifests::reported_digest;
use super::wire::Wire;
use crate::image::{Blob, Descriptor, Digest, Error as ImageError};

/// How much is read from a file at once.
const PIECE: usize = 256 << 10;

/// Whether the repository has the blob. One of another size is not it.
pub(super) async fn exists(
    wire: &Wire,
    access: Access,
    descriptor: &Descriptor,
) -> Result<bool, Failure> {
    let url = wire.blob_url(descriptor.digest);
    match wire.send(access, || wire.clients().requests.head(url.clone())).await {
        Ok(response) => {
            Ok(length(response.headers()).is_none_or(|length| length == descriptor.size))
        }
        Err(failure) if failure.is_not_found() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// What a request to mount came to.
pub(super) enum Mounted {
    /// The repository has the blob.
    Yes,
    /// It doesn't, but the registry waits for it at this place.
    Upload(Option<Url>),
}

/// Asks the registry to take the blob from another of its repositories
/// ([distribution-spec, mounting](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#mounting-a-blob-from-another-repository)).
/// That it doesn't is no failure, whatever it says.
pub(super) async fn mount(wire: &Wire, digest: Digest, from: &str) -> Result<Mounted, Failure> {
    let url = wire.mount_url(digest, from);
    match wire.send(Access::Mount, || empty(wire.clients().requests.post(url.clone()))).await {
        Ok(response) if response.status() == StatusCode::CREATED => Ok(Mounted::Yes),
        Ok(response) => Ok(Mounted::Upload(wire.place(&response)?)),
        Err(failure) if failure.may_pass() => Err(failure),
        Err(_) => Ok(Mounted::Upload(None)),
    }
}

/// A part of a blob that has come.
pub(super) struct Partial {
    file: NamedTempFile,
    length: u64,
}

impl Partial {
    pub(super) fn new() -> Result<Partial, Error> {
        let file = NamedTempFile::new().map_err(Error::io("write", &std::env::temp_dir()))?;
        Ok(Partial { file, length: 0 })
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.file.write_all(piece).map_err(Error::io("write", self.file.path()))?;
        self.length += piece.len() as u64;
        Ok(())
    }

    fn truncate(&mut self) -> Result<(), Failure> {
        let file = self.file.as_file_mut();
        let emptied = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        emptied.map_err(Error::io("write", self.file.path()))?;
        self.length = 0;
        Ok(())
    }
}

/// Reads the blob that `descriptor` names into the file of `partial`, from where an earlier try ended, and no more than
/// its size. It is only ever asked of the repository: the `urls` that a descriptor may have are not followed.
pub(super) async fn get(
    wire: &Wire,
    descriptor: &Descriptor,
    partial: &Mutex<Option<Partial>>,
) -> Result<Blob, Failure> {
    let taken = partial.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut part = match taken {
        Some(part) => part,
        None => Partial::new()?,
    };
    match read(wire, descriptor, &mut part).await {
        Ok(resumed) => {
            match Blob::verified_temporary(descriptor.clone(), part.file.into_temp_path()) {
                // The two parts are not of one blob: the next try reads all of it.
                Err(error @ ImageError::Mismatch { .. }) if resumed => {
                    Err(Failure::Protocol { reason: error.to_string(), may_pass: true })
                }
                blob => Ok(blob?),
            }
        }
        Err(failure) => {
            *partial.lock().unwrap_or_else(PoisonError::into_inner) = Some(part);
            Err(failure)
        }
    }
}

/// Reads what is missing, and returns whether something was there.
async fn read(wire: &Wire, descriptor: &Descriptor, part: &mut Partial) -> Result<bool, Failure> {
    let limit = descriptor.size;
    if part.length > 0 && part.length == limit {
        return Ok(true);
    }
    let url = wire.blob_url(descriptor.digest);
    let from = part.length;
    let request = || match from {
        0 => wire.clients().requests.get(url.clone()),
        from => wire.clients().requests.get(url.clone()).header(RANGE, format!("bytes={from}-")),
    };
    let mut response = match wire.send(Access::Pull, request).await {
        Err(failure) if failure.status() == Some(416) && from > 0 => {
            part.truncate()?;
            let reason = "it has less of the blob than it sent before".to_owned();
            return Err(Failure::Protocol { reason, may_pass: true });
        }
        response => response?,
    };
    // It may send all of it again.
    if from > 0 && !continues(&response, from) {
        part.truncate()?;
    }
    if response.content_length().is_some_and(|length| length > limit - part.length) {
        return Err(Failure::TooLarge { limit });
    }
    while let Some(piece) = response.chunk().await? {
        if piece.len() as u64 > limit - part.length {
            return Err(Failure::TooLarge { limit });
        }
        part.keep(&piece)?;
    }
    Ok(from > 0)
}

/// Whether an answer has what comes after the first `from` bytes
/// ([RFC 9110, Content-Range](https://www.rfc-editor.org/rfc/rfc9110.html#name-content-range)).
fn continues(response: &Response, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start =
        range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    response.status() == StatusCode::PARTIAL_CONTENT && start == Some(from)
}

/// Writes a blob with one request that has all of it, after one that asks where to, unless that is known already
/// ([distribution-spec, POST then PUT](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#post-then-put)).
/// `again` says that it was tried before: then the blob may be there, and only the answer was lost.
pub(super) async fn put(
    wire: &Wire,
    blob: &Blob,
    place: Option<Url>,
    again: bool,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let descriptor = blob.descriptor();
    if again && exists(wire, Access::Push, descriptor).await? {
        return Ok(());
    }
    let mut place = match place {
        Some(place) => place,
        None => begin(wire).await?,
    };
    place.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
    progress.begin(descriptor);
    let failure = match upload(wire, blob, &place, progress).await {
        Ok(response) => return confirmed(&response, descriptor.digest),
        Err(failure @ Failure::Local(_)) => return Err(failure),
        Err(failure) => failure,
    };
    match failure.status() {
        // The upload is lost, with the part of the registry that knew of it: another may do better.
        Some(status @ (404 | 416)) => Err(Failure::Protocol {
            reason: format!("it answered {status}, and knows nothing of the upload that it began"),
            may_pass: true,
        }),
        // It may have kept the blob and still say no; that it is there is all that matters.
        Some(401 | 403 | 413) => Err(failure),
        Some(_) if exists(wire, Access::Push, descriptor).await.unwrap_or(false) => Ok(()),
        _ => Err(failure),
    }
}

/// Begins an upload, and returns where it goes on.
async fn begin(wire: &Wire) -> Result<Url, Failure> {
    let url = wire.uploads_url();
    let response =
        wire.send(Access::Push, || empty(wire.clients().requests.post(url.clone()))).await?;
    let nowhere = || Failure::Protocol {
        reason: "it names no place for the upload".to_owned(),
        may_pass: true,
    };
    wire.place(&response)?.ok_or_else(nowhere)
}

/// Some registries and proxies refuse a POST that doesn't say how long it is.
fn empty(request: RequestBuilder) -> RequestBuilder {
    request.header(CONTENT_LENGTH, 0)
}

fn confirmed(response: &Response, expected: Digest) -> Result<(), Failure> {
    match reported_digest(response.headers())? {
        Some(found) if found != expected => Err(Failure::WrongDigest { expected, found }),
        _ => Ok(()),
    }
}

/// Sends the content, and watches that it goes on.
async fn upload(
    wire: &Wire,
    blob: &Blob,
    place: &Url,
    progress: &dyn Progress,
) -> Result<Response, Failure> {
    let descriptor = blob.descriptor();
    let (sender, events) = unbounded_channel();
    let request = || {
        // What can't be opened is cut short at its start.
        let reader = blob.reader().unwrap_or_else(|_| Box::new(io::empty()));
        let pieces = Pieces { reader, left: descriptor.size, sender: sender.clone() };
        let request = wire.clients().uploads.put(place.clone());
        request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, descriptor.size)
            .body(Body::wrap_stream(stream::iter(pieces)))
    };
    let advance = |bytes| progress.advance(descriptor, bytes);
    watch(wire, wire.send(Access::Push, request), events, advance).await
}

/// Waits for an upload as long as it takes pieces, and passes on how many bytes they have.
async fn watch(
    wire: &Wire,
    upload: impl Future<Output = Result<Response, Failure>>,
    mut events: UnboundedReceiver<io::Result<u64>>,
    advance: impl Fn(u64),
) -> Result<Response, Failure> {
    let patience = wire.options().stall_timeout;
    let mut upload = pin!(upload);
    let hear =
        |event: io::Result<u64>| event.map(&advance).map_err(|e| Failure::from(ImageError::Io(e)));
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => hear(event)?,
            result = &mut upload => break result,
            () = tokio::time::sleep(patience) => return Err(Failure::Stalled(patience)),
        }
    };
    while let Ok(event) = events.try_recv() {
        hear(event)?;
    }
    result
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The pieces of a blob. They are read when the connection takes them, and announced, because the request outlives
/// any borrow of a [`Progress`].
struct Pieces {
    reader: Box<dyn Read + Send>,
    left: u64,
    sender: UnboundedSender<io::Result<u64>>,
}

impl Iterator for Pieces {
    type Item = io::Result<Bytes>;

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
                Some(Err(kind.into()))
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
            Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "its file was cut short while it was read",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(bytes: Vec<u8>, size: u64) -> (Vec<io::Result<Bytes>>, Vec<io::Result<u64>>) {
        let (sender, mut events) = unbounded_channel();
        let pieces =
            Pieces { reader: Box::new(io::Cursor::new(bytes)), left: size, sender }.collect();
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

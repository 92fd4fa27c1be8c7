//! Blobs: asked for, mounted, read and written, through memory in chunks only.

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
use super::manifests::reported_digest;
use super::request_error::RequestError;
use super::transport::Transport;
use crate::image::{Blob, Descriptor, Digest, Error as ImageError};

/// How much is read from a file at once.
const CHUNK_SIZE: usize = 256 << 10;

/// Whether the repository has the blob. One of another size is not it.
pub(super) async fn exists(
    transport: &Transport,
    access: Access,
    descriptor: &Descriptor,
) -> Result<bool, RequestError> {
    let url = transport.blob_url(descriptor.digest);
    match transport.send(access, || transport.clients().requests.head(url.clone())).await {
        Ok(response) => {
            Ok(length(response.headers()).is_none_or(|length| length == descriptor.size))
        }
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a request to mount came to.
pub(super) enum MountOutcome {
    /// The repository has the blob.
    Yes,
    /// It doesn't, but the registry waits for it at this place.
    Upload(Option<Url>),
}

/// Asks the registry to take the blob from another of its repositories
/// ([distribution-spec, mounting](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#mounting-a-blob-from-another-repository)).
/// That it doesn't is no error, whatever it says.
pub(super) async fn mount(
    transport: &Transport,
    digest: Digest,
    from: &str,
) -> Result<MountOutcome, RequestError> {
    let url = transport.mount_url(digest, from);
    match transport
        .send(Access::Mount, || empty(transport.clients().requests.post(url.clone())))
        .await
    {
        Ok(response) if response.status() == StatusCode::CREATED => Ok(MountOutcome::Yes),
        Ok(response) => Ok(MountOutcome::Upload(transport.place(&response)?)),
        Err(error) if error.is_transient() => Err(error),
        Err(_) => Ok(MountOutcome::Upload(None)),
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

    fn keep(&mut self, chunk: &[u8]) -> Result<(), RequestError> {
        self.file.write_all(chunk).map_err(Error::io("write", self.file.path()))?;
        self.length += chunk.len() as u64;
        Ok(())
    }

    fn truncate(&mut self) -> Result<(), RequestError> {
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
    transport: &Transport,
    descriptor: &Descriptor,
    partial: &Mutex<Option<Partial>>,
) -> Result<Blob, RequestError> {
    let taken = partial.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut part = match taken {
        Some(part) => part,
        None => Partial::new()?,
    };
    match read(transport, descriptor, &mut part).await {
        Ok(resumed) => {
            match Blob::verified_temporary(descriptor.clone(), part.file.into_temp_path()) {
                // The two parts are not of one blob: the next try reads all of it.
                Err(error @ ImageError::Mismatch { .. }) if resumed => {
                    Err(RequestError::Protocol { reason: error.to_string(), is_transient: true })
                }
                blob => Ok(blob?),
            }
        }
        Err(error) => {
            *partial.lock().unwrap_or_else(PoisonError::into_inner) = Some(part);
            Err(error)
        }
    }
}

/// Reads what is missing, and returns whether something was there.
async fn read(
    transport: &Transport,
    descriptor: &Descriptor,
    part: &mut Partial,
) -> Result<bool, RequestError> {
    let limit = descriptor.size;
    if part.length > 0 && part.length == limit {
        return Ok(true);
    }
    let url = transport.blob_url(descriptor.digest);
    let from = part.length;
    let request = || match from {
        0 => transport.clients().requests.get(url.clone()),
        from => {
            transport.clients().requests.get(url.clone()).header(RANGE, format!("bytes={from}-"))
        }
    };
    let mut response = match transport.send(Access::Pull, request).await {
        Err(error) if error.status() == Some(416) && from > 0 => {
            part.truncate()?;
            let reason = "it has less of the blob than it sent before".to_owned();
            return Err(RequestError::Protocol { reason, is_transient: true });
        }
        response => response?,
    };
    // It may send all of it again.
    if from > 0 && !continues(&response, from) {
        part.truncate()?;
    }
    if response.content_length().is_some_and(|length| length > limit - part.length) {
        return Err(RequestError::TooLarge { limit });
    }
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() as u64 > limit - part.length {
            return Err(RequestError::TooLarge { limit });
        }
        part.keep(&chunk)?;
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
    transport: &Transport,
    blob: &Blob,
    place: Option<Url>,
    again: bool,
    progress: &dyn Progress,
) -> Result<(), RequestError> {
    let descriptor = blob.descriptor();
    if again && exists(transport, Access::Push, descriptor).await? {
        return Ok(());
    }
    let mut place = match place {
        Some(place) => place,
        None => begin(transport).await?,
    };
    place.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
    progress.begin(descriptor);
    let error = match upload(transport, blob, &place, progress).await {
        Ok(response) => return confirmed(&response, descriptor.digest),
        Err(error @ RequestError::Local(_)) => return Err(error),
        Err(error) => error,
    };
    match error.status() {
        // The upload is lost, with the part of the registry that knew of it: another may do better.
        Some(status @ (404 | 416)) => Err(RequestError::Protocol {
            reason: format!("it answered {status}, and knows nothing of the upload that it began"),
            is_transient: true,
        }),
        // It may have kept the blob and still say no; that it is there is all that matters.
        Some(401 | 403 | 413) => Err(error),
        Some(_) if exists(transport, Access::Push, descriptor).await.unwrap_or(false) => Ok(()),
        _ => Err(error),
    }
}

/// Begins an upload, and returns where it goes on.
async fn begin(transport: &Transport) -> Result<Url, RequestError> {
    let url = transport.uploads_url();
    let response = transport
        .send(Access::Push, || empty(transport.clients().requests.post(url.clone())))
        .await?;
    let nowhere = || RequestError::Protocol {
        reason: "it names no place for the upload".to_owned(),
        is_transient: true,
    };
    transport.place(&response)?.ok_or_else(nowhere)
}

/// Some registries and proxies refuse a POST that doesn't say how long it is.
fn empty(request: RequestBuilder) -> RequestBuilder {
    request.header(CONTENT_LENGTH, 0)
}

fn confirmed(response: &Response, expected: Digest) -> Result<(), RequestError> {
    match reported_digest(response.headers())? {
        Some(found) if found != expected => Err(RequestError::WrongDigest { expected, found }),
        _ => Ok(()),
    }
}

/// Sends the content, and watches that it goes on.
async fn upload(
    transport: &Transport,
    blob: &Blob,
    place: &Url,
    progress: &dyn Progress,
) -> Result<Response, RequestError> {
    let descriptor = blob.descriptor();
    let (sender, events) = unbounded_channel();
    let request = || {
        // What can't be opened is cut short at its start.
        let reader = blob.reader().unwrap_or_else(|_| Box::new(io::empty()));
        let chunks = Chunks { reader, left: descriptor.size, sender: sender.clone() };
        let request = transport.clients().uploads.put(place.clone());
        request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, descriptor.size)
            .body(Body::wrap_stream(stream::iter(chunks)))
    };
    let advance = |bytes| progress.advance(descriptor, bytes);
    watch(transport, transport.send(Access::Push, request), events, advance).await
}

/// Waits for an upload as long as it takes chunks, and passes on how many bytes they have.
async fn watch(
    transport: &Transport,
    upload: impl Future<Output = Result<Response, RequestError>>,
    mut events: UnboundedReceiver<io::Result<u64>>,
    advance: impl Fn(u64),
) -> Result<Response, RequestError> {
    let max_retry_after = transport.options().stall_timeout;
    let mut upload = pin!(upload);
    let hear = |event: io::Result<u64>| {
        event.map(&advance).map_err(|e| RequestError::from(ImageError::Io(e)))
    };
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => hear(event)?,
            result = &mut upload => break result,
            () = tokio::time::sleep(max_retry_after) => return Err(RequestError::Stalled(max_retry_after)),
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

/// The chunks of a blob. They are read when the connection takes them, and announced, because the request outlives
/// any borrow of a [`Progress`].
struct Chunks {
    reader: Box<dyn Read + Send>,
    left: u64,
    sender: UnboundedSender<io::Result<u64>>,
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        // Nobody hears it when the upload was given up, and then it doesn't matter.
        match self.read() {
            Ok(chunk) => {
                self.left -= chunk.len() as u64;
                let _ = self.sender.send(Ok(chunk.len() as u64));
                Some(Ok(chunk))
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

impl Chunks {
    fn read(&mut self) -> io::Result<Bytes> {
        let size = self.left.min(CHUNK_SIZE as u64);
        let mut chunk = Vec::with_capacity(CHUNK_SIZE);
        (&mut self.reader).take(size).read_to_end(&mut chunk)?;
        if chunk.len() as u64 == size {
            Ok(chunk.into())
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

    fn chunks(bytes: Vec<u8>, size: u64) -> (Vec<io::Result<Bytes>>, Vec<io::Result<u64>>) {
        let (sender, mut events) = unbounded_channel();
        let chunks =
            Chunks { reader: Box::new(io::Cursor::new(bytes)), left: size, sender }.collect();
        (chunks, std::iter::from_fn(|| events.try_recv().ok()).collect())
    }

    #[test]
    fn a_blob_is_sent_in_large_pieces() {
        let bytes: Vec<u8> = (0..CHUNK_SIZE * 2 + 7).map(|n| n as u8).collect();
        let (chunks, events) = chunks(bytes.clone(), bytes.len() as u64);
        let chunks: Vec<Bytes> = chunks.into_iter().map(Result::unwrap).collect();
        assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [CHUNK_SIZE, CHUNK_SIZE, 7]);
        assert_eq!(chunks.concat(), bytes);
        assert_eq!(events.into_iter().map(Result::unwrap).sum::<u64>(), bytes.len() as u64);
    }

    #[test]
    fn a_file_that_was_cut_short_is_not_sent_as_if_it_were_whole() {
        let (chunks, events) = chunks(vec![0; 5], 6);
        assert!(chunks[0].is_err() && chunks.len() == 1);
        assert!(events[0].is_err());
    }

    #[test]
    fn nothing_is_no_piece() {
        assert!(chunks(Vec::new(), 0).0.is_empty());
    }
}

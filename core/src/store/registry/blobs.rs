//! Operations on blobs: look-up, mount, download and upload. Content passes through memory in chunks.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::{Body, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::{Error, Progress};
use super::auth::Access;
use super::exchange::content_length;
use super::manifests::reported_digest;
use super::request_error::RequestError;
use super::transport::Transport;
use crate::fs::TemporaryFile;
use crate::image::{Blob, Descriptor, Digest, Error as ImageError};
use crate::trace::trace_ignored;

const CHUNK_SIZE: usize = 256 << 10;

/// Returns true if the repository has the blob in its full size.
pub(super) async fn exists(
    transport: &Transport,
    access: Access,
    descriptor: &Descriptor,
) -> Result<bool, RequestError> {
    let url = transport.blob_url(descriptor.digest);
    match transport.send(access, || transport.clients().requests.head(url.clone())).await {
        Ok(response) => {
            // The spec only recommends `Content-Length`. A blob of another size is damaged and does not count.
            let length = content_length(response.headers());
            Ok(length.is_none_or(|length| length == descriptor.size))
        }
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) enum MountOutcome {
    Mounted,
    /// The registry may have started an upload instead, at this location.
    Refused(Option<Url>),
}

/// Asks the registry to take the blob from another of its repositories
/// ([distribution-spec, mounting](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#mounting-a-blob-from-another-repository)).
pub(super) async fn mount(
    transport: &Transport,
    digest: Digest,
    from: &str,
) -> Result<MountOutcome, RequestError> {
    let url = transport.mount_url(digest, from);
    let post = || empty(transport.clients().requests.post(url.clone()));
    let outcome = match transport.send(Access::Mount, post).await {
        Ok(response) if response.status() == StatusCode::CREATED => MountOutcome::Mounted,
        Ok(response) => MountOutcome::Refused(transport.upload_location(&response)?),
        Err(error) if error.is_transient() => return Err(error),
        // A refused mount is not an error: the caller falls back to an upload.
        Err(error) => {
            let error = transport.explain(error, "mount a blob");
            trace_ignored("mount a blob", error);
            MountOutcome::Refused(None)
        }
    };
    let is_mounted = matches!(outcome, MountOutcome::Mounted);
    tracing::debug!(%digest, from, is_mounted, "mount");
    Ok(outcome)
}

pub(super) struct Partial {
    file: File,
    temporary: TemporaryFile,
    length: u64,
}

impl Partial {
    pub(super) fn new() -> Result<Partial, Error> {
        let new = TemporaryFile::new().map_err(Error::io("write", &std::env::temp_dir()));
        let (file, temporary) = new?;
        Ok(Partial { file, temporary, length: 0 })
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), RequestError> {
        self.file.write_all(chunk).map_err(Error::io("write", self.temporary.path()))?;
        self.length += chunk.len() as u64;
        Ok(())
    }

    fn truncate(&mut self) -> Result<(), RequestError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(Error::io("write", self.temporary.path()))?;
        self.length = 0;
        Ok(())
    }
}

/// Downloads a blob into the file of `partial`, from where an earlier attempt ended, and no more bytes than its size.
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
            match Blob::verified_temporary(descriptor.clone(), part.temporary) {
                // The two parts are of different content. The next attempt downloads all of it.
                Err(error @ ImageError::Mismatch { .. }) if resumed => {
                    Err(RequestError::Protocol {
                        reason: "the parts of an interrupted download do not fit".to_owned(),
                        source: Some(error.into()),
                        is_transient: true,
                    })
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

/// Downloads the missing rest. Returns true if it follows an earlier part.
async fn read(
    transport: &Transport,
    descriptor: &Descriptor,
    part: &mut Partial,
) -> Result<bool, RequestError> {
    let limit = descriptor.size;
    // An interrupted attempt may have received everything. A range after the end is an error (416).
    if part.length > 0 && part.length == limit {
        return Ok(true);
    }
    // We never follow the `urls` of a descriptor: they could make us request any address.
    let url = transport.blob_url(descriptor.digest);
    let from = part.length;
    let get = || transport.clients().requests.get(url.clone());
    let request = || match from {
        0 => get(),
        from => get().header(RANGE, format!("bytes={from}-")),
    };
    let mut response = match transport.send(Access::Pull, request).await {
        Err(error) if error.status() == Some(416) && from > 0 => {
            part.truncate()?;
            return Err(transient("it has less of the blob than it sent before"));
        }
        response => response?,
    };
    // Servers may ignore `Range` and send everything again (RFC 9110, section 14.2).
    if from > 0 && !is_continuation(&response, from) {
        tracing::debug!(digest = %descriptor.digest, from, "the download starts again from 0");
        part.truncate()?;
    }
    if response.content_length().is_some_and(|length| length > limit - part.length) {
        return Err(RequestError::TooLarge { limit });
    }
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() as u64 > limit - part.length {
            return Err(RequestError::TooLarge { limit });
        }
        part.append(&chunk)?;
    }
    Ok(from > 0)
}

/// Returns true if a response continues after the first `from` bytes
/// ([RFC 9110, Content-Range](https://www.rfc-editor.org/rfc/rfc9110.html#name-content-range)).
fn is_continuation(response: &Response, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start =
        range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    response.status() == StatusCode::PARTIAL_CONTENT && start == Some(from)
}

/// Uploads a blob with one PUT request, to `location` or to that of a new upload
/// ([distribution-spec, POST then PUT](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#post-then-put)).
pub(super) async fn put(
    transport: &Transport,
    blob: &Blob,
    location: Option<Url>,
    again: bool,
    progress: &dyn Progress,
) -> Result<(), RequestError> {
    let descriptor = blob.descriptor();
    // The earlier attempt may have stored the blob, and only its response was lost.
    if again && exists(transport, Access::Push, descriptor).await? {
        return Ok(());
    }
    let mut location = match location {
        Some(location) => location,
        None => start_upload(transport).await?,
    };
    // The spec: the location may have query parameters that the registry needs, so add to them.
    location.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
    progress.begin(descriptor);
    let error = match upload(transport, blob, &location, progress).await {
        Ok(response) => return verify_reported_digest(&response, descriptor.digest),
        Err(error @ RequestError::Local(_)) => return Err(error),
        Err(error) => error,
    };
    match error.status() {
        // The instance of the registry that held the upload is gone. Another may work.
        Some(status @ (404 | 416)) => {
            Err(transient(format!("it answered {status} to an upload that it had started")))
        }
        // These refuse the request itself, so there is no blob to look for.
        Some(401 | 403 | 413) => Err(error),
        // Some registries store the blob and still answer with an error.
        Some(_) => match exists(transport, Access::Push, descriptor).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(error),
            Err(ignored) => {
                let ignored = transport.explain(ignored, "look for the blob");
                trace_ignored("look for a blob after a failed upload", ignored);
                Err(error)
            }
        },
        None => Err(error),
    }
}

async fn start_upload(transport: &Transport) -> Result<Url, RequestError> {
    let url = transport.uploads_url();
    let post = || empty(transport.clients().requests.post(url.clone()));
    let response = transport.send(Access::Push, post).await?;
    let location = transport.upload_location(&response)?;
    location.ok_or_else(|| transient("it names no location for the upload"))
}

/// Returns an error for an invalid response that another attempt may not get.
fn transient(reason: impl Into<String>) -> RequestError {
    RequestError::Protocol { reason: reason.into(), source: None, is_transient: true }
}

fn empty(request: RequestBuilder) -> RequestBuilder {
    // Some registries and proxies reject a POST without `Content-Length`.
    request.header(CONTENT_LENGTH, 0)
}

fn verify_reported_digest(response: &Response, expected: Digest) -> Result<(), RequestError> {
    match reported_digest(response.headers())? {
        Some(found) if found != expected => Err(RequestError::WrongDigest { expected, found }),
        _ => Ok(()),
    }
}

async fn upload(
    transport: &Transport,
    blob: &Blob,
    location: &Url,
    progress: &dyn Progress,
) -> Result<Response, RequestError> {
    let descriptor = blob.descriptor();
    let (sender, events) = unbounded_channel();
    let request = || {
        // Building a request can't fail here, so a blob that can't be opened fails when it is read.
        let reader = blob.reader().unwrap_or_else(|error| Box::new(Unreadable(Some(error))));
        let chunks = Chunks { reader, left: descriptor.size, sender: sender.clone() };
        let request = transport.clients().uploads.put(location.clone());
        request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, descriptor.size)
            .body(Body::wrap_stream(stream::iter(chunks)))
    };
    let advance = |bytes| progress.advance(descriptor, bytes);
    watch(transport, transport.send(Access::Push, request), events, advance).await
}

/// Waits for an upload while it makes progress, and reports the bytes sent.
async fn watch(
    transport: &Transport,
    upload: impl Future<Output = Result<Response, RequestError>>,
    mut events: UnboundedReceiver<io::Result<u64>>,
    advance: impl Fn(u64),
) -> Result<Response, RequestError> {
    let stall_timeout = transport.options().stall_timeout;
    let mut upload = pin!(upload);
    let handle = |event: io::Result<u64>| {
        event.map(&advance).map_err(|error| RequestError::from(ImageError::Io(error)))
    };
    let result = loop {
        tokio::select! {
            // Progress comes first, so that an upload that moves never counts as stalled.
            biased;
            Some(event) = events.recv() => handle(event)?,
            result = &mut upload => break result,
            () = tokio::time::sleep(stall_timeout) => return Err(RequestError::Stalled(stall_timeout)),
        }
    };
    // The response may arrive before the last chunks are counted.
    while let Ok(event) = events.try_recv() {
        handle(event)?;
    }
    result
}

/// Reader of a blob that can't be opened: it fails with the reason.
struct Unreadable(Option<ImageError>);

impl Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0.take() {
            Some(ImageError::Io(error)) => Err(error),
            Some(error) => Err(io::Error::other(error)),
            None => Ok(0),
        }
    }
}

/// Chunks of a blob, read when the connection accepts them.
struct Chunks {
    reader: Box<dyn Read + Send>,
    left: u64,
    // A channel, because the request outlives any borrow of a `Progress`.
    sender: UnboundedSender<io::Result<u64>>,
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        // The receiver is dropped when the upload is aborted, so errors of `send` do not matter.
        match self.read() {
            Ok(chunk) => {
                self.left -= chunk.len() as u64;
                let _ = self.sender.send(Ok(chunk.len() as u64));
                Some(Ok(chunk))
            }
            Err(error) => {
                self.left = 0;
                // An I/O error can't be cloned. The channel gets it, and the connection only its kind.
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
        if size > chunk.len() as u64 {
            let reason = "its file was truncated while it was read";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        Ok(chunk.into())
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

//! Uploads of blobs: with one request, or in chunks for registries that want those. Content passes through memory in
//! pieces.

use std::io::{self, Read};
use std::ops::Range;
use std::pin::pin;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method, RequestBuilder, Response, Url};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::Progress;
use super::access::Access;
use super::blobs::{empty, exists, transient};
use super::chunked::Chunked;
use super::clients::Purpose;
use super::manifests::reported_digest;
use super::request_error::RequestError;
use super::transport::Transport;
use crate::image::{Blob, Digest, Error as ImageError};
use crate::trace::trace_ignored;

const CHUNK_SIZE: usize = 256 << 10;

/// The upload of one blob, which all attempts share.
pub(super) struct Upload {
    /// Location that a refused mount has left. It is valid for one attempt only.
    location: Option<Url>,
    chunked: Option<Chunked>,
}

impl Upload {
    pub(super) fn new(transport: &Transport, blob: &Blob, location: Option<Url>) -> Upload {
        let chunked = transport.wants_chunks().then(|| Chunked::new(blob));
        Upload { location, chunked }
    }

    /// Uploads the blob: with one PUT request
    /// ([distribution-spec, POST then PUT](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#post-then-put)),
    /// and in chunks if the registry refuses that.
    pub(super) async fn put(
        &mut self,
        transport: &Transport,
        blob: &Blob,
        again: bool,
        progress: &dyn Progress,
    ) -> Result<(), RequestError> {
        // The earlier attempt may have stored the blob, and only its response was lost.
        if again && exists(transport, Access::Push, blob.descriptor()).await? {
            return Ok(());
        }
        if self.chunked.is_none() {
            let location = match self.location.take() {
                Some(location) => location,
                None => location_of(transport, &start_upload(transport).await?)?,
            };
            match put_whole(transport, blob, location, progress).await {
                Err(error) if wants_chunks(&error) => {
                    tracing::debug!(status = error.status(), "uploading in chunks instead");
                    transport.want_chunks();
                }
                sent => return conclude(transport, blob, sent).await,
            }
        }
        let chunked = self.chunked.get_or_insert_with(|| Chunked::new(blob));
        chunked.put(transport, blob, progress).await
    }
}

async fn put_whole(
    transport: &Transport,
    blob: &Blob,
    location: Url,
    progress: &dyn Progress,
) -> Result<Response, RequestError> {
    progress.begin(blob.descriptor());
    let url = finishing(location, blob);
    let request = || transport.request(Method::PUT, &url);
    send_part(transport, blob, 0..blob.descriptor().size, request, progress).await
}

/// Returns true for an error with which registries, and proxies before them, refuse all of a blob in one request.
fn wants_chunks(error: &RequestError) -> bool {
    match error.status() {
        Some(405 | 413 | 501) => true,
        Some(400) => error.has_code(&["BLOB_UPLOAD_INVALID", "SIZE_INVALID", "UNSUPPORTED"]),
        _ => false,
    }
}

pub(super) async fn start_upload(transport: &Transport) -> Result<Response, RequestError> {
    let url = transport.uploads_url();
    let post = || empty(transport.request(Method::POST, &url));
    transport.send(Access::Push, post).await
}

pub(super) fn location_of(transport: &Transport, response: &Response) -> Result<Url, RequestError> {
    let location = transport.upload_location(response)?;
    location.ok_or_else(|| transient("it names no location for the upload"))
}

/// Returns the URL of the request that ends an upload.
pub(super) fn finishing(mut location: Url, blob: &Blob) -> Url {
    // The spec: the location may have query parameters that the registry needs, so add to them.
    location.query_pairs_mut().append_pair("digest", &blob.descriptor().digest.to_string());
    location
}

/// Returns the result of an upload from that of its last request.
pub(super) async fn conclude(
    transport: &Transport,
    blob: &Blob,
    sent: Result<Response, RequestError>,
) -> Result<(), RequestError> {
    let error = match sent {
        Ok(response) => return verify_reported_digest(&response, blob.descriptor().digest),
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
        Some(_) => match exists(transport, Access::Push, blob.descriptor()).await {
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

pub(super) fn verify_reported_digest(
    response: &Response,
    expected: Digest,
) -> Result<(), RequestError> {
    match reported_digest(response.headers())? {
        Some(found) if found != expected => Err(RequestError::WrongDigest { expected, found }),
        _ => Ok(()),
    }
}

/// Sends a part of a blob, and reports the bytes sent.
pub(super) async fn send_part(
    transport: &Transport,
    blob: &Blob,
    part: Range<u64>,
    request: impl Fn() -> RequestBuilder + Send + Sync,
    progress: &dyn Progress,
) -> Result<Response, RequestError> {
    let descriptor = blob.descriptor();
    let (sender, events) = unbounded_channel();
    let length = part.end - part.start;
    let request = || {
        // Building a request can't fail here, so a blob that can't be opened fails when it is read.
        let reader = blob.reader_from(part.start);
        let reader = reader.unwrap_or_else(|error| Box::new(Unreadable(Some(error))));
        let chunks = Chunks { reader, left: length, sender: sender.clone() };
        request()
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length)
            .body(Body::wrap_stream(stream::iter(chunks)))
    };
    let advance = |bytes| progress.advance(descriptor, bytes);
    let upload = transport.send_for(Purpose::Upload, Access::Push, request);
    watch(transport, upload, events, advance).await
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

//! Uploads in chunks, which continue where they broke
//! ([distribution-spec, pushing a blob in chunks](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks)).

use reqwest::header::{CONTENT_RANGE, HeaderMap, RANGE};
use reqwest::{Method, Response, Url};

use super::super::Progress;
use super::access::Access;
use super::blobs::{empty, transient};
use super::request_error::RequestError;
use super::transport::Transport;
use super::uploads::{conclude, finishing, location_of, send_part, start_upload};
use crate::image::Blob;
use crate::trace::OrTrace;

/// Header with the length that all chunks but the last have at least.
const MIN_LENGTH: &str = "OCI-Chunk-Min-Length";
const MAX_CHUNK: u64 = 16 << 20;
// Proxies accept at least this much: the smallest default in use is nginx's, with 1 MiB.
const MIN_CHUNK: u64 = 64 << 10;
/// Requests in a row that may leave the upload where it was.
const MAX_FRUITLESS: u32 = 3;

/// The upload of a blob in chunks.
pub(super) struct Chunked {
    /// Location of the upload, once it is started.
    location: Option<Url>,
    /// Bytes that the registry has.
    sent: u64,
    chunk_size: u64,
}

impl Chunked {
    pub(super) fn new(blob: &Blob) -> Chunked {
        // All of the blob in one chunk is what the registry, or a proxy, may have refused.
        let chunk_size = (blob.descriptor().size / 2).clamp(MIN_CHUNK, MAX_CHUNK);
        Chunked { location: None, sent: 0, chunk_size }
    }

    /// Uploads the rest of the blob. After an error, the next call continues.
    pub(super) async fn put(
        &mut self,
        transport: &Transport,
        blob: &Blob,
        progress: &dyn Progress,
    ) -> Result<(), RequestError> {
        let descriptor = blob.descriptor();
        let mut location = self.resume(transport).await?;
        progress.begin(descriptor);
        progress.advance(descriptor, self.sent);
        let mut fruitless = 0;
        while self.sent < descriptor.size {
            let before = self.sent;
            let end = descriptor.size.min(before.saturating_add(self.chunk_size));
            // The spec's form of this header has no unit.
            let range = format!("{before}-{}", end - 1);
            let patch =
                || transport.request(Method::PATCH, &location).header(CONTENT_RANGE, &range);
            match send_part(transport, blob, before..end, patch, progress).await {
                Ok(response) => {
                    location = self.follow(transport, &response, location)?;
                    let received = last_byte(response.headers()).map(|last| last.saturating_add(1));
                    self.sent = received.unwrap_or(end).min(end);
                }
                Err(error) if error.status() == Some(413) && self.chunk_size > MIN_CHUNK => {
                    self.chunk_size = (self.chunk_size / 4).max(MIN_CHUNK);
                    continue;
                }
                // The registry has more or less than we know.
                Err(error) if error.status() == Some(416) => {
                    location = self.resume(transport).await?;
                }
                Err(error) => return Err(self.lost(error)),
            }
            fruitless = if self.sent > before { 0 } else { fruitless + 1 };
            if fruitless == MAX_FRUITLESS {
                return Err(RequestError::protocol("it accepts no chunk of an upload"));
            }
        }
        let url = finishing(location, blob);
        let put = || empty(transport.request(Method::PUT, &url));
        let sent = transport.send(Access::Push, put).await;
        let sent = sent.map_err(|error| self.lost(error));
        conclude(transport, blob, sent).await
    }

    /// Starts the upload, or asks how far it came.
    async fn resume(&mut self, transport: &Transport) -> Result<Url, RequestError> {
        if let Some(location) = self.location.clone() {
            let get = || transport.request(Method::GET, &location);
            match transport.send(Access::Push, get).await {
                Ok(response) => {
                    // `0-0` is what registries answer that have nothing yet.
                    let last = last_byte(response.headers()).filter(|last| *last > 0);
                    self.sent = last.map_or(0, |last| last.saturating_add(1));
                    return self.follow(transport, &response, location);
                }
                Err(error) if error.is_transient() || error.status().is_none() => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::debug!(status = error.status(), "the upload starts again from 0");
                }
            }
        }
        let response = start_upload(transport).await?;
        let min = response.headers().get(MIN_LENGTH).and_then(|length| length.to_str().ok());
        let min = min.and_then(|length| length.parse().or_trace("parse the length of a chunk"));
        self.chunk_size = self.chunk_size.max(min.unwrap_or(0));
        self.sent = 0;
        let location = location_of(transport, &response)?;
        self.location = Some(location.clone());
        Ok(location)
    }

    /// Returns the location of the next request: each response may name another.
    fn follow(
        &mut self,
        transport: &Transport,
        response: &Response,
        current: Url,
    ) -> Result<Url, RequestError> {
        let next = transport.upload_location(response)?.unwrap_or(current);
        self.location = Some(next.clone());
        Ok(next)
    }

    /// Returns the error for the next attempt, which starts from the beginning if the registry lost the upload.
    fn lost(&mut self, error: RequestError) -> RequestError {
        match error.status() {
            Some(status @ (404 | 410)) => {
                self.location = None;
                transient(format!("it answered {status} to an upload that it had started"))
            }
            _ => error,
        }
    }
}

/// Returns the position of the last byte that the registry has, from a header such as `Range: 0-1023`.
fn last_byte(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(RANGE)?.to_str().or_trace("read the range of an upload")?;
    let (_, last) = range.split_once('-')?;
    last.trim().parse().or_trace("parse the range of an upload")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_an_upload_is_what_the_registry_has() {
        let last = |text: &str| last_byte(&HeaderMap::from_iter([(RANGE, text.parse().unwrap())]));
        for (text, byte) in [
            ("0-1023", Some(1023)),
            ("bytes=0-9", Some(9)),
            ("0-0", Some(0)),
            ("0-18446744073709551615", Some(u64::MAX)),
            ("0-x", None),
            ("0--1", None),
            ("", None),
        ] {
            assert_eq!(last(text), byte, "{text}");
        }
    }
}

//! Operations on blobs: look-up and download. Content passes through memory in chunks.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};

use super::super::Error;
use super::access::Access;
use super::exchange::content_length;
use super::request_error::RequestError;
use super::transport::Transport;
use crate::fs::TemporaryFile;
use crate::image::{Blob, Descriptor, Error as ImageError};

/// Returns true if the repository has the blob in its full size.
pub(super) async fn exists(
    transport: &Transport,
    access: Access<'_>,
    descriptor: &Descriptor,
) -> Result<bool, RequestError> {
    let url = transport.blob_url(descriptor.digest);
    match transport.send(access, || transport.request(Method::HEAD, &url)).await {
        Ok(response) => {
            // The spec only recommends `Content-Length`. A blob of another size is damaged and does not count.
            let length = content_length(response.headers());
            Ok(length.is_none_or(|length| length == descriptor.size))
        }
        // A registry that refuses HEAD is sent the blob, which is the other way to find out.
        Err(error) if error.is_not_found() || error.refuses_head() => Ok(false),
        Err(error) => Err(error),
    }
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
    let get = || transport.request(Method::GET, &url);
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
    let mut pace = transport.pace();
    while let Some(chunk) = pace.chunk(&mut response).await? {
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

/// Returns an error for an invalid response that another attempt may not get.
pub(super) fn transient(reason: impl Into<String>) -> RequestError {
    RequestError::Protocol { reason: reason.into(), source: None, is_transient: true }
}

pub(super) fn empty(request: RequestBuilder) -> RequestBuilder {
    // Some registries and proxies reject a POST without `Content-Length`.
    request.header(CONTENT_LENGTH, 0)
}

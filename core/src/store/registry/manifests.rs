//! Operations on manifests and indexes: look-up, read, write, delete, and lists of tags.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;

use super::super::{Error, Name};
use super::access::Access;
use super::exchange::bounded_body;
use super::link::next_page;
use super::request_error::RequestError;
use super::transport::Transport;
use crate::image::{Blob, Descriptor, Digest, MAX_DOCUMENT, MediaType};
use crate::limits::Budget;
use crate::trace::OrTrace;

const ACCEPTED: [MediaType; 4] = [
    MediaType::ImageIndex,
    MediaType::ImageManifest,
    MediaType::DockerManifestList,
    MediaType::DockerManifest,
];
/// Header with the digest of a manifest
/// ([distribution-spec, pulling manifests](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests)).
const CONTENT_DIGEST: &str = "Docker-Content-Digest";
// The pages of a broken registry may have no end.
const MAX_PAGES: usize = 1_000;

pub(super) struct Received {
    /// Media type, if the response or the manifest names one.
    media_type: Option<MediaType>,
    bytes: Vec<u8>,
}

impl Received {
    /// Returns the manifest of a name, which implies no media type.
    pub(super) fn into_blob(self) -> Result<Blob, RequestError> {
        let untyped =
            || RequestError::protocol("neither the response nor the manifest has a media type");
        Ok(Blob::new(self.media_type.ok_or_else(untyped)?, self.bytes))
    }

    pub(super) fn into_blob_of(self, descriptor: &Descriptor) -> Result<Blob, RequestError> {
        match self.media_type {
            Some(found) if found != descriptor.media_type => {
                let expected = &descriptor.media_type;
                Err(RequestError::protocol(format!(
                    "a manifest has the media type {found}, but the index says {expected}"
                )))
            }
            _ => Ok(Blob::verified(descriptor.clone(), self.bytes)?),
        }
    }
}

pub(super) async fn get(
    transport: &Transport,
    name: &Name,
    limit: u64,
) -> Result<Received, RequestError> {
    read(transport, Access::Pull, name, limit).await
}

async fn read(
    transport: &Transport,
    access: Access<'_>,
    name: &Name,
    limit: u64,
) -> Result<Received, RequestError> {
    let url = transport.manifest_url(name);
    let request = || accepting(transport.request(Method::GET, &url));
    let response = transport.send(access, request).await?;
    let reported = reported_digest(response.headers())?;
    let content_type = content_type(response.headers());
    let bytes = bounded_body(response, limit.min(MAX_DOCUMENT), transport.pace()).await?;
    let found = Digest::of(&bytes);
    if let Name::Digest(pinned) = name {
        expect(Some(*pinned), found)?;
    }
    expect(reported, found)?;
    Ok(Received { media_type: media_type(content_type.as_deref(), &bytes)?, bytes })
}

pub(super) enum ManifestStatus {
    Missing,
    /// It exists; the registry may report its digest.
    Exists(Option<Digest>),
}

pub(super) async fn head(
    transport: &Transport,
    access: Access<'_>,
    name: &Name,
) -> Result<ManifestStatus, RequestError> {
    let url = transport.manifest_url(name);
    let request = || accepting(transport.request(Method::HEAD, &url));
    match transport.send(access, request).await {
        Ok(response) => reported_digest(response.headers()).map(ManifestStatus::Exists),
        Err(error) if error.is_not_found() => Ok(ManifestStatus::Missing),
        Err(error) if error.refuses_head() => by_reading(transport, access, name).await,
        Err(error) => Err(error),
    }
}

/// Returns the status of a manifest from the response to GET, for registries that refuse HEAD.
async fn by_reading(
    transport: &Transport,
    access: Access<'_>,
    name: &Name,
) -> Result<ManifestStatus, RequestError> {
    match read(transport, access, name, MAX_DOCUMENT).await {
        Ok(received) => Ok(ManifestStatus::Exists(Some(Digest::of(&received.bytes)))),
        // Whoever can't look may still be allowed to write, and the response to that says if they are.
        Err(error) if error.is_not_found() || error.refuses_head() => Ok(ManifestStatus::Missing),
        Err(error) => Err(error),
    }
}

pub(super) async fn put(
    transport: &Transport,
    name: &Name,
    blob: &Blob,
) -> Result<(), RequestError> {
    let descriptor = blob.descriptor();
    let (url, bytes) = (transport.manifest_url(name), Bytes::from_owner(blob.bytes()?));
    let request = || {
        let request = transport.request(Method::PUT, &url);
        request.header(CONTENT_TYPE, descriptor.media_type.as_str()).body(bytes.clone())
    };
    let response = transport.send(Access::Push, request).await?;
    expect(reported_digest(response.headers())?, descriptor.digest)
}

/// Deletes a tag, or a manifest with all of its tags
/// ([distribution-spec, deleting](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#content-management)).
pub(super) async fn delete(transport: &Transport, name: &Name) -> Result<(), RequestError> {
    let url = transport.manifest_url(name);
    let request = || transport.request(Method::DELETE, &url);
    transport.send(Access::Delete, request).await.map(drop)
}

/// Returns all tags, from all pages
/// ([distribution-spec, listing tags](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags)).
pub(super) async fn tags(transport: &Transport) -> Result<Vec<String>, RequestError> {
    #[derive(Deserialize)]
    struct Page {
        // The reference implementation sends null for a repository that has lost all of its tags.
        tags: Option<Vec<String>>,
    }
    let budget = Budget::new(transport.options().limits);
    let mut tags = Vec::new();
    let mut next = Some(transport.url("tags/list"));
    let mut pages = 0;
    while let Some(url) = next {
        pages += 1;
        if pages > MAX_PAGES {
            return Err(RequestError::protocol("its list of tags has no end"));
        }
        let request = || transport.request(Method::GET, &url);
        let response = transport.send(Access::Pull, request).await?;
        // A registry that ignores the query sends the same page again and again.
        next = next_page(response.headers(), &url).filter(|next| *next != url);
        let body = bounded_body(response, MAX_DOCUMENT, transport.pace()).await?;
        let page: Page = serde_json::from_slice(&body)
            .map_err(|error| RequestError::malformed("its list of tags is invalid", error))?;
        let page = page.tags.unwrap_or_default();
        budget
            .hold(body.len() as u64)
            .and_then(|()| budget.list_tags(page.len()))
            .map_err(Error::from)?;
        tags.extend(page);
    }
    Ok(tags)
}

fn accepting(request: RequestBuilder) -> RequestBuilder {
    request.header(ACCEPT, ACCEPTED.each_ref().map(MediaType::as_str).join(", "))
}

fn expect(reported: Option<Digest>, found: Digest) -> Result<(), RequestError> {
    match reported {
        Some(expected) if expected != found => Err(RequestError::WrongDigest { expected, found }),
        _ => Ok(()),
    }
}

/// Returns the SHA-256 digest that the registry reports, if it reports one.
pub(super) fn reported_digest(headers: &HeaderMap) -> Result<Option<Digest>, RequestError> {
    let Some(value) = headers.get(CONTENT_DIGEST) else { return Ok(None) };
    let text = value.to_str().or_trace("read the reported digest").unwrap_or_default();
    // We have nothing to compare a digest of another algorithm with.
    if !text.starts_with("sha256:") {
        return Ok(None);
    }
    let digest = text.parse().map(Some);
    digest.map_err(|error| RequestError::malformed("it reports an invalid digest", error))
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().or_trace("read `Content-Type`")?;
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Servers declare these for content of any kind, so they say nothing about a manifest.
    let general = ["", "application/json", "application/octet-stream", "text/plain"];
    (!general.contains(&essence.as_str())).then_some(essence)
}

/// Returns the media type of a manifest, from the header or the document. If both name one, they must be equal
/// ([distribution-spec, pulling manifests](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests)).
fn media_type(content_type: Option<&str>, bytes: &[u8]) -> Result<Option<MediaType>, RequestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let typed: Typed = serde_json::from_slice(bytes)
        .map_err(|error| RequestError::malformed("a manifest is not a JSON object", error))?;
    // With two types, one digest could be a manifest to some clients and an index to others (CVE-2021-41190).
    match (content_type, typed.media_type.as_deref()) {
        (Some(header), Some(document)) if header != document => Err(RequestError::protocol(
            format!("a manifest has the media type {document:?}, but its header says {header:?}"),
        )),
        (header, document) => Ok(header.or(document).map(MediaType::from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            reqwest::header::HeaderName::try_from(name).unwrap(),
            value.parse().unwrap(),
        )])
    }

    fn media_type_of(header: Option<&str>, document: &str) -> Option<MediaType> {
        media_type(header, document.as_bytes()).ok().flatten()
    }

    #[test]
    fn header_and_document_agree_on_the_media_type() {
        let document = format!(r#"{{"mediaType":"{INDEX}"}}"#);
        assert_eq!(media_type_of(Some(INDEX), &document), Some(MediaType::ImageIndex));
        assert_eq!(media_type_of(None, &document), Some(MediaType::ImageIndex));
        assert_eq!(media_type_of(Some(INDEX), "{}"), Some(MediaType::ImageIndex));
        assert_eq!(media_type_of(None, "{}"), None);
        let other = MediaType::ImageManifest.as_str();
        assert!(media_type(Some(other), document.as_bytes()).is_err());
        assert!(media_type(Some(INDEX), b"not json").is_err());
    }

    #[test]
    fn content_types_have_parameters_or_say_nothing() {
        let of = |value: &str| content_type(&headers("content-type", value));
        assert_eq!(of(&format!("{INDEX}; charset=utf-8")).as_deref(), Some(INDEX));
        assert_eq!(of("application/json"), None);
        assert_eq!(of("text/plain; charset=utf-8"), None);
        assert_eq!(content_type(&HeaderMap::new()), None);
    }

    #[test]
    fn reported_digests_are_read_or_ignored_or_refused() {
        let digest = Digest::of(b"x");
        let of = |value: &str| reported_digest(&headers("docker-content-digest", value));
        assert_eq!(of(&digest.to_string()).ok().flatten(), Some(digest));
        assert!(matches!(of("sha512:abc"), Ok(None)));
        assert!(matches!(of(""), Ok(None)));
        assert!(matches!(of("sha256:abc"), Err(RequestError::Protocol { .. })));
        assert!(expect(None, digest).is_ok() && expect(Some(digest), digest).is_ok());
        assert!(matches!(
            expect(Some(digest), Digest::of(b"y")),
            Err(RequestError::WrongDigest { .. })
        ));
    }
}

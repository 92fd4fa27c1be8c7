//! Manifests and indexes: asked for, read and written.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LINK};
use reqwest::{RequestBuilder, Response, Url};
use serde::Deserialize;

use super::super::Name;
use super::auth::Access;
use super::request_error::RequestError;
use super::transport::{Transport, bounded_body};
use crate::image::{Blob, Descriptor, Digest, MAX_DOCUMENT, MediaType};

/// What we can read.
const ACCEPTED: [MediaType; 4] = [
    MediaType::ImageIndex,
    MediaType::ImageManifest,
    MediaType::DockerManifestList,
    MediaType::DockerManifest,
];
/// The header with the digest of a manifest
/// ([distribution-spec, pulling manifests](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests)).
const CONTENT_DIGEST: &str = "Docker-Content-Digest";
/// More pages of tags than this have no end.
const MAX_PAGES: usize = 1_000;

/// A manifest as a registry gave it.
pub(super) struct Received {
    /// What the registry and the manifest say that it is, if one of them does.
    media_type: Option<MediaType>,
    bytes: Vec<u8>,
}

impl Received {
    /// The manifest of a name that says nothing of its type.
    pub(super) fn into_blob(self) -> Result<Blob, RequestError> {
        let untyped =
            || RequestError::protocol("neither it nor the manifest says of what type that is");
        Ok(Blob::new(self.media_type.ok_or_else(untyped)?, self.bytes))
    }

    /// The manifest that `descriptor` names.
    pub(super) fn into_blob_of(self, descriptor: &Descriptor) -> Result<Blob, RequestError> {
        match self.media_type {
            Some(found) if found != descriptor.media_type => {
                let expected = &descriptor.media_type;
                Err(RequestError::protocol(format!(
                    "it calls {found} what the index calls {expected}"
                )))
            }
            _ => Ok(Blob::verified(descriptor.clone(), self.bytes)?),
        }
    }
}

/// Reads the manifest that `name` means, of which there may be `limit` bytes.
pub(super) async fn get(
    transport: &Transport,
    name: &Name,
    limit: u64,
) -> Result<Received, RequestError> {
    let url = transport.manifest_url(name);
    let response = transport
        .send(Access::Pull, || accepting(transport.clients().requests.get(url.clone())))
        .await?;
    let reported = reported_digest(response.headers())?;
    let content_type = content_type(response.headers());
    let bytes = bounded_body(response, limit.min(MAX_DOCUMENT)).await?;
    let found = Digest::of(&bytes);
    if let Name::Digest(pinned) = name {
        expect(Some(*pinned), found)?;
    }
    expect(reported, found)?;
    Ok(Received { media_type: media_type(content_type.as_deref(), &bytes)?, bytes })
}

/// What the registry says of a manifest that is not read.
pub(super) enum ManifestStatus {
    /// There is none.
    Missing,
    /// There is one; of which digest, it may say.
    Exists(Option<Digest>),
}

/// Asks for a manifest without reading it.
pub(super) async fn head(
    transport: &Transport,
    access: Access,
    name: &Name,
) -> Result<ManifestStatus, RequestError> {
    let url = transport.manifest_url(name);
    match transport.send(access, || accepting(transport.clients().requests.head(url.clone()))).await
    {
        Ok(response) => reported_digest(response.headers()).map(ManifestStatus::Exists),
        Err(error) if error.is_not_found() => Ok(ManifestStatus::Missing),
        Err(error) => Err(error),
    }
}

/// Writes a manifest under a name, its own digest or a tag.
pub(super) async fn put(
    transport: &Transport,
    name: &Name,
    blob: &Blob,
) -> Result<(), RequestError> {
    let descriptor = blob.descriptor();
    let (url, bytes) = (transport.manifest_url(name), Bytes::from_owner(blob.bytes()?));
    let request = || {
        let request = transport.clients().requests.put(url.clone());
        request.header(CONTENT_TYPE, descriptor.media_type.as_str()).body(bytes.clone())
    };
    let response = transport.send(Access::Push, request).await?;
    expect(reported_digest(response.headers())?, descriptor.digest)
}

/// Deletes a tag, or a manifest with all its tags
/// ([distribution-spec, deleting](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#content-management)).
pub(super) async fn delete(transport: &Transport, name: &Name) -> Result<(), RequestError> {
    let url = transport.manifest_url(name);
    transport
        .send(Access::Delete, || transport.clients().requests.delete(url.clone()))
        .await
        .map(drop)
}

/// All tags, page by page
/// ([distribution-spec, listing tags](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags)).
pub(super) async fn tags(transport: &Transport) -> Result<Vec<String>, RequestError> {
    #[derive(Deserialize)]
    struct Page {
        // The reference implementation says null of a repository that has lost all of them.
        tags: Option<Vec<String>>,
    }
    let mut tags = Vec::new();
    let mut next = Some(transport.url("tags/list"));
    for _ in 0..MAX_PAGES {
        let Some(url) = next else { return Ok(tags) };
        let response =
            transport.send(Access::Pull, || transport.clients().requests.get(url.clone())).await?;
        next = following(&response, &url)?;
        let page: Page = serde_json::from_slice(&bounded_body(response, MAX_DOCUMENT).await?)
            .map_err(|error| {
                RequestError::protocol(format!("its list of tags can't be read: {error}"))
            })?;
        tags.extend(page.tags.unwrap_or_default());
    }
    Err(RequestError::protocol("its list of tags has no end"))
}

/// The page after this one, by the header `Link: </v2/…>; rel="next"`
/// ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288.html)); never one of another host.
fn following(response: &Response, asked: &Url) -> Result<Option<Url>, RequestError> {
    let Some(link) = response.headers().get(LINK).and_then(|link| link.to_str().ok()) else {
        return Ok(None);
    };
    let Some((target, parameters)) = link.trim_start_matches('<').split_once('>') else {
        return Ok(None);
    };
    if !parameters.contains("next") {
        return Ok(None);
    }
    let next = asked.join(target).ok().filter(|next| next.origin() == asked.origin());
    next.map(Some).ok_or_else(|| RequestError::protocol("its list of tags goes on somewhere else"))
}

fn accepting(request: RequestBuilder) -> RequestBuilder {
    request.header(ACCEPT, ACCEPTED.each_ref().map(MediaType::as_str).join(", "))
}

/// Fails when a digest was reported and is another than `found`.
fn expect(reported: Option<Digest>, found: Digest) -> Result<(), RequestError> {
    match reported {
        Some(expected) if expected != found => Err(RequestError::WrongDigest { expected, found }),
        _ => Ok(()),
    }
}

/// The digest that the registry reports. One of another algorithm than ours can't be compared, and says nothing.
pub(super) fn reported_digest(headers: &HeaderMap) -> Result<Option<Digest>, RequestError> {
    let Some(value) = headers.get(CONTENT_DIGEST) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if !text.starts_with("sha256:") {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| RequestError::protocol(format!("its {CONTENT_DIGEST} is no digest")))
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let says_nothing = ["", "application/json", "application/octet-stream", "text/plain"];
    (!says_nothing.contains(&essence.as_str())).then_some(essence)
}

/// What a manifest is: what the header says and, if the document says it too, what both say
/// ([image-spec, manifest.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#image-manifest-property-descriptions)).
fn media_type(content_type: Option<&str>, bytes: &[u8]) -> Result<Option<MediaType>, RequestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let typed = serde_json::from_slice::<Typed>(bytes).map_err(|error| {
        RequestError::protocol(format!("its manifest is no JSON object: {error}"))
    })?;
    match (content_type, typed.media_type.as_deref()) {
        (Some(header), Some(document)) if header != document => Err(RequestError::protocol(
            format!("it calls {header:?} what calls itself {document:?}"),
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

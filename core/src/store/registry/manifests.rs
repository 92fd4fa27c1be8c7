//! Manifests and indexes: asked for, read and written.

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;

use super::super::Name;
use super::failure::Failure;
use super::wire::{Authorization, Wire};
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
/// How much of an answer that says no is read.
const MAX_ERROR_BODY: usize = 1 << 16;

/// A manifest as a registry gave it.
pub(super) struct Received {
    /// What the registry and the manifest say that it is, if one of them does.
    media_type: Option<MediaType>,
    bytes: Vec<u8>,
}

impl Received {
    /// The manifest of a name that says nothing of its type.
    pub(super) fn into_blob(self) -> Result<Blob, Failure> {
        let untyped =
            || Failure::Protocol("neither it nor the manifest says of what type that is".to_owned());
        Ok(Blob::new(self.media_type.ok_or_else(untyped)?, self.bytes))
    }

    /// The manifest that `descriptor` names.
    pub(super) fn into_blob_of(self, descriptor: &Descriptor) -> Result<Blob, Failure> {
        match self.media_type {
            Some(found) if found != descriptor.media_type => {
                let expected = &descriptor.media_type;
                Err(Failure::Protocol(format!("it calls {found} what the index calls {expected}")))
            }
            _ => Ok(Blob::verified(descriptor.clone(), self.bytes)?),
        }
    }
}

/// Reads the manifest that `name` means, of which there may be `limit` bytes.
pub(super) async fn get(
    wire: &Wire,
    authorization: &Authorization,
    name: &Name,
    limit: u64,
) -> Result<Received, Failure> {
    let url = wire.manifest_url(&name.to_string());
    let response = send(authorization, accepting(wire.http.get(url))).await?;
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

/// Whether there is a manifest of this digest.
pub(super) async fn exists(
    wire: &Wire,
    authorization: &Authorization,
    digest: Digest,
) -> Result<bool, Failure> {
    let url = wire.manifest_url(&digest.to_string());
    match send(authorization, accepting(wire.http.head(url))).await {
        Ok(_) => Ok(true),
        Err(failure) if failure.is_not_found() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Writes a manifest under a name, its own digest or a tag.
pub(super) async fn put(
    wire: &Wire,
    authorization: &Authorization,
    name: &Name,
    blob: &Blob,
) -> Result<(), Failure> {
    let descriptor = blob.descriptor();
    let request = wire.http.put(wire.manifest_url(&name.to_string()));
    let request =
        request.header(CONTENT_TYPE, descriptor.media_type.as_str()).body(Bytes::from_owner(blob.bytes()?));
    let response = send(authorization, request).await?;
    expect(reported_digest(response.headers())?, descriptor.digest)
}

fn accepting(request: RequestBuilder) -> RequestBuilder {
    request.header(ACCEPT, ACCEPTED.each_ref().map(MediaType::as_str).join(", "))
}

/// Sends a request, and takes an answer that says no for a failure.
async fn send(authorization: &Authorization, request: RequestBuilder) -> Result<Response, Failure> {
    let response = authorization.apply(request).send().await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(Failure::Answer { status: status.as_u16(), body: start_of_body(response).await })
}

async fn start_of_body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    // The status says enough when the rest doesn't come.
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ERROR_BODY {
            body.truncate(MAX_ERROR_BODY);
            break;
        }
    }
    body
}

async fn bounded_body(mut response: Response, limit: u64) -> Result<Vec<u8>, Failure> {
    let too_large = |length: u64| length > limit;
    if response.content_length().is_some_and(too_large) {
        return Err(Failure::TooLarge { limit });
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece);
        if too_large(body.len() as u64) {
            return Err(Failure::TooLarge { limit });
        }
    }
    Ok(body)
}

/// Fails when a digest was reported and is another than `found`.
fn expect(reported: Option<Digest>, found: Digest) -> Result<(), Failure> {
    match reported {
        Some(expected) if expected != found => Err(Failure::WrongDigest { expected, found }),
        _ => Ok(()),
    }
}

/// The digest that the registry reports. One of another algorithm than ours can't be compared, and says nothing.
fn reported_digest(headers: &HeaderMap) -> Result<Option<Digest>, Failure> {
    let Some(value) = headers.get(CONTENT_DIGEST) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if !text.starts_with("sha256:") {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Failure::Protocol(format!("its {CONTENT_DIGEST} is no digest")))
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let says_nothing = ["", "application/json", "application/octet-stream", "text/plain"];
    (!says_nothing.contains(&essence.as_str())).then_some(essence)
}

/// What a manifest is: what the header says and, if the document says it too, what both say
/// ([image-spec, manifest.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#image-manifest-property-descriptions)).
fn media_type(content_type: Option<&str>, bytes: &[u8]) -> Result<Option<MediaType>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let typed = serde_json::from_slice::<Typed>(bytes)
        .map_err(|error| Failure::Protocol(format!("its manifest is no JSON object: {error}")))?;
    match (content_type, typed.media_type.as_deref()) {
        (Some(header), Some(document)) if header != document => {
            Err(Failure::Protocol(format!("it calls {header:?} what calls itself {document:?}")))
        }
        (header, document) => Ok(header.or(document).map(MediaType::from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(reqwest::header::HeaderName::try_from(name).unwrap(), value.parse().unwrap())])
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
        assert!(matches!(of("sha256:abc"), Err(Failure::Protocol(_))));
        assert!(expect(None, digest).is_ok() && expect(Some(digest), digest).is_ok());
        assert!(matches!(expect(Some(digest), Digest::of(b"y")), Err(Failure::WrongDigest { .. })));
    }
}

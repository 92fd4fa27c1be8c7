//! The JSON documents of the image specification. Everything that gets a digest is serialized here.

use std::collections::{BTreeMap, HashMap};

use oci_spec::image as spec;
use serde::Serialize;

use super::{Blob, Descriptor, Error, MediaType, Platform};

/// The largest manifest, index or configuration that we read, in bytes.
// Registries should accept manifests of this size, so larger ones are rare (distribution-spec, "Pushing Manifests").
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;

/// Serializes a document as compact JSON with sorted keys, so that equal documents have equal bytes.
pub(super) fn canonical_json(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    let unserializable =
        |e: serde_json::Error| Error::Document { what: "document", reason: e.to_string() };
    // Through a `Value`, whose objects are sorted: oci-spec keeps annotations in hash maps, whose order
    // changes from run to run.
    let mut value = serde_json::to_value(document).map_err(unserializable)?;
    // Nothing to do, unless some other crate switched serde_json to insertion order for the whole build.
    value.sort_all_objects();
    serde_json::to_vec(&value).map_err(unserializable)
}

/// The content of a manifest ([image-spec, manifest.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md)).
#[derive(Debug, Clone)]
pub(crate) struct ManifestDocument {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl ManifestDocument {
    pub(crate) fn to_blob(&self) -> Result<Blob, Error> {
        let mut document = spec::ImageManifestBuilder::default()
            .schema_version(spec::SCHEMA_VERSION)
            // Optional, but a document without it leaves its type to guesses (CVE-2021-41190).
            .media_type(spec::MediaType::ImageManifest)
            .config(to_spec(&self.config)?)
            .layers(self.layers.iter().map(to_spec).collect::<Result<Vec<_>, _>>()?)
            .build()
            .map_err(|e| unreadable("manifest", &e))?;
        document.set_annotations(unless_empty(&self.annotations));
        Ok(Blob::new(MediaType::ImageManifest, canonical_json(&document)?))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<ManifestDocument, Error> {
        let document: spec::ImageManifest = document("manifest", "layers", bytes)?;
        Ok(ManifestDocument {
            config: from_spec(document.config())?,
            layers: document.layers().iter().map(from_spec).collect::<Result<_, _>>()?,
            annotations: ordered(document.annotations().as_ref()),
        })
    }
}

/// The content of an index ([image-spec, image-index.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md)).
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexDocument {
    pub(crate) manifests: Vec<Descriptor>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl IndexDocument {
    pub(crate) fn to_blob(&self) -> Result<Blob, Error> {
        let mut document = spec::ImageIndexBuilder::default()
            .schema_version(spec::SCHEMA_VERSION)
            .media_type(spec::MediaType::ImageIndex)
            .manifests(self.manifests.iter().map(to_spec).collect::<Result<Vec<_>, _>>()?)
            .build()
            .map_err(|e| unreadable("index", &e))?;
        document.set_annotations(unless_empty(&self.annotations));
        Ok(Blob::new(MediaType::ImageIndex, canonical_json(&document)?))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<IndexDocument, Error> {
        let document: spec::ImageIndex = document("index", "manifests", bytes)?;
        Ok(IndexDocument {
            manifests: document.manifests().iter().map(from_spec).collect::<Result<_, _>>()?,
            annotations: ordered(document.annotations().as_ref()),
        })
    }
}

/// Parses a document. `null` is an empty list: Go's tools write it, such as `umoci init`.
fn document<T: serde::de::DeserializeOwned>(
    what: &'static str,
    list: &str,
    bytes: &[u8],
) -> Result<T, Error> {
    refuse_two_things_at_once(bytes)?;
    let failed = |e: serde_json::Error| Error::Document {
        what,
        reason: format!("{}; write or push it again", e),
    };
    serde_json::from_slice(bytes).or_else(|error| {
        // Not for every document: a `Value` takes the last of two equal keys.
        let mut value: serde_json::Value = serde_json::from_slice(bytes).map_err(failed)?;
        match value.get_mut(list) {
            Some(null) if null.is_null() => *null = serde_json::json!([]),
            _ => return Err(failed(error)),
        }
        serde_json::from_value(value).map_err(failed)
    })
}

// A document that is an index to one reader and a manifest to another gives two images one digest
// (CVE-2021-41190).
fn refuse_two_things_at_once(bytes: &[u8]) -> Result<(), Error> {
    #[derive(serde::Deserialize)]
    struct Keys {
        manifests: Option<serde::de::IgnoredAny>,
        config: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
    }
    let keys: Keys = serde_json::from_slice(bytes).map_err(|e| unreadable("manifest", &e))?;
    if keys.manifests.is_some() && (keys.config.is_some() || keys.layers.is_some()) {
        return Err(unreadable("manifest", &"it is a manifest and an index at once"));
    }
    Ok(())
}

fn unreadable(what: &'static str, reason: &impl ToString) -> Error {
    Error::Document { what, reason: reason.to_string() }
}

fn ordered(map: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    map.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

// An empty map would be written as `{}`, and change the digest of every image without annotations.
fn unless_empty(annotations: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!annotations.is_empty()).then(|| annotations.clone().into_iter().collect())
}

fn to_spec(descriptor: &Descriptor) -> Result<spec::Descriptor, Error> {
    let digest: spec::Digest =
        descriptor.digest.to_string().parse().map_err(|e| unreadable("digest", &e))?;
    let mut result =
        spec::Descriptor::new(descriptor.media_type.as_str().into(), descriptor.size, digest);
    if let Some(platform) = &descriptor.platform {
        let mut builder = spec::PlatformBuilder::default()
            .os(platform.os.as_str())
            .architecture(platform.architecture.as_str());
        if let Some(variant) = &platform.variant {
            builder = builder.variant(variant.as_str());
        }
        result.set_platform(Some(builder.build().map_err(|e| unreadable("platform", &e))?));
    }
    result.set_annotations(unless_empty(&descriptor.annotations));
    Ok(result)
}

fn from_spec(descriptor: &spec::Descriptor) -> Result<Descriptor, Error> {
    Ok(Descriptor {
        media_type: MediaType::from(descriptor.media_type().to_string().as_str()),
        digest: descriptor.digest().to_string().parse()?,
        size: descriptor.size(),
        platform: descriptor.platform().as_ref().map(|platform| Platform {
            os: platform.os().to_string(),
            architecture: platform.architecture().to_string(),
            variant: platform.variant().clone(),
        }),
        annotations: ordered(descriptor.annotations().as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Descriptor {
        let annotations = (0..20).map(|n| (format!("key{n}"), "value".to_owned())).collect();
        Descriptor {
            platform: Some(Platform::wasi()),
            annotations,
            ..Descriptor::of(MediaType::Wasm, b"x")
        }
    }

    #[test]
    fn an_index_reads_back_and_always_has_the_same_bytes() {
        let document =
            IndexDocument { manifests: vec![descriptor()], annotations: descriptor().annotations };
        let blob = document.to_blob().unwrap();
        let read = IndexDocument::parse(&blob.bytes().unwrap()).unwrap();
        assert_eq!(read.manifests, document.manifests);
        assert_eq!(read.annotations, document.annotations);
        assert_eq!(read.to_blob().unwrap().descriptor(), blob.descriptor());
    }

    #[test]
    fn a_list_that_is_null_is_empty() {
        // As `umoci init` writes it.
        let index = IndexDocument::parse(br#"{"schemaVersion":2,"manifests":null}"#).unwrap();
        assert!(index.manifests.is_empty());
        let config = serde_json::to_string(&to_spec(&descriptor()).unwrap()).unwrap();
        let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":null}}"#);
        assert!(ManifestDocument::parse(manifest.as_bytes()).unwrap().layers.is_empty());
        let error = |text: &str| IndexDocument::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error(r#"{"schemaVersion":2}"#).contains("missing field `manifests`"));
        // The reason, not `serde failed`.
        let negative =
            r#"{"schemaVersion":2,"manifests":[{"mediaType":"a","size":-1,"digest":""}]}"#;
        assert!(error(negative).contains("-1"), "{}", error(negative));
        assert!(
            error(r#"{"schemaVersion":2,"manifests":null,"manifests":null}"#).contains("duplicate")
        );
    }

    #[test]
    fn one_digest_for_two_images_is_refused() {
        let both = br#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#;
        assert!(ManifestDocument::parse(both).unwrap_err().to_string().contains("at once"));
        assert!(IndexDocument::parse(both).unwrap_err().to_string().contains("at once"));
    }
}

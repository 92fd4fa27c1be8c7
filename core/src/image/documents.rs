//! The JSON documents of the image specification. Everything that gets a digest is serialized here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Blob, Descriptor, Error, MediaType, Platform};

/// The largest manifest, index or configuration that we read, in bytes.
// Registries should accept manifests of this size, so larger ones are rare (distribution-spec, "Pushing Manifests").
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;

/// Serializes a document as compact JSON with sorted keys, so that equal documents have equal bytes.
pub(super) fn canonical_json(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    let unserializable =
        |e: serde_json::Error| Error::Document { what: "document", reason: e.to_string() };
    // Through a `Value`, whose objects are sorted.
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
        let document = ManifestJson {
            schema_version: 2,
            // Optional, but a document without it leaves its type to guesses (CVE-2021-41190).
            media_type: Some(MediaType::ImageManifest.as_str().to_owned()),
            config: DescriptorJson::of(&self.config),
            layers: self.layers.iter().map(DescriptorJson::of).collect(),
            annotations: unless_empty(&self.annotations),
        };
        Ok(Blob::new(MediaType::ImageManifest, canonical_json(&document)?))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<ManifestDocument, Error> {
        let document: ManifestJson = document("manifest", "layers", bytes)?;
        Ok(ManifestDocument {
            config: document.config.into_descriptor()?,
            layers: into_descriptors(document.layers)?,
            annotations: document.annotations.unwrap_or_default(),
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
        let document = IndexJson {
            schema_version: 2,
            media_type: Some(MediaType::ImageIndex.as_str().to_owned()),
            manifests: self.manifests.iter().map(DescriptorJson::of).collect(),
            annotations: unless_empty(&self.annotations),
        };
        Ok(Blob::new(MediaType::ImageIndex, canonical_json(&document)?))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<IndexDocument, Error> {
        let document: IndexJson = document("index", "manifests", bytes)?;
        Ok(IndexDocument {
            manifests: into_descriptors(document.manifests)?,
            annotations: document.annotations.unwrap_or_default(),
        })
    }
}

// Not the types of oci-spec: they spell `os.version` and `os.features` in another way, and so lose both.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestJson {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    config: DescriptorJson,
    layers: Vec<DescriptorJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexJson {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    manifests: Vec<DescriptorJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

/// A descriptor in a document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescriptorJson {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<PlatformJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Serialize, Deserialize)]
struct PlatformJson {
    os: String,
    architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    os_version: Option<String>,
    #[serde(rename = "os.features", skip_serializing_if = "Option::is_none")]
    os_features: Option<Vec<String>>,
}

impl DescriptorJson {
    pub(super) fn of(descriptor: &Descriptor) -> DescriptorJson {
        DescriptorJson {
            media_type: descriptor.media_type.as_str().to_owned(),
            digest: descriptor.digest.to_string(),
            size: descriptor.size,
            platform: descriptor.platform.as_ref().map(|platform| PlatformJson {
                os: platform.os.clone(),
                architecture: platform.architecture.clone(),
                variant: platform.variant.clone(),
                os_version: platform.os_version.clone(),
                os_features: (!platform.os_features.is_empty())
                    .then(|| platform.os_features.clone()),
            }),
            artifact_type: descriptor.artifact_type.clone(),
            annotations: unless_empty(&descriptor.annotations),
        }
    }

    fn into_descriptor(self) -> Result<Descriptor, Error> {
        // Go's tools write empty strings for what is not set.
        let named = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Descriptor {
            media_type: MediaType::from(self.media_type.as_str()),
            digest: self.digest.parse()?,
            size: self.size,
            platform: self.platform.map(|platform| Platform {
                os: platform.os,
                architecture: platform.architecture,
                variant: named(platform.variant),
                os_version: named(platform.os_version),
                os_features: platform.os_features.unwrap_or_default(),
            }),
            artifact_type: named(self.artifact_type),
            annotations: self.annotations.unwrap_or_default(),
        })
    }
}

fn into_descriptors(list: Vec<DescriptorJson>) -> Result<Vec<Descriptor>, Error> {
    list.into_iter().map(DescriptorJson::into_descriptor).collect()
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

// An empty map would be written as `{}`, and change the digest of every image without annotations.
fn unless_empty(annotations: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!annotations.is_empty()).then(|| annotations.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> Descriptor {
        let annotations = (0..20).map(|n| (format!("key{n}"), "value".to_owned())).collect();
        Descriptor {
            platform: Some("windows(10.0.1+win32k)/amd64".parse().unwrap()),
            artifact_type: Some("text/plain".to_owned()),
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
        let config = serde_json::to_string(&DescriptorJson::of(&descriptor())).unwrap();
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

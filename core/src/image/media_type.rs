//! Media types that we write or read.

use std::fmt;

/// The media type of a blob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MediaType {
    /// `application/vnd.oci.image.index.v1+json`
    ImageIndex,
    /// `application/vnd.oci.image.manifest.v1+json`
    ImageManifest,
    /// `application/vnd.oci.image.config.v1+json`
    ImageConfig,
    /// `application/vnd.oci.image.layer.v1.tar`
    ImageLayer,
    /// `application/vnd.oci.image.layer.v1.tar+gzip`
    ImageLayerGzip,
    /// `application/vnd.oci.image.layer.v1.tar+zstd`
    ImageLayerZstd,
    /// `application/vnd.docker.distribution.manifest.list.v2+json`, read only.
    DockerManifestList,
    /// `application/vnd.docker.distribution.manifest.v2+json`, read only.
    DockerManifest,
    /// `application/vnd.docker.image.rootfs.diff.tar`, read only.
    DockerLayer,
    /// `application/vnd.docker.image.rootfs.diff.tar.gzip`, read only.
    DockerLayerGzip,
    /// `application/vnd.docker.image.rootfs.diff.tar.zstd`, read only. Docker has no such type, but containerd unpacks it.
    DockerLayerZstd,
    /// `application/wasm`: a bare module or component
    /// ([CNCF Wasm OCI Artifact](https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/)).
    Wasm,
    /// `application/vnd.wasm.config.v0+json`: the configuration of a CNCF Wasm OCI Artifact.
    WasmConfig,
    /// Any other.
    Other(String),
}

// One table for reading and writing, so that both always agree.
const NAMES: &[(MediaType, &str)] = &[
    (MediaType::ImageIndex, "application/vnd.oci.image.index.v1+json"),
    (MediaType::ImageManifest, "application/vnd.oci.image.manifest.v1+json"),
    (MediaType::ImageConfig, "application/vnd.oci.image.config.v1+json"),
    (MediaType::ImageLayer, "application/vnd.oci.image.layer.v1.tar"),
    (MediaType::ImageLayerGzip, "application/vnd.oci.image.layer.v1.tar+gzip"),
    (MediaType::ImageLayerZstd, "application/vnd.oci.image.layer.v1.tar+zstd"),
    (MediaType::DockerManifestList, "application/vnd.docker.distribution.manifest.list.v2+json"),
    (MediaType::DockerManifest, "application/vnd.docker.distribution.manifest.v2+json"),
    (MediaType::DockerLayer, "application/vnd.docker.image.rootfs.diff.tar"),
    (MediaType::DockerLayerGzip, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    (MediaType::DockerLayerZstd, "application/vnd.docker.image.rootfs.diff.tar.zstd"),
    (MediaType::Wasm, "application/wasm"),
    (MediaType::WasmConfig, "application/vnd.wasm.config.v0+json"),
];

impl MediaType {
    /// The name as it is written in descriptors and HTTP headers.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            MediaType::Other(name) => name,
            known => NAMES
                .iter()
                .find(|(media_type, _)| media_type == known)
                .map_or("", |(_, name)| name),
        }
    }

    /// Returns true for a tar layer that is compressed with zstd.
    #[must_use]
    pub fn is_zstd(&self) -> bool {
        matches!(self, MediaType::ImageLayerZstd | MediaType::DockerLayerZstd)
    }

    /// Returns true for an index, which lists images for several platforms.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self, MediaType::ImageIndex | MediaType::DockerManifestList)
    }

    /// Returns true for the manifest of one image.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        matches!(self, MediaType::ImageManifest | MediaType::DockerManifest)
    }
}

impl From<&str> for MediaType {
    fn from(name: &str) -> MediaType {
        NAMES
            .iter()
            .find(|(_, known)| *known == name)
            // Tools that copy manifests must accept media types that they don't know (image-spec, manifest.md).
            .map_or_else(|| MediaType::Other(name.to_owned()), |(media_type, _)| media_type.clone())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_reads_back() {
        for (media_type, name) in NAMES {
            assert_eq!(&MediaType::from(*name), media_type);
            assert_eq!(media_type.as_str(), *name);
        }
        assert_eq!(MediaType::from("text/plain").as_str(), "text/plain");
    }
}

//! Layers of a standalone image, which has more than its module.

use serde::Serialize;
use wasm_oci_core::image::Digest;
use wasm_oci_core::store::ListedManifest;

/// A layer as a registry stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerSize {
    /// Its content: `runner`, `module` or `code`.
    pub content: &'static str,
    /// Platforms whose manifest lists it.
    pub platforms: Vec<String>,
    pub digest: String,
    /// Bytes, compressed.
    pub size: u64,
}

/// Returns the layers of a standalone image, each once, and none of any other.
pub(super) fn layers(manifests: &[ListedManifest]) -> Vec<LayerSize> {
    let mut found: Vec<(Digest, LayerSize)> = Vec::new();
    if !manifests.iter().any(|manifest| manifest.config.is_native()) {
        return Vec::new();
    }
    for manifest in manifests {
        let contents: &[&str] = match (manifest.config.is_native(), manifest.layers.len()) {
            (true, 3) => &["runner", "module", "code"],
            (false, 1) => &["module"],
            // Somebody else has changed the image.
            _ => &[],
        };
        let platform = manifest.platform.as_ref().map(ToString::to_string);
        for (n, layer) in manifest.layers.iter().enumerate() {
            let platforms = platform.iter().cloned();
            match found.iter_mut().find(|(digest, _)| *digest == layer.digest) {
                Some((_, same)) => same.platforms.extend(platforms),
                None => found.push((
                    layer.digest,
                    LayerSize {
                        content: contents.get(n).copied().unwrap_or("other"),
                        platforms: platforms.collect(),
                        digest: layer.digest.to_string(),
                        size: layer.size,
                    },
                )),
            }
        }
    }
    found.into_iter().map(|(_, layer)| layer).collect()
}

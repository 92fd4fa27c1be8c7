//! The manifests that an image lists, without their layers.

use super::graph::Graph;
use super::{Error, Name, Source};
use crate::image::{Config, Descriptor, Digest, Manifest, Platform};

/// A manifest that an image lists, with its configuration. Its layers were not read.
#[derive(Debug, Clone)]
pub struct ListedManifest {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The platform in the index, otherwise that of the configuration.
    pub platform: Option<Platform>,
    /// The configuration.
    pub config: Config,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

impl ListedManifest {
    /// Returns true for a WebAssembly platform.
    #[must_use]
    pub fn is_wasm(&self) -> bool {
        self.platform.as_ref().is_some_and(Platform::is_wasm)
    }

    /// Returns true if Linux starts the program without a WebAssembly runtime: the image `all` has one for WebAssembly, and this
    /// is another one.
    #[must_use]
    pub fn is_native(&self, all: &[ListedManifest]) -> bool {
        let is_linux = self.platform.as_ref().is_some_and(|platform| platform.os == "linux");
        // The Linux manifests of a universal image have the layers of the one for WebAssembly.
        let mut wasm = all.iter().filter(|it| it.is_wasm()).peekable();
        let layers = |it: &ListedManifest| -> Vec<Digest> {
            it.layers.iter().map(|layer| layer.digest).collect()
        };
        let is_other = wasm.peek().is_some() && wasm.all(|it| layers(it) != layers(self));
        is_linux && (self.config.is_native() || is_other)
    }
}

/// Reads the manifests of the image that `name` means and their configurations, but no layers. It leaves out manifests of an index
/// that are about others (`unknown/unknown`).
///
/// # Errors
/// Errors of [`load`](super::load).
pub async fn list(source: &impl Source, name: &Name) -> Result<Vec<ListedManifest>, Error> {
    let graph = Graph::new(source);
    let entries = graph.listing(&graph.root(name).await?).await?.manifests;
    listed(&graph, &entries).await
}

/// Reads what [`list`] and [`load_wasm`](super::load_wasm) do, and nothing twice.
///
/// # Errors
/// Errors of [`load`](super::load).
pub async fn list_and_load_wasm(
    source: &impl Source,
    name: &Name,
) -> Result<(Vec<ListedManifest>, Manifest), Error> {
    let graph = Graph::new(source);
    let entries = graph.listing(&graph.root(name).await?).await?.manifests;
    Ok((listed(&graph, &entries).await?, graph.wasm_manifest(&entries).await?))
}

async fn listed(
    graph: &Graph<'_, impl Source>,
    entries: &[Descriptor],
) -> Result<Vec<ListedManifest>, Error> {
    let mut listed = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.is_attestation()) {
        let (_, document) = graph.list(entry).await?;
        let config = Config::parse(&graph.document(&document.config).await?.bytes()?)?;
        listed.push(ListedManifest {
            digest: entry.digest,
            platform: entry.platform.clone().or_else(|| config.platform.clone()),
            config,
            layers: document.layers,
        });
    }
    Ok(listed)
}

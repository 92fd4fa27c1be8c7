//! Assembly of images from a module.

use super::config::{artifact_config, image_config};
use super::documents::{IndexDocument, ManifestDocument};
use super::layer::{Layer, layer};
use super::{Blob, Error, Format, Image, ImageSettings, Manifest, MediaType, Platform};
use crate::limits::ReadLimits;
use crate::module::ValidatedModule;

/// The annotation of a layer with the name of its file (image-spec, annotations.md).
pub(super) const TITLE: &str = "org.opencontainers.image.title";

/// Makes an image of `module` in each of the `formats`, in their order. The images share their layers.
///
/// The same module and settings give the same bytes, and so the same digests, on every machine.
///
/// # Errors
/// An [`Error`] for invalid settings.
pub fn assemble(
    module: &ValidatedModule,
    settings: &ImageSettings,
    formats: &[Format],
) -> Result<Vec<Image>, Error> {
    settings.check(formats)?;
    settings.check_entrypoint(formats)?;
    // Hashed once: every format below names the same blob.
    let raw = Blob::new(MediaType::Wasm, module.bytes());
    let mut parts = Parts { module, settings, raw, tar: None };
    formats.iter().map(|format| parts.image(*format)).collect()
}

struct Parts<'a> {
    module: &'a ValidatedModule,
    settings: &'a ImageSettings,
    raw: Blob,
    // Made on first use: `module` and `artifact` images have no tar layer to compress.
    tar: Option<Layer>,
}

impl Parts<'_> {
    fn image(&mut self, format: Format) -> Result<Image, Error> {
        let wasi = Platform::wasi();
        let raw = self.raw.descriptor().digest;
        match format {
            Format::Universal => {
                let tar = self.tar()?;
                self.universal(&tar)
            }
            Format::Container => {
                let tar = self.tar()?;
                self.container(&tar, &wasi).map(single)
            }
            Format::Combined => {
                let tar = self.tar()?;
                // containerd fails if `diff_ids` also lists the bare layer, which is not a tar.
                let config = image_config(self.settings, &wasi, &[tar.diff_id], Some(raw))?;
                self.manifest(config, &[&tar.blob, &self.raw]).map(single)
            }
            Format::Module => {
                // Never in an index: runwasi's shim doesn't find a bare layer there.
                let config = image_config(self.settings, &wasi, &[], Some(raw))?;
                self.manifest(config, &[&self.raw]).map(single)
            }
            Format::Artifact => {
                let config = artifact_config(self.settings, self.module, raw)?;
                // `oras pull` writes a file for each layer that has a title.
                let layer = self.raw.described(|it| {
                    let name = format!("{}.wasm", self.settings.name);
                    it.annotations.insert(TITLE.to_owned(), name);
                });
                self.manifest(config, &[&self.raw.with_descriptor(layer)?]).map(single)
            }
        }
    }

    fn tar(&mut self) -> Result<Layer, Error> {
        if let Some(tar) = &self.tar {
            return Ok(tar.clone());
        }
        let tar = layer(self.module.bytes(), self.settings)?;
        Ok(self.tar.insert(tar).clone())
    }

    fn container(&self, tar: &Layer, platform: &Platform) -> Result<Manifest, Error> {
        let config = image_config(self.settings, platform, &[tar.diff_id], None)?;
        self.manifest(config, &[&tar.blob])
    }

    fn universal(&self, tar: &Layer) -> Result<Image, Error> {
        let wasi = Platform::wasi();
        // Docker's `--platform wasi/wasm` selects the first entry. CRI and Docker's classic store select
        // the platform of their host, so they need linux entries to find the module at all.
        let mut platforms = vec![&wasi];
        for platform in &self.settings.linux_platforms {
            // Of several entries for one platform, clients use the first (image-spec, image-index.md).
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        let manifests: Vec<Manifest> = platforms
            .iter()
            .map(|platform| self.container(tar, platform))
            .collect::<Result<_, _>>()?;
        let entry = |(manifest, platform): (&Manifest, &&Platform)| {
            manifest.blob.described(|descriptor| descriptor.platform = Some((*platform).clone()))
        };
        let index = IndexDocument {
            manifests: manifests.iter().zip(&platforms).map(entry).collect(),
            annotations: self.settings.annotations.clone(),
        };
        Ok(Image::from_parts(index.to_blob()?, Vec::new(), manifests))
    }

    fn manifest(&self, config: Blob, layers: &[&Blob]) -> Result<Manifest, Error> {
        let document = ManifestDocument {
            config: config.descriptor().clone(),
            layers: layers.iter().map(|layer| layer.descriptor().clone()).collect(),
            annotations: self.settings.annotations.clone(),
        };
        let blob = document.to_blob()?;
        Manifest::from_parts(
            blob,
            document,
            config,
            layers.iter().map(|layer| (*layer).clone()).collect(),
            // Limits protect from images of strangers, and we made these layers ourselves.
            ReadLimits::NONE,
        )
    }
}

fn single(manifest: Manifest) -> Image {
    Image::from_parts(manifest.blob.clone(), Vec::new(), vec![manifest])
}

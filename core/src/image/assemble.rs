//! Assembly of images from a module.

use super::config::{artifact_config, image_config};
use super::documents::{IndexDocument, ManifestDocument};
use super::layer::{Layer, layer};
use super::{Blob, Error, Format, Image, ImageSettings, Manifest, MediaType, Platform};
use crate::limits::ReadLimits;
use crate::module::ValidatedModule;

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
    let raw = Blob::new(MediaType::Wasm, module.bytes());
    let mut parts = Parts { module, settings, raw, tar: None };
    formats.iter().map(|format| parts.image(*format)).collect()
}

struct Parts<'a> {
    module: &'a ValidatedModule,
    settings: &'a ImageSettings,
    raw: Blob,
    /// Made when the first format needs it.
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
                let config = image_config(self.settings, &wasi, &[tar.diff_id], Some(raw))?;
                self.manifest(config, &[&tar.blob, &self.raw]).map(single)
            }
            Format::Module => {
                let config = image_config(self.settings, &wasi, &[], Some(raw))?;
                self.manifest(config, &[&self.raw]).map(single)
            }
            Format::Artifact => {
                let config = artifact_config(self.settings, self.module, raw)?;
                self.manifest(config, &[&self.raw]).map(single)
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
        let mut platforms = vec![&wasi];
        for platform in &self.settings.linux_platforms {
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
        Ok(Image { root: index.to_blob()?, manifests })
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
            ReadLimits::NONE,
        )
    }
}

fn single(manifest: Manifest) -> Image {
    Image { root: manifest.blob.clone(), manifests: vec![manifest] }
}

//! Assembly of images from a module.

use super::config::{artifact_config, image_config};
use super::documents::{IndexDocument, ManifestDocument};
use super::layer::{Layer, layer};
use super::{
    Blob, Error, Format, Image, ImageSettings, Manifest, MediaType, NativeProgram, Platform,
};
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
                // CRI and Docker's classic store select the platform of their host, so they need linux entries to find the
                // module at all.
                let linux = self.settings.linux_platforms.iter();
                let linux = linux.map(|platform| self.container(&tar, platform));
                self.index(&tar, linux.collect::<Result<_, _>>()?)
            }
            Format::Standalone if self.settings.natives.is_empty() => Err(Error::NoNativeProgram),
            Format::Standalone => {
                let tar = self.tar()?;
                let natives = self.settings.natives.iter().map(|native| self.native(&tar, native));
                self.index(&tar, natives.collect::<Result<_, _>>()?)
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

    fn native(&self, tar: &Layer, native: &NativeProgram) -> Result<Manifest, Error> {
        let settings = native.settings(self.settings);
        let (runner, code) = (native.runner_layer()?, native.code_layer(settings.compression)?);
        let layers = [&runner, tar, &code];
        let diff_ids = layers.map(|layer| layer.diff_id);
        let config = image_config(&settings, &native.architecture.platform(), &diff_ids, None)?;
        manifest(&settings, config, &layers.map(|layer| &layer.blob))
    }

    /// Returns an index of the container for `wasi/wasm`, and of the manifests for linux.
    fn index(&self, tar: &Layer, linux: Vec<Manifest>) -> Result<Image, Error> {
        // Docker's `--platform wasi/wasm` selects the first entry.
        let mut manifests = vec![self.container(tar, &Platform::wasi())?];
        let platform = |manifest: &Manifest| manifest.config().platform.clone();
        for manifest in linux {
            // Of several entries for one platform, clients use the first (image-spec, image-index.md).
            if !manifests.iter().any(|known| platform(known) == platform(&manifest)) {
                manifests.push(manifest);
            }
        }
        let entry = |manifest: &Manifest| {
            manifest.blob.described(|descriptor| descriptor.platform = platform(manifest))
        };
        let index = IndexDocument {
            manifests: manifests.iter().map(entry).collect(),
            annotations: self.settings.annotations.clone(),
        };
        Ok(Image::from_parts(index.to_blob()?, Vec::new(), manifests))
    }

    fn manifest(&self, config: Blob, layers: &[&Blob]) -> Result<Manifest, Error> {
        manifest(self.settings, config, layers)
    }
}

fn manifest(settings: &ImageSettings, config: Blob, layers: &[&Blob]) -> Result<Manifest, Error> {
    let document = ManifestDocument {
        config: config.descriptor().clone(),
        layers: layers.iter().map(|layer| layer.descriptor().clone()).collect(),
        annotations: settings.annotations.clone(),
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

fn single(manifest: Manifest) -> Image {
    Image::from_parts(manifest.blob.clone(), Vec::new(), vec![manifest])
}

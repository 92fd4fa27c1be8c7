//! Images whose documents say anything, and everything that reads them.

use futures_util::FutureExt;
use wasm_oci_core::compat::engines::Engine;
use wasm_oci_core::image::{Blob, Descriptor, Image, Manifest, MediaType, Tag};
use wasm_oci_core::limits::ReadLimits;
use wasm_oci_core::store::{Error, Name, Source, load, load_partial, load_wasm};

/// A source of one image. It gives each part to everybody who asks for one of its kind, under any digest: the fuzzer can't
/// guess digests, and real sources check them before anything here sees a byte.
pub struct Parts<'a> {
    /// The manifest or index that all names mean.
    pub root: (MediaType, &'a [u8]),
    pub manifest: &'a [u8],
    pub config: &'a [u8],
    pub layer: &'a [u8],
}

/// A manifest for a configuration and a layer of this type. Its digests are of empty content.
pub fn manifest(layer: &str) -> Vec<u8> {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let descriptor =
        |media_type: &str| format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":0}}"#);
    format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor(MediaType::ImageConfig.as_str()),
        // Another digest, because each digest is fetched once.
        descriptor(layer).replace("e3b0", "0000")
    )
    .into_bytes()
}

/// A configuration whose program is `/app.wasm`.
pub const CONFIG: &[u8] = br#"{"architecture":"wasm","os":"wasip1","config":{"Entrypoint":["/app.wasm"]},
    "rootfs":{"type":"layers","diff_ids":["sha256:0000c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}"#;

impl Source for Parts<'_> {
    async fn resolve(&self, _: &Name) -> Result<Descriptor, Error> {
        Ok(Descriptor::of(self.root.0.clone(), self.root.1))
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let root = Descriptor::of(self.root.0.clone(), self.root.1);
        let bytes = match &descriptor.media_type {
            _ if descriptor.digest == root.digest => self.root.1,
            media_type if media_type.is_index() || media_type.is_manifest() => self.manifest,
            MediaType::ImageConfig | MediaType::WasmConfig => self.config,
            _ => self.layer,
        };
        Ok(Blob::new(descriptor.media_type.clone(), bytes))
    }

    fn limits(&self) -> ReadLimits {
        // Small, so that an input that goes around them shows as memory or time.
        ReadLimits {
            fetched: 16 << 20,
            unpacked: 16 << 20,
            memory: 16 << 20,
            manifests: 100,
            layers: 100,
            ..ReadLimits::default()
        }
    }
}

impl Parts<'_> {
    /// Reads the image in all ways that the commands do.
    pub fn read(&self) {
        let name = Name::Tag(Tag::latest());
        let ready = "nothing here waits";
        let whole = load(self, &name).now_or_never().expect(ready);
        let partial = load_partial(self, &name).now_or_never().expect(ready);
        let wasm = load_wasm(self, &name).now_or_never().expect(ready);
        if let Ok(image) = &whole {
            let partial = partial.as_ref().expect("all of it can be read, so parts can");
            assert!(partial.manifests.iter().all(|manifest| manifest.manifest.is_ok()));
            read_image(image);
        }
        if let Ok(shape) = partial.and_then(|partial| Ok(partial.shape()?)) {
            for engine in Engine::all() {
                let _compatibility = engine.check(&shape);
            }
        }
        if let Ok(manifest) = wasm {
            read_manifest(&manifest);
        }
    }
}

fn read_image(image: &Image) {
    let _format = image.format();
    let _size = image.size();
    assert!(image.blobs().count() > 0);
    image.manifests().iter().for_each(read_manifest);
}

fn read_manifest(manifest: &Manifest) {
    let _command = manifest.config().module_and_args();
    assert!(!manifest.module_name().contains('/'));
    if let Ok(module) = manifest.module() {
        assert!(module.bytes().len() <= 16 << 20);
    }
    for file in manifest.included().into_iter().flatten() {
        let path = file.path();
        assert!(!path.split('/').any(|part| part == ".."), "{path} leads out of the image");
    }
}

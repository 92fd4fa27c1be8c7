//! Images whose documents say anything, and everything that reads them.

use futures_util::FutureExt;
use wasm_oci_core::compat::engines::Engine;
use wasm_oci_core::image::{Blob, Descriptor, Image, Manifest, MediaType, Tag};
use wasm_oci_core::limits::ReadLimits;
use wasm_oci_core::store::{Error, Name, Source, load, load_partial, load_wasm};

/// A source of one image. Documents refer to its parts by names in place of digests, such as `sha256:layer`, because the
/// fuzzer can't guess digests.
pub struct Parts {
    root: Blob,
    others: Vec<Blob>,
}

impl Parts {
    /// The manifest or index `root` of this type, which may list this `manifest`, which may list `config` and `layer`.
    pub fn new(root: (MediaType, &[u8]), manifest: &[u8], config: &[u8], layer: &[u8]) -> Parts {
        let blob = |bytes: Vec<u8>| Blob::new(MediaType::Wasm, bytes);
        let (config, layer) = (blob(config.to_vec()), blob(layer.to_vec()));
        let manifest = blob(linked(manifest, &[("config", &config), ("layer", &layer)]));
        let names = [("config", &config), ("layer", &layer), ("manifest", &manifest)];
        let root = Blob::new(root.0, linked(root.1, &names));
        Parts { root, others: vec![config, layer, manifest] }
    }
}

/// Replaces names by the digests and sizes of these blobs.
fn linked(document: &[u8], blobs: &[(&str, &Blob)]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(document).into_owned();
    for (name, blob) in blobs {
        let Descriptor { digest, size, .. } = blob.descriptor();
        text = text.replace(&format!(r#""sha256:{name}","size":0"#), &format!(r#""{digest}","size":{size}"#));
    }
    text.into_bytes()
}

/// A manifest for a configuration and a layer of this type.
pub fn manifest(layer: &str) -> String {
    let config = MediaType::ImageConfig;
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{config}","digest":"sha256:config","size":0}},
        "layers":[{{"mediaType":"{layer}","digest":"sha256:layer","size":0}}]}}"#
    )
}

/// A configuration whose program is `/app.wasm`. It has no digest of a layer, because none would fit what is made up.
pub const CONFIG: &[u8] = br#"{"architecture":"wasm","os":"wasip1","config":{"Entrypoint":["/app.wasm"]},
    "rootfs":{"type":"layers","diff_ids":[]}}"#;

impl Source for Parts {
    async fn resolve(&self, _: &Name) -> Result<Descriptor, Error> {
        Ok(self.root.descriptor().clone())
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let mut blobs = [&self.root].into_iter().chain(&self.others);
        match blobs.find(|blob| blob.descriptor().digest == descriptor.digest) {
            Some(blob) => Ok(Blob::verified(descriptor.clone(), blob.bytes()?)?),
            None => Err(wasm_oci_core::image::Error::NoManifest.into()),
        }
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

impl Parts {
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

//! Layers: any bytes as a tar archive, as they are and compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wasm_oci_core::image::MediaType;
use wasm_oci_fuzz::image::{CONFIG, Parts, manifest};

fuzz_target!(|layer: &[u8]| {
    for media_type in [MediaType::ImageLayer, MediaType::ImageLayerGzip, MediaType::DockerLayerGzip] {
        let root = manifest(media_type.as_str());
        Parts::new((MediaType::ImageManifest, root.as_bytes()), b"", CONFIG, layer).read();
    }
});

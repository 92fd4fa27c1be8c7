//! Configurations of images: any text, beside a bare module and beside an archive.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wasm_oci_core::image::MediaType;
use wasm_oci_fuzz::image::{Parts, manifest};

fuzz_target!(|config: &[u8]| {
    for layer in ["application/wasm", MediaType::ImageLayer.as_str()] {
        let root = manifest(layer);
        let root = (MediaType::ImageManifest, root.as_bytes());
        Parts::new(root, b"", config, b"\0asm\x01\0\0\0").read();
    }
});

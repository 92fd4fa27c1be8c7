//! Manifests and indexes: any text. The first byte says which; a second text after a zero byte is what an index lists.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wasm_oci_core::image::MediaType;
use wasm_oci_fuzz::image::{CONFIG, Parts};

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, text)) = bytes.split_first() else { return };
    let mut parts = text.splitn(2, |&byte| byte == 0);
    let root = parts.next().unwrap_or_default();
    let media_type = match kind {
        b'i' => MediaType::ImageIndex,
        b'l' => MediaType::DockerManifestList,
        b'd' => MediaType::DockerManifest,
        _ => MediaType::ImageManifest,
    };
    let manifest = parts.next().unwrap_or_default();
    Parts::new((media_type, root), manifest, CONFIG, b"\0asm\x01\0\0\0").read();
});

//! Layers that engines refuse, although our reader gets to their files.

use std::io::Write as _;

use super::*;
use crate::image::tests::layers::{Entry, manifest_of, tar, tar_of};
use crate::image::{Blob, Digest, Image, ImageSettings, MediaType};

fn single(config: &str, layers: Vec<Blob>) -> Image {
    let manifest = manifest_of(config, layers);
    Image::from_parts(manifest.blob().clone(), Vec::new(), vec![manifest])
}

fn config(diff_ids: &[&str]) -> String {
    let ids: Vec<String> = diff_ids.iter().map(|id| format!("{id:?}")).collect();
    format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{"Entrypoint":["/app.wasm"]}},
            "rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    )
}

/// Asserts that every way to use the image says `reason`.
#[track_caller]
fn assert_refused(image: &Image, reason: &str) {
    let manifest = &image.manifests()[0];
    let errors = [
        manifest.module().map(drop).unwrap_err(),
        manifest.module_and_root().map(drop).unwrap_err(),
        ImageSettings::of(image).map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains(reason), "{error}");
    }
    let shape = Shape::of(image).unwrap();
    for engine in Engine::all().filter(|it| ["docker", "podman"].contains(&it.family())) {
        let checked = engine.check(&shape);
        assert_eq!(checked.supports, Supports::No, "{engine}");
        assert!(checked.because.unwrap().contains(reason), "{engine}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn a_layer_is_what_the_configuration_says() {
    let tar = tar(&[Entry::File("app.wasm", "\0asm\x01\0\0\0")]);
    let id = Digest::of(&tar).to_string();
    let other = Digest::of(b"").to_string();
    for bytes in [tar.clone(), gzip(&tar)] {
        let layer = Blob::new(MediaType::ImageLayerGzip, bytes);
        assert!(single(&config(&[&id]), vec![layer.clone()]).manifests()[0].module().is_ok());
        assert_refused(&single(&config(&[&other]), vec![layer.clone()]), &other);
        let image = single(&config(&[&id]), vec![layer.clone(), layer]);
        assert!(image.manifests()[0].module().unwrap_err().to_string().contains("1 `diff_ids`"));
    }
    // An artifact has none.
    let layer = Blob::new(MediaType::ImageLayer, tar.clone());
    assert!(single(&config(&[]), vec![layer.clone()]).manifests()[0].module().is_ok());
    // A bare layer may be listed, which says nothing about the tar next to it.
    let bare = Blob::new(MediaType::Wasm, b"\0asm\x01\0\0\0".to_vec());
    let bare_id = bare.descriptor().digest.to_string();
    let image = single(&config(&[&bare_id, &id]), vec![bare.clone(), layer.clone()]);
    assert!(image.manifests()[0].module_and_root().is_ok());
    let image = single(&config(&[&id, &bare_id]), vec![bare, layer]);
    assert!(image.manifests()[0].module_and_root().is_err());
}

#[test]
fn the_end_of_a_compressed_layer_counts() {
    // Much after the end of the archive, as GNU tar's blocking factor leaves it.
    let tar = [tar(&[Entry::File("app.wasm", "\0asm\x01\0\0\0")]), vec![0; 3 << 20]].concat();
    let id = Digest::of(&tar).to_string();
    let whole = gzip(&tar);
    let image =
        |bytes: Vec<u8>| single(&config(&[&id]), vec![Blob::new(MediaType::ImageLayerGzip, bytes)]);
    assert!(image(whole.clone()).manifests()[0].module().is_ok());
    assert_refused(&image(whole[..whole.len() - 4].to_vec()), "layer can't be unpacked");
    assert_refused(&image([&whole[..], b"garbage after the end"].concat()), "invalid gzip header");
    let mut wrong_sum = whole;
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    assert_refused(&image(wrong_sum), "checksum");
    let zstd = zstd::encode_all(&*tar, 3).unwrap();
    assert!(image(zstd.clone()).manifests()[0].module().is_ok());
    assert_refused(&image(zstd[..zstd.len() - 2].to_vec()), "layer can't be unpacked");
}

#[test]
fn settings_fit_the_files() {
    let module = wat::parse_str(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start")) (func (export "f")))"#,
    )
    .unwrap();
    let passwd = b"root:x:0:0::/:\nme:x:7:7::/:\n";
    let tar = tar_of(&[("app.wasm", &module), ("bin/app", &module), ("etc/passwd", passwd)]);
    let layer = Blob::new(MediaType::ImageLayer, tar);
    let id = layer.descriptor().digest;
    let says = |name: &str, config: &str| {
        let config = format!(
            r#"{{"os":"linux","architecture":"amd64","config":{{{config}}},"rootfs":{{"type":"layers","diff_ids":["{id}"]}}}}"#
        );
        let image = single(&config, vec![layer.clone()]);
        engine(name).check(&Shape::of(&image).unwrap()).because.unwrap_or_default()
    };
    let of = |config: &str| says("cri-1.7", config);
    let app = r#""Entrypoint":["/app.wasm"]"#;
    assert_eq!(of(app), "");
    for (config, reason) in [
        (r#""User":"nobody""#, "`User` is a name"),
        (r#""User":"me:staff""#, "`User` is a name"),
        (r#""WorkingDir":"/x""#, "not a folder"),
        (r#""WorkingDir":"/app.wasm""#, "not a folder"),
        (r#""WorkingDir":"bin""#, "is relative"),
    ] {
        let found = of(&format!("{app},{config}"));
        assert!(found.contains(reason), "{config}: {found}");
    }
    for config in [r#""User":"me""#, r#""User":"7:8""#, r#""WorkingDir":"/bin""#] {
        assert_eq!(of(&format!("{app},{config}")), "", "{config}");
    }
    let on_path = r#""Entrypoint":["app"],"Env":["PATH=/bin"]"#;
    assert!(of(on_path).contains("`PATH`"));
    assert_eq!(says("podman", on_path), "");
    assert_eq!(of(r#""Entrypoint":["app.wasm"]"#), "");
    assert_eq!(says("podman", &format!(r#"{app},"WorkingDir":"/x""#)), "");
    assert!(of(r#""Entrypoint":["/app.wasm#nope"]"#).contains("no export"));
    assert_eq!(of(r#""Entrypoint":["/app.wasm#f"]"#), "");
}

#[test]
fn a_module_that_no_runtime_starts_fails_everywhere() {
    let wat =
        r#"(module (import "wasi_snapshot_preview1" "sock_open" (func)) (func (export "_start")))"#;
    let bare = Blob::new(MediaType::Wasm, wat::parse_str(wat).unwrap());
    let config = r#"{"os":"wasi","architecture":"wasm","config":{"Entrypoint":["/a.wasm"]}}"#;
    let image = single(config, vec![bare]);
    for engine in ["cri-1.7", "node"].map(engine) {
        let because = engine.check(&Shape::of(&image).unwrap()).because.unwrap();
        assert!(because.contains("no `sock_open`"), "{engine}: {because}");
    }
}

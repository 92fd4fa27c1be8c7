//! Images of each format.

use serde_json::Value;

pub(crate) mod layers;
mod programs;
mod sparse;
mod standalone;

use super::*;
use crate::module::{BuiltModule, ValidateOptions, ValidatedModule, validate};

/// A small command module.
pub(crate) fn module() -> ValidatedModule {
    let wat = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let built = BuiltModule::new("app.wasm", wat::parse_str(wat).unwrap()).unwrap();
    validate(built.unoptimized(), &ValidateOptions::default()).unwrap()
}

/// An image of it.
pub(crate) fn image(format: Format) -> Image {
    let settings = ImageSettings { natives: natives(), ..ImageSettings::new("app") };
    assemble(&module(), &settings, &[format]).unwrap().remove(0)
}

/// Native parts for all architectures. Nothing here starts them.
pub(crate) fn natives() -> Vec<NativeProgram> {
    let native = |architecture: Architecture| NativeProgram {
        architecture,
        runner: b"runner".as_slice().into(),
        code: architecture.name().as_bytes().into(),
        engine: "wasmtime 1.0.0".to_owned(),
        serves: false,
    };
    Architecture::ALL.map(native).to_vec()
}

fn json(blob: &Blob) -> Value {
    serde_json::from_slice(&blob.bytes().unwrap()).unwrap()
}

fn layer_types(manifest: &Manifest) -> Vec<&str> {
    manifest.layers().iter().map(|layer| layer.descriptor().media_type.as_str()).collect()
}

fn diff_ids(manifest: &Manifest) -> usize {
    json(manifest.config_blob())["rootfs"]["diff_ids"].as_array().unwrap().len()
}

const TAR: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const WASM: &str = "application/wasm";

#[test]
fn universal_lists_wasi_first_and_shares_one_layer() {
    let image = image(Format::Universal);
    let index = json(image.root());
    let word = |entry: &Value, key: &str| entry["platform"][key].as_str().unwrap().to_owned();
    let platform = |entry| word(entry, "os") + "/" + &word(entry, "architecture");
    let entries = index["manifests"].as_array().unwrap();
    let platforms: Vec<String> = entries.iter().map(platform).collect();
    assert_eq!(platforms, ["wasi/wasm", "linux/amd64", "linux/arm64"]);
    let layers: Vec<Digest> =
        image.manifests().iter().map(|m| m.layers()[0].descriptor().digest).collect();
    assert!(layers.iter().all(|digest| *digest == layers[0]));
    for (manifest, platform) in image.manifests().iter().zip(platforms) {
        assert_eq!(manifest.config().platform.as_ref().unwrap().to_string(), platform);
        assert_eq!(manifest.config().entrypoint, ["/app.wasm"]);
        assert_eq!(layer_types(manifest), [TAR]);
    }
    // One layer, three configurations, three manifests, one index.
    assert_eq!(image.blobs().count(), 8);
}

#[test]
fn every_format_is_recognized() {
    for format in Format::ALL {
        assert_eq!(image(format).format(), format);
    }
}

#[test]
fn the_other_formats_are_one_manifest() {
    let shape = |format| {
        let image = image(format);
        let manifest = &image.manifests()[0];
        assert_eq!(image.digest(), manifest.blob().descriptor().digest);
        let config = manifest.config_blob().descriptor().media_type.clone();
        (config, layer_types(manifest).join(" "), diff_ids(manifest))
    };
    assert_eq!(shape(Format::Container), (MediaType::ImageConfig, TAR.to_owned(), 1));
    assert_eq!(shape(Format::Module), (MediaType::ImageConfig, WASM.to_owned(), 0));
    assert_eq!(shape(Format::Combined), (MediaType::ImageConfig, format!("{TAR} {WASM}"), 1));
    assert_eq!(shape(Format::Artifact), (MediaType::WasmConfig, WASM.to_owned(), 0));
}

#[test]
fn an_artifact_says_what_the_module_is() {
    let config = json(image(Format::Artifact).manifests()[0].config_blob());
    assert_eq!(config["os"], "wasip1");
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["layerDigests"][0], Digest::of(module().bytes()).to_string());
    assert!(config.get("component").is_none());
    let manifest = json(image(Format::Artifact).root());
    let title = &manifest["layers"][0]["annotations"]["org.opencontainers.image.title"];
    assert_eq!(title, "app.wasm");

    let wat = r#"(component (import "wasi:cli/stdout@0.2.0" (instance)))"#;
    let built = BuiltModule::new("c.wasm", wat::parse_str(wat).unwrap()).unwrap();
    let component = validate(built.unoptimized(), &ValidateOptions::default()).unwrap();
    let image =
        assemble(&component, &ImageSettings::new("c"), &[Format::Artifact]).unwrap().remove(0);
    let config = json(image.manifests()[0].config_blob());
    assert_eq!(config["os"], "wasip2");
    assert_eq!(config["component"]["imports"][0], "wasi:cli/stdout@0.2.0");
}

#[test]
fn modules_that_differ_have_configurations_that_differ() {
    let other = BuiltModule::new("o", wat::parse_str("(module)").unwrap()).unwrap().unoptimized();
    let other = validate(other, &ValidateOptions::default()).unwrap();
    let settings = ImageSettings::new("app");
    for format in [Format::Module, Format::Combined] {
        let a = assemble(&module(), &settings, &[format]).unwrap().remove(0);
        let b = assemble(&other, &settings, &[format]).unwrap().remove(0);
        let config = |image: &Image| image.manifests()[0].config_blob().descriptor().digest;
        assert_ne!(config(&a), config(&b), "{format}");
    }
}

#[test]
fn twice_gives_the_same_digests_and_formats_share_their_layers() {
    let mut settings = ImageSettings::new("app");
    settings.labels = (0..20).map(|n| (format!("label{n}"), "x".to_owned())).collect();
    settings.annotations = settings.labels.clone();
    settings.include = vec![IncludedFile::new("/etc/app.toml", *b"a = 1").unwrap()];
    let formats = [Format::Universal, Format::Container, Format::Combined];
    let digests = || {
        let images = assemble(&module(), &settings, &formats).unwrap();
        images.iter().map(Image::digest).collect::<Vec<_>>()
    };
    assert_eq!(digests(), digests());
    let images = assemble(&module(), &settings, &formats).unwrap();
    let tar = |image: &Image| image.manifests()[0].layers()[0].descriptor().digest;
    assert!(images.iter().all(|image| tar(image) == tar(&images[0])));
}

#[test]
fn the_digest_is_pinned() {
    // A change of this value is a change of every image that users build: the changelog must say so.
    let digest = image(Format::Universal).digest().to_string();
    assert_eq!(digest, "sha256:e721132d0a6a04c3eba3aa30fd1bb71b5ce2b5208dffd7a281d7cabc6f8da587");
}

#[test]
fn the_layer_holds_the_module_and_the_files_in_order() {
    let mut settings = ImageSettings::new("app");
    settings.include = vec![
        IncludedFile::new("/etc/z/b", *b"B").unwrap(),
        IncludedFile::new("/etc/a", *b"A").unwrap(),
    ];
    let image = assemble(&module(), &settings, &[Format::Container]).unwrap().remove(0);
    let included = image.manifests()[0].included().unwrap();
    let read: Vec<_> = included.iter().map(|file| (file.path(), file.content())).collect();
    assert_eq!(read, [("etc/a", &b"A"[..]), ("etc/z/b", b"B")]);
    let layer = image.manifests()[0].layers()[0].bytes().unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&*layer));
    let entries: Vec<(String, u32)> = tar
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
            assert_eq!((uid, gid, header.mtime().unwrap()), (0, 0, 0));
            (entry.path().unwrap().display().to_string(), header.mode().unwrap())
        })
        .collect();
    let expected = [
        ("etc/", 0o755),
        ("etc/z/", 0o755),
        ("app.wasm", 0o755),
        ("etc/a", 0o644),
        ("etc/z/b", 0o644),
    ];
    assert_eq!(entries, expected.map(|(path, mode)| (path.to_owned(), mode)));
}

#[test]
fn the_module_comes_out_as_it_went_in() {
    for format in Format::ALL {
        let extracted = image(format).wasm_manifest().unwrap().module().unwrap();
        assert_eq!(extracted.bytes(), module().bytes(), "{format}");
        assert_eq!(extracted.name(), "app.wasm");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = |change: &dyn Fn(&mut ImageSettings), formats: &[Format]| {
        let mut settings = ImageSettings::new("app");
        change(&mut settings);
        assemble(&module(), &settings, formats).unwrap_err().to_string()
    };
    let universal = &[Format::Universal][..];
    assert!(refused(&|s| s.name = "../x".into(), universal).contains("../x"));
    assert!(refused(&|s| s.name = String::new(), universal).contains("can't name the module"));
    assert!(refused(&|s| s.linux_platforms.clear(), universal).contains("linux platform"));
    assert!(
        refused(&|s| drop(s.env.insert("A=B".into(), String::new())), universal).contains("A=B")
    );
    assert!(refused(&|_| (), &[]).contains("once each"));
    assert!(refused(&|_| (), &[Format::Module, Format::Module]).contains("once each"));
    let file = |path: &str| IncludedFile::new(path, *b"").unwrap();
    assert!(refused(&|s| s.include = vec![file("a")], &[Format::Module]).contains("`module`"));
    assert!(refused(&|s| s.include = vec![file("app.wasm")], universal).contains("another file"));
    assert!(
        refused(&|s| s.include = vec![file("a"), file("a/b")], universal).contains("its folder")
    );
}

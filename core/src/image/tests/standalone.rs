//! Standalone images.

use super::*;

fn standalone_of(settings: ImageSettings) -> Image {
    let settings = ImageSettings { natives: natives(), ..settings };
    assemble(&module(), &settings, &[Format::Standalone]).unwrap().remove(0)
}

#[test]
fn it_is_the_universal_image_with_native_manifests_for_linux() {
    let (standalone, universal) = (image(Format::Standalone), image(Format::Universal));
    let platforms: Vec<String> = standalone
        .manifests()
        .iter()
        .map(|it| it.config().platform.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(platforms, ["wasi/wasm", "linux/amd64", "linux/arm64"]);
    let digest = |manifest: &Manifest| manifest.digest();
    assert_eq!(digest(&standalone.manifests()[0]), digest(&universal.manifests()[0]));
    let module = universal.manifests()[0].layer_digests()[0];
    let native = &standalone.manifests()[1..];
    let wasm = universal.manifests()[0].module().unwrap();
    let module_bytes = wasm.bytes();
    for manifest in native {
        assert!(manifest.is_native());
        assert_eq!(manifest.config().entrypoint, ["/.wasm-oci/runner", "/app.wasm"]);
        assert_eq!(layer_types(manifest), [TAR; 3]);
        assert_eq!(diff_ids(manifest), 3);
        assert_eq!(manifest.layer_digests()[1], module);
        assert_eq!(manifest.annotations()[ENGINE], "wasmtime 1.0.0");
    }
    // Whoever selects one finds the module, too.
    for manifest in native {
        let content = manifest.native_content().unwrap();
        assert_eq!(content.module.bytes(), module_bytes);
        assert_eq!(manifest.module().unwrap().bytes(), module_bytes);
        assert!(manifest.included().unwrap().is_empty());
    }
    // All share the runner's layer, whatever else is in the image.
    let runner = native[0].layer_digests()[0];
    assert_eq!(native[1].layer_digests()[0], runner);
    assert_ne!(native[0].layer_digests()[2], native[1].layer_digests()[2]);
    let other =
        ImageSettings { compression: LayerCompression::Zstd, ..ImageSettings::new("other") };
    assert_eq!(standalone_of(other).manifests()[1].layer_digests()[0], runner);
}

#[test]
fn it_is_made_again_from_itself_and_from_the_universal_image() {
    let mut settings = ImageSettings::new("app");
    settings.args = vec!["--verbose".to_owned()];
    settings.env.insert("A".to_owned(), "b".to_owned());
    let first = standalone_of(settings.clone());
    let universal = assemble(&module(), &settings, &[Format::Universal]).unwrap().remove(0);
    for source in [&first, &universal] {
        let (again, left_out) = ImageSettings::of(source).unwrap();
        assert_eq!(left_out, Vec::<String>::new());
        assert_eq!(standalone_of(again).digest(), first.digest());
    }
    let (again, _) = ImageSettings::of(&first).unwrap();
    let again = assemble(&module(), &again, &[Format::Universal]).unwrap().remove(0);
    assert_eq!(again.digest(), universal.digest());
}

#[test]
fn a_port_is_exposed_by_what_serves() {
    let mut settings = ImageSettings { natives: natives(), ..ImageSettings::new("app") };
    let ports = |settings: &ImageSettings| {
        let image = assemble(&module(), settings, &[Format::Standalone]).unwrap().remove(0);
        json(image.manifests()[1].config_blob())["config"]["ExposedPorts"].clone()
    };
    assert_eq!(ports(&settings), Value::Null);
    settings.natives.iter_mut().for_each(|native| native.serves = true);
    assert_eq!(ports(&settings), serde_json::json!({ "8080/tcp": {} }));
}

#[test]
fn its_folder_is_its_own_and_it_needs_a_native_part() {
    let refused = |settings: ImageSettings| {
        assemble(&module(), &settings, &[Format::Standalone]).unwrap_err().to_string()
    };
    assert!(refused(ImageSettings::new("app")).contains("needs a runner"));
    let include = vec![IncludedFile::new("/.wasm-oci/code", *b"x").unwrap()];
    let taken = ImageSettings { natives: natives(), include, ..ImageSettings::new("app") };
    assert!(refused(taken).contains("have their runner in this folder"));
}

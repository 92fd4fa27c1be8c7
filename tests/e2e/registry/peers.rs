//! Images in the shapes that other tools give them, through a real registry and back to their module.

use serde_json::{Value, json};
use wasm_oci_core::image::{Blob, Descriptor, MediaType};
use wasm_oci_core::store::{Layout, Silent, Sink};

use super::modes::User;
use super::{tag, wait};
use crate::harness::Registry;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A layout that grows blob by blob.
struct Shape {
    layout: Layout,
}

impl Shape {
    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let blob = Blob::new(MediaType::from(media_type), bytes.to_vec());
        wait(self.layout.push(&blob, &Silent)).unwrap();
        let Descriptor { digest, size, .. } = blob.descriptor();
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": size})
    }

    fn json(&self, media_type: &str, document: &Value) -> Value {
        self.blob(media_type, document.to_string().as_bytes())
    }

    fn manifest(&self, media_type: &str, config: &Value, layers: &[Value]) -> Value {
        json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers})
    }

    fn tag(&self, media_type: &str, document: &Value) {
        let blob = Blob::new(MediaType::from(media_type), document.to_string().into_bytes());
        wait(self.layout.tag(&blob, &tag("latest"))).unwrap();
    }
}

/// A tar with these files, gzipped or not.
pub(super) fn tar(files: &[(&str, &[u8])], gzip: bool) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    let bytes = tar.into_inner().unwrap();
    if !gzip {
        return bytes;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, &bytes).unwrap();
    encoder.finish().unwrap()
}

/// `wkg oci push`: the CNCF's artifact, without anything that says what to start.
fn wkg(shape: &Shape, module: &[u8]) {
    let config = json!({
        "created": "2026-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip2",
        "layerDigests": ["sha256:00"], "component": null,
    });
    let config = shape.json("application/vnd.wasm.config.v0+json", &config);
    let layer = shape.blob("application/wasm", module);
    shape.tag(OCI_MANIFEST, &shape.manifest(OCI_MANIFEST, &config, &[layer]));
}

/// `docker buildx build --platform wasi/wasm`, with the provenance that it adds as if for a platform.
fn buildx(shape: &Shape, module: &[u8]) {
    let config = json!({
        "architecture": "wasm", "os": "wasi", "config": {"Entrypoint": ["/bin/app.wasm"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": []}, "history": [],
    });
    let config = shape.json(OCI_CONFIG, &config);
    let files: [(&str, &[u8]); 2] = [("etc/app.toml", b"x = 1"), ("bin/app.wasm", module)];
    let layer = shape.blob("application/vnd.oci.image.layer.v1.tar+gzip", &tar(&files, true));
    let mut image = shape.json(OCI_MANIFEST, &shape.manifest(OCI_MANIFEST, &config, &[layer]));
    image["platform"] = json!({"architecture": "wasm", "os": "wasi"});
    let statement = shape.json(
        "application/vnd.in-toto+json",
        &json!({"_type": "https://in-toto.io/Statement/v0.1"}),
    );
    let unknown =
        shape.json(OCI_CONFIG, &json!({"architecture": "unknown", "os": "unknown", "config": {}}));
    let mut attestation =
        shape.json(OCI_MANIFEST, &shape.manifest(OCI_MANIFEST, &unknown, &[statement]));
    attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    let index_type = "application/vnd.oci.image.index.v1+json";
    let index =
        json!({"schemaVersion": 2, "mediaType": index_type, "manifests": [attestation, image]});
    shape.tag(index_type, &index);
}

/// `buildah bud --format docker`, whose layer may be as it is.
fn buildah(shape: &Shape, module: &[u8]) {
    let manifest_type = "application/vnd.docker.distribution.manifest.v2+json";
    let config = json!({
        "architecture": "wasm", "os": "wasi", "config": {"Cmd": ["/app.wasm"]},
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let config = shape.json("application/vnd.docker.container.image.v1+json", &config);
    let layer = shape.blob(
        "application/vnd.docker.image.rootfs.diff.tar",
        &tar(&[("./app.wasm", module)], false),
    );
    shape.tag(manifest_type, &shape.manifest(manifest_type, &config, &[layer]));
}

/// runwasi's `oci-tar-builder`: an image's configuration over a bare layer of the type that it had first.
fn runwasi(shape: &Shape, module: &[u8]) {
    let config = json!({
        "architecture": "wasm", "os": "wasi", "config": {"Entrypoint": ["app.wasm"]},
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let config = shape.json(OCI_CONFIG, &config);
    let layer = shape.blob("application/vnd.bytecodealliance.wasm.component.layer.v0+wasm", module);
    shape.tag(OCI_MANIFEST, &shape.manifest(OCI_MANIFEST, &config, &[layer]));
}

/// `spin registry push`: its own configuration, a component, and the component's files.
fn spin(shape: &Shape, module: &[u8]) {
    let locked = json!({
        "spin_lock_version": 1, "metadata": {"name": "app"}, "triggers": [],
        "components": [{"id": "app", "source": {"content_type": "application/wasm"}}],
    });
    let config = shape.json("application/vnd.fermyon.spin.application.v1+config", &locked);
    let wasm = shape.blob("application/vnd.wasm.content.layer.v1+wasm", module);
    let data = shape.blob("application/vnd.wasm.content.layer.v1+data", b"a file");
    shape.tag(OCI_MANIFEST, &shape.manifest(OCI_MANIFEST, &config, &[wasm, data]));
}

#[test]
fn the_module_comes_out_of_everybody_s_images() {
    type Make = fn(&Shape, &[u8]);
    let peers: [(&str, Make); 5] = [
        ("wkg", wkg),
        ("buildx", buildx),
        ("buildah", buildah),
        ("runwasi", runwasi),
        ("spin", spin),
    ];
    let (user, server) = (User::new(), Registry::start());
    let module = std::fs::read(user.path("app.wasm")).unwrap();
    for (name, make) in peers {
        let shape = Shape { layout: Layout::create(&user.path(name)).unwrap() };
        make(&shape, &module);
        let reference = format!("{}/{name}:1", server.host());
        let _pushed = user.run(&["copy", &format!("oci:{name}"), &reference]).success();
        let _pulled = user.run(&["pull", &reference, "--module", "out.wasm"]).success();
        assert!(
            std::fs::read(user.path("out.wasm")).unwrap() == module,
            "{name}: it is another module"
        );
        // And what is made of it runs.
        let convert =
            user.run(&["convert", &reference, "oci:ours:latest", "--format", "universal"]);
        if name == "spin" {
            // Its files are not a root file system: better none than half of it.
            assert!(convert.stderr.contains("is a Spin application"), "{}", convert.stderr);
            continue;
        }
        let ours = convert.success();
        assert!(ours.stderr.contains("Converted"), "{name}: {}", ours.stderr);
        let run = user.run(&["run", "oci:ours:latest", "--", "hello"]);
        assert!(run.stdout.ends_with("hello\n"), "{name}: {run:?}");
        std::fs::remove_dir_all(user.path("ours")).unwrap();
    }
}

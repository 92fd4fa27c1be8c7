//! `check` against what containerd really does with images that others make.

use std::fs;
use std::slice;

use serde_json::{Value, json};

use crate::engines::{assert_failed, compatibility};
use crate::harness::foreign::{ARTIFACT_CONFIG, Buildah, CONFIG, TAR, WASM, Written, tar, writing};
use crate::harness::{Containerd, Pod, Registry, Run, Version, umoci, wasm_oci};

/// A module that writes its name, so that each image has another one.
fn module(name: &str) -> Vec<u8> {
    writing(&format!("{name}\n"), "")
}

/// Images in a registry, each of a module that writes the image's name.
struct Images {
    registry: Registry,
    names: Vec<String>,
}

impl Images {
    fn new() -> Images {
        Images { registry: Registry::start(), names: Vec::new() }
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/foreign/{name}:1", self.registry.host())
    }

    /// Has `push` push an image of the module `name` to a reference.
    fn add(&mut self, name: &str, push: impl FnOnce(&[u8], &str)) {
        push(&module(name), &self.reference(name));
        self.names.push(name.to_owned());
    }

    /// Tries each image with a containerd, by `ctr` and in a pod, and holds that against what `check` says.
    fn assert_check_is_right(&self, version: Version, number: &str) {
        let containerd = Containerd::shared(version);
        for name in &self.names {
            let image = self.reference(name);
            let ctr = |command: &[&str]| containerd.pull_and_run(&image, &[], command);
            assert_is_right(name, &image, &format!("containerd-{number}"), ctr);
            let pod = |command: &[&str]| {
                containerd.run_pod(Pod { image: &image, command, ..Pod::default() })
            };
            assert_is_right(name, &image, &format!("cri-{number}"), pod);
        }
    }
}

/// Runs an image with its own command, or with another where `check` says that it is needed.
#[track_caller]
fn assert_is_right(name: &str, image: &str, engine: &str, run: impl Fn(&[&str]) -> Run) {
    let compatibility = compatibility(image, engine);
    let what = format!("{name} on {engine} ({compatibility})");
    let conditions = compatibility["with"].to_string();
    let as_it_is = run(&[]);
    match (compatibility["takes"].as_str().unwrap(), conditions.contains("path")) {
        ("no", _) => assert_failed(&as_it_is, &compatibility, &what),
        (_, true) => {
            assert_ne!(as_it_is.code, 0, "{what} needs no condition: {as_it_is:?}");
            let run = run(&["/app.wasm"]);
            assert_eq!((run.code, run.stdout), (0, format!("{name}\n")), "{what}: {}", run.stderr);
        }
        (_, false) => {
            assert_eq!(
                (as_it_is.code, as_it_is.stdout),
                (0, format!("{name}\n")),
                "{what}: {}",
                as_it_is.stderr
            );
        }
    }
}

const ENTRYPOINT: &str = r#"["/app.wasm"]"#;

/// Images as buildah, skopeo and wkg make them, and as somebody could.
fn images() -> Images {
    let mut images = Images::new();
    let (folder, buildah) = (tempfile::tempdir().unwrap(), Buildah::new());
    let file = |bytes: &[u8]| {
        let file = folder.path().join("app.wasm");
        fs::write(&file, bytes).unwrap();
        file
    };
    let wasi = ["--os", "wasi", "--arch", "wasm"];
    images.add("buildah", |module, to| {
        buildah.push(&file(module), &[&wasi[..], &["--entrypoint", ENTRYPOINT]].concat(), to);
    });
    images.add("buildah-for-linux", |module, to| {
        buildah.push(&file(module), &["--entrypoint", ENTRYPOINT], to)
    });
    images.add("buildah-with-cmd", |module, to| {
        buildah.push(&file(module), &[&wasi[..], &["--cmd", "/app.wasm"]].concat(), to);
    });
    images.add("buildah-without-command", |module, to| buildah.push(&file(module), &wasi, to));
    images.add("skopeo-of-universal", |module, to| {
        let archive = folder.path().join("app.tar");
        let _packed =
            Run::of(wasm_oci().arg("pack").arg(file(module)).arg("--tarball").arg(&archive))
                .success();
        // Without --all, it takes the one manifest for wasi/wasm out of the index.
        let from = format!("oci-archive:{}", archive.display());
        let _copied = umoci::copy(&from, &format!("docker://{to}"), &[]).success();
    });
    add_written(&mut images);
    images
}

/// Images that are written here.
fn add_written(images: &mut Images) {
    let written = Written::new();
    let command = json!({ "Entrypoint": ["/app.wasm"] });
    let config = |os: &str, architecture: &str, config: &Value, diff_ids: &[&Value]| {
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        json!({ "os": os, "architecture": architecture, "config": config, "rootfs": rootfs })
    };
    let image = |document: &Value, layers: &[Value]| {
        written.manifest(written.document(CONFIG, document), layers)
    };
    let in_tar = |module: &[u8], os: &str, architecture: &str, command: &Value| {
        let layer = written.blob(TAR, &tar("app.wasm", module));
        image(&config(os, architecture, command, &[&layer["digest"]]), slice::from_ref(&layer))
    };
    let bare = |module: &[u8], os: &str, architecture: &str| {
        let layer = written.blob(WASM, module);
        let command = json!({ "Entrypoint": ["/app.wasm"], "Labels": { "containerd.runwasi.layers": layer["digest"] } });
        image(&config(os, architecture, &command, &[]), &[layer])
    };
    images.add("wkg", |module, to| {
        let layer = written.blob(WASM, module);
        let config = json!({ "created": "2026-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip2",
            "layerDigests": [layer["digest"]], "component": null });
        written.push(written.manifest(written.document(ARTIFACT_CONFIG, &config), &[layer]), to);
    });
    images.add("bare-without-command", |module, to| {
        let layer = written.blob(WASM, module);
        let command = json!({ "Labels": { "containerd.runwasi.layers": layer["digest"] } });
        written.push(image(&config("wasi", "wasm", &command, &[]), &[layer]), to);
    });
    images.add("bare-in-diff-ids", |module, to| {
        let layer = written.blob(WASM, module);
        let config = config("wasi", "wasm", &command, &[&layer["digest"]]);
        written.push(image(&config, slice::from_ref(&layer)), to);
    });
    images.add("both-in-diff-ids", |module, to| {
        let (layer, bare) =
            (written.blob(TAR, &tar("app.wasm", module)), written.blob(WASM, module));
        let config = config("wasi", "wasm", &command, &[&layer["digest"], &bare["digest"]]);
        written.push(image(&config, &[layer.clone(), bare.clone()]), to);
    });
    images.add("tar-not-in-diff-ids", |module, to| {
        let layer = written.blob(TAR, &tar("app.wasm", module));
        written.push(image(&config("wasi", "wasm", &command, &[]), &[layer]), to);
    });
    images.add("os-wasip1", |module, to| {
        written.push(in_tar(module, "wasip1", "wasm", &command), to)
    });
    images.add("command-elsewhere", |module, to| {
        written.push(in_tar(module, "wasi", "wasm", &json!({ "Entrypoint": ["/other.wasm"] })), to);
    });
    images.add("command-of-a-shell", |module, to| {
        let shell = json!({ "Entrypoint": ["/bin/sh", "-c", "/app.wasm"] });
        written.push(in_tar(module, "wasi", "wasm", &shell), to);
    });
    images.add("index-of-wasi-alone", |module, to| {
        let entry = in_tar(module, "wasi", "wasm", &command);
        written.push(written.index(&[(entry, Some("wasi/wasm"))]), to);
    });
    images.add("index-of-bare-layers", |module, to| {
        let entries =
            [("wasi", "wasm"), ("linux", "amd64"), ("linux", "arm64")].map(|(os, architecture)| {
                (bare(module, os, architecture), format!("{os}/{architecture}"))
            });
        let named: Vec<_> = entries
            .iter()
            .map(|(entry, platform)| (entry.clone(), Some(platform.as_str())))
            .collect();
        written.push(written.index(&named), to);
    });
    images.add("index-for-another-system", |module, to| {
        let entry = in_tar(module, "darwin", "arm64", &command);
        written.push(written.index(&[(entry, Some("darwin/arm64"))]), to);
    });
    images.add("bare-for-linux", |module, to| written.push(bare(module, "linux", "amd64"), to));
    images.add("another-export", |module, to| {
        let command = json!({ "Entrypoint": ["/app.wasm#_start"] });
        written.push(in_tar(module, "wasi", "wasm", &command), to);
    });
    images.add("text-instead-of-a-module", |_, to| {
        written.push(in_tar(b"(module)", "wasi", "wasm", &command), to);
    });
    images.add("layer-of-another-type", |module, to| {
        let layer = written.blob("application/vnd.wasm.content.layer.v1+wasm", module);
        let command =
            json!({ "Entrypoint": ["/app.wasm"], "Labels": { "module": layer["digest"] } });
        written.push(image(&config("wasi", "wasm", &command, &[]), &[layer]), to);
    });
    images.add("bare-under-a-config-of-another-type", |module, to| {
        let layer = written.blob(WASM, module);
        let command =
            json!({ "Entrypoint": ["/app.wasm"], "Labels": { "module": layer["digest"] } });
        let config = config("wasi", "wasm", &command, &[]);
        let config = written.document("application/vnd.wasm.config.v1+json", &config);
        written.push(written.manifest(config, &[layer]), to);
    });
    images.add("config-of-another-type", |module, to| {
        let layer = written.blob(TAR, &tar("app.wasm", module));
        let config = config("wasi", "wasm", &command, &[&layer["digest"]]);
        let config = written.document("application/vnd.wasm.config.v1+json", &config);
        written.push(written.manifest(config, &[layer]), to);
    });
}

#[test]
fn check_is_right_about_images_of_others_on_debians_containerd() {
    images().assert_check_is_right(Version::Debian, "1.6");
}

#[test]
fn check_is_right_about_images_of_others_on_containerd_1_7() {
    images().assert_check_is_right(Version::V1_7, "1.7");
}

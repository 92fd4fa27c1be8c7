//! Layouts and archives that hold images of other tools, under all their names.

use std::fs;

use serde_json::{Value, json};

use super::{FILE, NOTHING, READER, SYMLINK, convert, converted, diff_id, image, layer, module};
use crate::harness::foreign::{INDEX, TAR, Written};
use crate::harness::{Run, wasm_oci};

#[test]
fn an_index_in_an_index_is_copied_whole() {
    let written = Written::new();
    let content = layer(&[(FILE, "hello.wasm", 0o755, 0, &module(NOTHING))]);
    let root = image(&written, &json!({ "Entrypoint": ["/hello.wasm"] }), &[(TAR, content)]);
    let inner = written.index(&[(root, Some("wasi/wasm"))]);
    let root = written.index(&[(inner, None)]);
    assert_eq!(root["mediaType"], INDEX);
    let image = written.name(root.clone(), "t");
    let folder = tempfile::tempdir().unwrap();
    let to = format!("oci:{}:t", folder.path().join("out").display());
    let _copied = Run::of(wasm_oci().args(["copy", &image, &to])).success();
    let archive = format!("oci-archive:{}:t", folder.path().join("a.tar").display());
    let _copied = Run::of(wasm_oci().args(["copy", &to, &archive])).success();
    for image in [&image, &to, &archive] {
        let run = Run::of(wasm_oci().args(["inspect", image, "--json"])).success();
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(found["digest"], root["digest"], "{image}");
        let _ran = Run::of(wasm_oci().args(["run", image])).success();
    }
}

#[test]
fn layouts_have_names_of_any_form() {
    let written = Written::new();
    let content = layer(&[(FILE, "hello.wasm", 0o755, 0, &module(NOTHING))]);
    let root = image(&written, &json!({ "Entrypoint": ["/hello.wasm"] }), &[(TAR, content)]);
    let digest = root["digest"].as_str().unwrap().to_owned();
    let image = written.name(root, "localhost/app:v2");
    let dir = image.trim_end_matches(":localhost/app:v2").to_owned();
    for image in [&image, &format!("{dir}:v2"), &format!("{dir}@{digest}"), &dir] {
        let _ran = Run::of(wasm_oci().args(["run", image])).success();
    }
    let wrong = Run::of(wasm_oci().args(["run", &format!("{dir}:v3")]));
    assert!(wrong.stderr.contains("it has localhost/app:v2"), "{}", wrong.stderr);
    let folder = tempfile::tempdir().unwrap();
    for to in ["oci:DIR:example.org/a/b:v3", "oci-archive:DIR.tar:example.org/a/b:v3"] {
        let to = to.replace("DIR", folder.path().join("out").to_str().unwrap());
        let _copied = Run::of(wasm_oci().args(["copy", &image, &to])).success();
        let _ran = Run::of(wasm_oci().args(["run", &to])).success();
        let _ran = Run::of(wasm_oci().args(["run", &to.replace("example.org/a/b:", "")])).success();
    }
}

#[test]
fn docker_archives_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let content = layer(&[
        (FILE, "hello.wasm", 0o755, 0, &module(READER)),
        (FILE, "data/keep", 0o644, 0, b"kept"),
        (SYMLINK, "link", 0o777, 0, b"data"),
    ]);
    let config = json!({ "os": "linux", "architecture": "amd64", "config": { "Entrypoint": ["/hello.wasm"] },
        "rootfs": { "type": "layers", "diff_ids": [diff_id(&content), diff_id(&content)] } });
    let listing = json!([{ "Config": "c.json", "RepoTags": ["localhost/app:v2"],
        "Layers": ["one/layer.tar", "two/layer.tar"] }]);
    let archive = layer(&[
        (FILE, "c.json", 0o644, 0, config.to_string().as_bytes()),
        (FILE, "one/layer.tar", 0o644, 0, &content),
        (SYMLINK, "two/layer.tar", 0o777, 0, b"../one/layer.tar"),
        (FILE, "manifest.json", 0o644, 0, listing.to_string().as_bytes()),
    ]);
    let file = folder.path().join("a.tar");
    fs::write(&file, archive).unwrap();
    for name in ["", ":localhost/app:v2", ":v2"] {
        for scheme in ["docker-archive", "oci-archive"] {
            let image = format!("{scheme}:{}{name}", file.display());
            assert_eq!(Run::of(wasm_oci().args(["run", &image])).success().stdout, "kept");
        }
    }
    let image = format!("docker-archive:{}", file.display());
    let _checked = Run::of(wasm_oci().args(["check", &image])).success();
    let (folder, run) = convert(&image, "universal");
    let _converted = run.success();
    let new = converted(&folder);
    assert_eq!(Run::of(wasm_oci().args(["run", &new])).success().stdout, "kept");
    let refused = Run::of(wasm_oci().args(["copy", &new, &image]));
    assert!(refused.stderr.contains("is not a destination"), "{}", refused.stderr);
}

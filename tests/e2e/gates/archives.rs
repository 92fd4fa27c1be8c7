//! Layouts and archives that name several images the same, or one image twice.

use std::fs;

use serde_json::{Value, json};

use super::{evil, good, image, run};
use crate::harness::foreign::{TAR, Written, tar};

/// The files of an archive, as `docker save` writes them: of OCI's format and of Docker's.
fn archive(written: &Written, index: &Value, docker: &Value) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, content).unwrap();
    };
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    add("index.json", index.to_string().as_bytes());
    add("manifest.json", docker.to_string().as_bytes());
    let blobs = written.folder().join("blobs/sha256");
    for entry in fs::read_dir(blobs).unwrap().map(Result::unwrap) {
        let path = format!("blobs/sha256/{}", entry.file_name().to_str().unwrap());
        add(&path, &fs::read(entry.path()).unwrap());
    }
    archive.into_inner().unwrap()
}

fn path(digest: &Value) -> String {
    format!("blobs/{}", digest.as_str().unwrap().replace(':', "/"))
}

/// The entry of `manifest.json` for a manifest.
fn docker_entry(written: &Written, manifest: &Value, tag: &str) -> Value {
    let manifest = fs::read(written.folder().join(path(&manifest["digest"]))).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let layers: Vec<String> =
        manifest["layers"].as_array().unwrap().iter().map(|it| path(&it["digest"])).collect();
    json!({ "Config": path(&manifest["config"]["digest"]), "RepoTags": [tag], "Layers": layers })
}

fn named(root: &Value, tag: &str, name: &str) -> Value {
    let mut root = root.clone();
    root["annotations"] =
        json!({ "org.opencontainers.image.ref.name": tag, "io.containerd.image.name": name });
    root
}

fn index(entries: &[Value]) -> Value {
    json!({ "schemaVersion": 2, "manifests": entries })
}

#[test]
fn a_tag_of_several_images_is_not_a_choice() {
    let (written, folder) = (Written::new(), tempfile::tempdir().unwrap());
    let [good, evil] =
        [good(), evil()].map(|it| image(&written, "linux/amd64", &[(TAR, tar("app.wasm", &it))]));
    let (one, two) = ("docker.io/ex/app:1", "docker.io/other/app:1");
    let listed = index(&[named(&good, "1", one), named(&evil, "1", two)]);
    let docker = json!([
        docker_entry(&written, &good, "ex/app:1"),
        docker_entry(&written, &evil, "other/app:1")
    ]);
    let file = folder.path().join("a.tar");
    fs::write(&file, archive(&written, &listed, &docker)).unwrap();
    let layout = written.folder();
    fs::write(layout.join("index.json"), listed.to_string()).unwrap();
    for place in [format!("oci-archive:{}", file.display()), format!("oci:{}", layout.display())] {
        let several = run(&["run", &format!("{place}:1")]);
        assert_eq!((several.code, several.stdout.as_str()), (1, ""), "{}", several.stderr);
        let expected = format!("has several images called `1`: choose one of {one}, {two}");
        assert!(several.stderr.contains(&expected), "{}", several.stderr);
        let none = run(&["run", &place]);
        assert!(none.stderr.contains(&format!("it has {one}, {two}")), "{}", none.stderr);
        for (name, output) in [(one, "good"), ("ex/app:1", "good"), ("other/app:1", "evil")] {
            let ran = run(&["run", &format!("{place}:{name}")]).success();
            assert_eq!(ran.stdout, output, "{name}");
        }
    }
    // The same name twice, so that only digests are left.
    let twice = index(&[named(&good, "latest", one), named(&evil, "latest", one)]);
    fs::write(layout.join("index.json"), twice.to_string()).unwrap();
    let several = run(&["run", &format!("oci:{}", layout.display())]);
    assert!(several.stderr.contains(good["digest"].as_str().unwrap()), "{}", several.stderr);
    // One image twice is one image.
    let same = index(&[named(&good, "latest", one), named(&good, "latest", two)]);
    fs::write(layout.join("index.json"), same.to_string()).unwrap();
    let _ran = run(&["run", &format!("oci:{}:latest", layout.display())]).success();
}

#[test]
fn an_archive_that_lists_other_images_for_docker_is_refused() {
    let (written, folder) = (Written::new(), tempfile::tempdir().unwrap());
    let [good, evil] =
        [good(), evil()].map(|it| image(&written, "linux/amd64", &[(TAR, tar("app.wasm", &it))]));
    let both = written.index(&[(good.clone(), Some("linux/arm64")), (evil.clone(), None)]);
    let name = "docker.io/ex/app:1";
    let file = folder.path().join("a.tar");
    let write = |root: &Value, docker: &Value| {
        let (root, docker) =
            (named(root, "1", name), json!([docker_entry(&written, docker, "ex/app:1")]));
        fs::write(&file, archive(&written, &index(&[root]), &docker)).unwrap();
    };
    let (oci, docker) =
        (format!("oci-archive:{}", file.display()), format!("docker-archive:{}", file.display()));
    write(&good, &evil);
    for command in ["run", "validate", "check", "inspect"] {
        let refused = run(&[command, &oci]);
        assert_eq!(refused.code, 1, "{command}: {}", refused.stderr);
        assert!(refused.stderr.contains("names other images"), "{command}: {}", refused.stderr);
    }
    let ran = run(&["run", &docker]).success();
    assert_eq!(ran.stdout, "evil");
    assert!(ran.stderr.contains("names other images in its index.json"), "{}", ran.stderr);
    // Docker's part of an index, and the whole of a manifest.
    for root in [&good, &both] {
        write(root, &good);
        assert_eq!(run(&["run", &docker]).success().stderr, "");
        let _ran = run(&["run", &oci]).success();
    }
}

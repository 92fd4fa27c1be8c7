//! Indexes that are not changed, each with the reason and the remedy.

use wasm_oci_core::image::{Reference, Tag};
use wasm_oci_core::store::{Error, Name, Registry as Client, RegistryOptions, Source};

use super::*;

#[track_caller]
fn refused(args: &[&str], code: i32, texts: &[&str]) {
    let run = index(args);
    assert_eq!(run.code, code, "{args:?}: {run:?}");
    assert_eq!(run.stdout, "", "{args:?}");
    for text in texts {
        assert!(run.stderr.contains(text), "{args:?}: {text}: {run:?}");
    }
    assert_eq!(
        run.stderr.trim_end().lines().filter(|it| it.starts_with("error")).count(),
        1,
        "{run:?}"
    );
}

#[test]
fn an_index_that_can_not_be_changed_stays_as_it_is() {
    let images = Images::new("refused\n");
    let written = Written::new();
    let root = of_buildx(&written);
    let place = written.name(root.clone(), "1.0");
    let wasm = images.wasm();
    // A universal image has entries for Linux, too.
    refused(
        &["add", &place, &wasm],
        1,
        &["already has another entry for linux/amd64 and linux/arm64", "--platform", "--replace"],
    );
    let none = ["remove", &place, "--platform", "wasi/wasm"];
    refused(&none, 1, &["no entry for `wasi/wasm`; it has linux/amd64, linux/arm64\n"]);
    let all = ["remove", &place, "--platform", "linux/amd64,linux/arm64"];
    refused(&all, 1, &["no image would be left in the index", "wasm-oci delete"]);
    refused(&["remove", &place], 2, &["--platform"]);
    refused(&["remove", &place, "--platform", "Linux"], 2, &["is not a platform"]);
    let by_digest =
        format!("oci:{}@{}", written.folder().display(), root["digest"].as_str().unwrap());
    refused(&["add", &by_digest, &wasm], 2, &["a destination can't have a digest"]);
    let module = images.path("app.wasm");
    refused(
        &["add", &place, module.to_str().unwrap()],
        2,
        &["is a module, not an image; pack it first"],
    );
    refused(&["add", module.to_str().unwrap(), &wasm], 2, &["is not a destination for an image"]);
    refused(&["add", "docker-archive:x.tar", &wasm], 2, &["is not a destination for an image"]);
    let missing = format!("oci:{}:2.0", written.folder().display());
    refused(&["add", &missing, &wasm], 1, &["has no `2.0`", "1.0"]);
    assert_eq!(digest(&raw(&place)), root["digest"].as_str().unwrap());

    let _replaced = index(&["add", &place, &wasm, "--replace"]).success();
    assert_eq!(platforms(&place), ["linux/amd64", "linux/arm64", "wasi/wasm"]);
    let mut of_ours = entries(&wasm);
    of_ours.rotate_left(1);
    assert_eq!(entries(&place), of_ours);
}

#[test]
fn what_no_engine_could_choose_is_refused() {
    let images = Images::new("hostile\n");
    let wasm = images.wasm();
    let written = Written::new();
    let blob = written.blob("application/octet-stream", b"anything");
    let empty = written.blob("application/vnd.oci.empty.v1+json", b"{}");
    let artifact = written.manifest(empty, std::slice::from_ref(&blob));
    let place = written.name(artifact.clone(), "1");
    let target = format!("oci:{}:1", images.path("target").display());
    refused(
        &["create", &target, &place],
        1,
        &["names no platform", "an index can only list images"],
    );
    refused(&["add", &place, &wasm], 1, &["names no platform"]);

    // An index in an index: flattened from a source, refused where it would stay.
    let inner = of_buildx(&written);
    let place = written.name(written.index(&[(inner.clone(), None)]), "1");
    let add = [&["add", &place, &wasm], &WASI[..]].concat();
    refused(&add, 1, &["lists another index", "wasm-oci index create"]);
    let _flat = index(&["create", &place, &place]).success();
    assert_eq!(platforms(&place), OF_BUILDX);
    let _added = index(&add).success();

    // Manifests that are not there.
    let mut gone = artifact.clone();
    gone["digest"] = json!(digest("gone"));
    let listed = [(inner, None), (gone.clone(), Some("linux/s390x"))];
    let place = written.name(written.index(&listed[1..]), "1");
    let before = fs::read(written.folder().join("index.json")).unwrap();
    let hex = digest("gone").replace("sha256:", "");
    refused(&[&["add", &place, &wasm], &WASI[..]].concat(), 1, &["can't read", &hex]);
    assert_eq!(fs::read(written.folder().join("index.json")).unwrap(), before);

    // Thousands of entries, in little text or in much.
    let many: Vec<(Value, Option<&str>)> = vec![(gone, Some("linux/s390x")); 1001];
    let place = written.name(written.index(&many), "1");
    let limit = ["1001 manifests, more than 1000", "--read-limit manifests="];
    refused(&[&["add", &place, &wasm], &WASI[..]].concat(), 10, &limit);
    refused(&["create", &target, &place], 10, &limit);
    refused(&["remove", &place, "--platform", "linux/s390x"], 10, &limit);
}

#[tokio::test]
async fn the_change_of_somebody_else_is_noticed() {
    let registry = Registry::start();
    let written = Written::new();
    let root = of_buildx(&written);
    let reference = format!("{}/me/app:1.0", registry.host());
    written.push(root, &reference);
    let reference: Reference = reference.parse().unwrap();
    let client = Client::new(&reference, RegistryOptions::default()).unwrap();
    let tag: Tag = "1.0".parse().unwrap();
    let found = client.resolve(&Name::Tag(tag.clone())).await.unwrap();
    let root = client.fetch(&found).await.unwrap();
    // A tag that is already there needs no change.
    client.replace(&tag, Digest::of(b"other"), &root).await.unwrap();
    let manifest = wasm_oci_core::store::load(&client, &Name::Tag(tag.clone())).await.unwrap();
    let new = manifest.manifests()[0].blob();
    let error = client.replace(&tag, Digest::of(b"other"), new).await.unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert!(error.to_string().contains("`1.0` of"), "{error}");
    client.replace(&tag, found.digest, new).await.unwrap();
    let moved = client.resolve(&Name::Tag(tag)).await.unwrap().digest;
    assert_eq!(moved, new.descriptor().digest);
}

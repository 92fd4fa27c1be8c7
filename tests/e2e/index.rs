//! One tag for native images and those for WebAssembly: what buildah, skopeo and buildx made gets entries of ours, in a registry, a
//! layout and an archive.

mod refused;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use wasm_oci_core::image::Digest;

use crate::harness::containerd::{SNAPSHOTTER, WASM as WASM_PLATFORM};
use crate::harness::foreign::{Buildah, CONFIG, INDEX, MANIFEST, TAR, Written, tar, writing};
use crate::harness::{Containerd, Pod, Registry, Run, Version, tools, umoci, wasm_oci};
use crate::kubernetes;

const WASI: [&str; 2] = ["--platform", "wasi/wasm"];

/// A folder with a Wasm image of ours, and a program for this machine.
struct Images {
    folder: TempDir,
}

impl Images {
    fn new(text: &str) -> Images {
        let folder = tempfile::tempdir().unwrap();
        let images = Images { folder };
        fs::write(images.path("app.wasm"), writing(text, "")).unwrap();
        let mut pack = wasm_oci();
        pack.args(["pack", "app.wasm", "--oci-layout-path", "wasm", "--tag", "1.0", "--quiet"]);
        let _packed = Run::of(pack.current_dir(images.folder.path())).success();
        images
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The universal image of ours.
    fn wasm(&self) -> String {
        format!("oci:{}:1.0", self.path("wasm").display())
    }

    /// A program for Linux that writes a text.
    fn native(&self, text: &str) -> PathBuf {
        let (source, program) = (self.path("native.c"), self.path("native"));
        fs::write(&source, format!("#include <stdio.h>\nint main() {{ puts({text:?}); }}\n"))
            .unwrap();
        let mut cc = Command::new(tools::program("cc"));
        let _built = Run::of(cc.arg("-static").arg(&source).arg("-o").arg(&program)).success();
        program
    }
}

fn index(args: &[&str]) -> Run {
    Run::of(wasm_oci().arg("index").args(args))
}

/// The document of an image as it is, at any place that skopeo knows.
#[track_caller]
fn raw(place: &str) -> String {
    let mut skopeo = Command::new(tools::program("skopeo"));
    skopeo.args(["--insecure-policy", "inspect", "--tls-verify=false", "--raw", place]);
    Run::of(&mut skopeo).success().stdout
}

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

/// The platforms and digests of an index.
#[track_caller]
fn entries(place: &str) -> Vec<(String, String)> {
    let index: Value = serde_json::from_str(&raw(place)).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |it: &Value| {
        let platform = &it["platform"];
        let names = [&platform["os"], &platform["architecture"]].map(word);
        (names.join("/"), word(&it["digest"]))
    };
    index["manifests"].as_array().unwrap().iter().map(entry).collect()
}

#[track_caller]
fn platforms(place: &str) -> Vec<String> {
    entries(place).into_iter().map(|(platform, _)| platform).collect()
}

/// The configuration of the entry that skopeo takes for a platform.
#[track_caller]
fn config_for(platform: &str, place: &str) -> Value {
    let (os, architecture) = platform.split_once('/').unwrap();
    let mut skopeo = Command::new(tools::program("skopeo"));
    skopeo.args(["--insecure-policy", "--override-os", os, "--override-arch", architecture]);
    let run = Run::of(skopeo.args(["inspect", "--tls-verify=false", "--config", place])).success();
    serde_json::from_str(&run.stdout).unwrap()
}

#[track_caller]
fn assert_entries_are_chosen(place: &str, native_entrypoint: &str) {
    let wasm = config_for("wasi/wasm", place);
    assert_eq!(
        (&wasm["os"], &wasm["config"]["Entrypoint"][0]),
        (&json!("wasi"), &json!("/app.wasm"))
    );
    let native = config_for("linux/amd64", place);
    assert_eq!(native["os"], "linux");
    assert_eq!(native["config"]["Entrypoint"][0], native_entrypoint);
}

const NATIVE: [&str; 6] = ["--os", "linux", "--arch", "amd64", "--entrypoint", r#"["/app.wasm"]"#];

#[test]
fn one_tag_is_native_and_wasm() {
    let (registry, images) = (Registry::start(), Images::new("from Wasm\n"));
    let reference = format!("{}/me/app:1.0", registry.host());
    let place = format!("docker://{reference}");
    // It calls every file so; this one is for Linux.
    let buildah = Buildah::new();
    buildah.push(&images.native("from Linux"), &NATIVE, &reference);
    let native = digest(&raw(&place));
    let run = index(&[&["add", &reference, &images.wasm()], &WASI[..]].concat()).success();
    let new = digest(&raw(&place));
    assert_eq!(run.stdout.trim_end(), format!("{}/me/app@{new}", registry.host()));
    let wasm = entries(&images.wasm()).remove(0).1;
    let expected = [("linux/amd64".to_owned(), native), ("wasi/wasm".to_owned(), wasm.clone())];
    assert_eq!(entries(&place), expected);
    assert_entries_are_chosen(&place, "/app.wasm");
    let by_digest = |digest: &str| format!("{}/me/app@{digest}", registry.host());

    for version in [Version::Debian, Version::V1_7] {
        let containerd = Containerd::shared(version);
        let _pulled = containerd.pull(&reference, "linux/amd64").success();
        let content = containerd.ctr(["content", "ls", "--quiet"]).success().stdout;
        assert!(!content.contains(&wasm), "{version:?} pulled the wrong entry: {content}");
        let id = format!("native-{version:?}-{}", std::process::id());
        let runc = ["run", "--rm", "--snapshotter", SNAPSHOTTER, "--platform", "linux/amd64"];
        let run = containerd.ctr(runc.into_iter().chain([reference.as_str(), id.as_str()]));
        assert_eq!(run.success().stdout, "from Linux\n", "{version:?}");
        let run = containerd.pull_and_run(&reference, &[], &[]);
        assert_eq!(run.success().stdout, "from Wasm\n", "{version:?} for {WASM_PLATFORM}");
    }
    for version in [Version::Debian, Version::V1_7] {
        let containerd = Containerd::shared(version);
        // Kubernetes knows no `--platform`, and takes the entry of its host. The digest names the other one.
        let by_digest = by_digest(&wasm);
        let pod = |image| Containerd::shared(version).run_pod(Pod { image, ..Pod::default() });
        let run = pod(by_digest.as_str());
        assert_eq!((run.code, run.stdout.as_str()), (0, "from Wasm\n"), "{version:?}: {run:?}");
        let run = pod(reference.as_str());
        assert_eq!((run.code, run.stdout.as_str()), (0, "from Linux\n"), "{version:?}: {run:?}");
        drop(containerd);
    }
    // Pods of both, each by the digest with which it is started above.
    let k8s = |args: &[&str]| Run::of(wasm_oci().args(["k8s", &reference]).args(args)).success();
    let both = k8s(&["--variants", "native=3,wasm", "--port", "8080"]).stdout;
    kubernetes::assert_valid(&both);
    let images: Vec<&str> =
        both.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
    assert_eq!(images, [&format!("{}/me/app@{new}", registry.host()), &by_digest(&wasm)]);
    assert!(both.contains("replicas: 3\n") && both.contains("kind: Service\n"), "{both}");
    assert_eq!(both.matches("runtimeClassName: wasmtime\n").count(), 1, "{both}");
    let alone = k8s(&[]);
    assert!(!alone.stdout.contains("untimeClass"), "{alone:?}");
    assert!(alone.stderr.contains("--variants native,wasm"), "{alone:?}");
    // Our own commands take the entry for WebAssembly.
    let run = Run::of(wasm_oci().args(["run", "--quiet", &reference])).success();
    assert_eq!(run.stdout, "from Wasm\n");
    let _checked = Run::of(wasm_oci().args(["check", &reference])).success();
}

/// An index as buildx makes it: two platforms, an attestation about each, indented.
fn of_buildx(written: &Written) -> Value {
    let mut index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
    let mut attestations = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let layer = written.blob(TAR, &tar("app", architecture.as_bytes()));
        let config = json!({ "os": "linux", "architecture": architecture,
            "config": { "Entrypoint": ["/app"] },
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] } });
        let mut manifest = written.manifest(written.document(CONFIG, &config), &[layer]);
        manifest["platform"] = json!({ "architecture": architecture, "os": "linux" });
        let statement = json!({ "_type": "https://in-toto.io/Statement/v0.1",
            "subject": [{ "digest": { "sha256": manifest["digest"] } }] });
        let mut layer = written.document("application/vnd.in-toto+json", &statement);
        layer["annotations"] =
            json!({ "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" });
        let config = json!({ "architecture": "unknown", "os": "unknown", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] } });
        let mut attestation = written.manifest(written.document(CONFIG, &config), &[layer]);
        attestation["annotations"] = json!({
            "vnd.docker.reference.digest": manifest["digest"],
            "vnd.docker.reference.type": "attestation-manifest" });
        attestation["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
        index["manifests"].as_array_mut().unwrap().push(manifest);
        attestations.push(attestation);
    }
    index["manifests"].as_array_mut().unwrap().extend(attestations);
    written.blob(INDEX, serde_json::to_string_pretty(&index).unwrap().as_bytes())
}

const OF_BUILDX: [&str; 4] = ["linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"];

#[test]
fn what_buildx_made_gets_an_entry_and_loses_it_again() {
    let (registry, images) = (Registry::start(), Images::new("more\n"));
    let wasm = images.wasm();
    let written = Written::new();
    let root = of_buildx(&written);
    let reference = format!("{}/me/app:1.0", registry.host());
    written.push(root.clone(), &reference);
    let layout = written.name(root.clone(), "1.0");
    let archive = images.path("app.tar");
    let archive = format!("oci-archive:{}:1.0", archive.display());
    let _copied = umoci::copy(&layout, &archive, &["--all", "--preserve-digests"]).success();
    let former = root["digest"].as_str().unwrap();
    for place in [reference.as_str(), &layout, &archive] {
        let skopeos =
            if place == reference { format!("docker://{place}") } else { place.to_owned() };
        assert_eq!(digest(&raw(&skopeos)), former);
        let add = [&["add", place, &wasm, "--json"], &WASI[..]].concat();
        let run = index(&add).success();
        let added: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(added["digest"], digest(&raw(&skopeos)));
        assert_eq!(added["entries"].as_array().unwrap().len(), 5);
        let mut expected: Vec<&str> = OF_BUILDX.to_vec();
        expected.insert(2, "wasi/wasm");
        assert_eq!(platforms(&skopeos), expected, "{place}");
        assert_entries_are_chosen(&skopeos, "/app");
        let run = Run::of(wasm_oci().args(["run", "--quiet", place])).success();
        assert_eq!(run.stdout, "more\n", "{place}");
        if place == archive {
            for version in [Version::Debian, Version::V1_7] {
                let (containerd, name) = (Containerd::shared(version), "example.com/buildx");
                let _imported = containerd.import(&images.path("app.tar"), name).success();
                let run = containerd.run(&format!("{name}:1.0"), &[], &[]).success();
                assert_eq!(run.stdout, "more\n", "{version:?}");
            }
        }
        // Again, it changes nothing.
        let _again = index(&add).success();
        assert_eq!(added["digest"], digest(&raw(&skopeos)));
        let _removed = index(&[&["remove", place], &WASI[..]].concat()).success();
        assert_eq!(digest(&raw(&skopeos)), former, "{place}");
        // With its attestation.
        let _removed = index(&["remove", place, "--platform", "linux/arm64/v8"]).success();
        assert_eq!(platforms(&skopeos), ["linux/amd64", "unknown/unknown"], "{place}");
    }
}

#[test]
fn an_index_is_made_of_images_in_many_places() {
    let (registry, images) = (Registry::start(), Images::new("made\n"));
    let written = Written::new();
    let root = of_buildx(&written);
    let native = format!("{}/native/app:2", registry.host());
    written.push(root.clone(), &native);
    // A CNCF artifact has a platform, too.
    let artifact = images.path("artifact.tar");
    let mut pack = wasm_oci();
    pack.args(["pack", "app.wasm", "--format", "artifact", "--quiet", "--tarball", "artifact.tar"]);
    let _packed = Run::of(pack.current_dir(images.folder.path())).success();
    let artifact = format!("oci-archive:{}", artifact.display());
    let reference = format!("{}/me/hybrid:1.0", registry.host());
    let sources = [native.as_str(), &images.wasm(), &artifact];
    let platform = ["--platform", "linux/amd64,wasi/wasm"];
    // Each source has to have each platform that is named.
    let run = index(&[&["create", &reference], &sources[..], &platform].concat());
    assert!(
        run.code == 1 && run.stderr.contains("the image has no entry for `wasi/wasm`"),
        "{run:?}"
    );
    assert!(run.stderr.contains("it has linux/amd64, linux/arm64\n"), "{run:?}");

    let _created = index(&["create", &reference, &native, &artifact]).success();
    let place = format!("docker://{reference}");
    let mut expected: Vec<&str> = OF_BUILDX.to_vec();
    expected.insert(2, "wasip1/wasm");
    assert_eq!(platforms(&place), expected);
    let run = Run::of(wasm_oci().args(["run", "--quiet", &reference])).success();
    assert_eq!(run.stdout, "made\n");
    // The registry has the native blobs in another repository.
    assert!(
        registry.log().contains("from=native%2Fapp") || registry.log().contains("from=native/app")
    );

    // A layout, an archive, and back.
    let (layout, archive) = (images.path("new"), images.path("new.tar"));
    let layout = format!("oci:{}:localhost/app:v1", layout.display());
    let archive = format!("oci-archive:{}:localhost/app:v1", archive.display());
    let run = index(&["create", &layout, &reference]).success();
    assert_eq!(run.stdout.trim_end(), layout);
    let _created = index(&["create", &archive, &layout]).success();
    // By its tag, which is what an archive has of a name.
    let by_tag = archive.replace("localhost/app:", "");
    assert_eq!(raw(&layout), raw(&by_tag));
    assert_eq!(entries(&by_tag), entries(&place));
}

#[test]
fn other_images_of_a_layout_and_an_archive_keep_their_names() {
    let images = Images::new("others\n");
    let written = Written::new();
    let _first = written.name(of_buildx(&written), "native");
    let layout = written.folder();
    let other = format!("oci:{}:other", layout.display());
    let _copied =
        Run::of(wasm_oci().args(["copy", &images.wasm(), &other, "-t", "also"])).success();
    let in_layout = |name: &str| format!("oci:{}:{name}", layout.display());
    let _added =
        index(&[&["add", &in_layout("native"), &images.wasm()], &WASI[..]].concat()).success();
    let names = |index: &str| -> Vec<String> {
        let index: Value = serde_json::from_str(index).unwrap();
        let name = |it: &Value| {
            let name = &it["annotations"]["org.opencontainers.image.ref.name"];
            name.as_str().unwrap().to_owned()
        };
        index["manifests"].as_array().unwrap().iter().map(name).collect()
    };
    let listed = fs::read_to_string(layout.join("index.json")).unwrap();
    assert_eq!(names(&listed), ["native", "other", "also"]);
    assert_eq!(raw(&in_layout("other")), raw(&images.wasm()));

    // In an archive, with Docker's older listing.
    let archive = images.path("all.tar");
    let tarred = |folder: &Path, archive: &Path| {
        let mut tar = Command::new(tools::program("tar"));
        let _tarred = Run::of(tar.arg("-cf").arg(archive).arg("-C").arg(folder).arg(".")).success();
    };
    tarred(layout, &archive);
    let in_archive = |name: &str| format!("oci-archive:{}:{name}", archive.display());
    let removed = ["remove", &in_archive("native"), "--platform", "wasi/wasm,linux/arm64"];
    let _removed = index(&removed).success();
    assert_eq!(platforms(&in_archive("native")), ["linux/amd64", "unknown/unknown"]);
    for name in ["other", "also"] {
        assert_eq!(raw(&in_archive(name)), raw(&images.wasm()));
    }
    let run = Run::of(wasm_oci().args(["run", "--quiet", &in_archive("also")])).success();
    assert_eq!(run.stdout, "others\n");
    let names_of = |file: &str| {
        let mut tar = Command::new(tools::program("tar"));
        Run::of(tar.arg("-xOf").arg(&archive).arg(file)).success().stdout
    };
    assert_eq!(names(&names_of("index.json")), ["native", "other", "also"]);
}

#[test]
fn dockers_list_becomes_an_index() {
    let (registry, images) = (Registry::start(), Images::new("docker\n"));
    let written = Written::new();
    let list = of_buildx(&written);
    let from = written.name(list, "1.0");
    let reference = format!("{}/docker:1.0", registry.host());
    let place = format!("docker://{reference}");
    // skopeo gives single manifests Docker's type.
    let override_platform = ["--override-os=linux", "--override-arch=amd64"];
    let mut skopeo = Command::new(tools::program("skopeo"));
    skopeo.arg("--insecure-policy").args(override_platform);
    skopeo.args(["copy", "--dest-tls-verify=false", "--format", "v2s2", &from, &place]);
    let _copied = Run::of(&mut skopeo).success();
    let docker: Value = serde_json::from_str(&raw(&place)).unwrap();
    assert_eq!(docker["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    let list = format!("{}/docker:list", registry.host());
    let _created = index(&["create", &list, &reference]).success();
    let raw_list = raw(&format!("docker://{list}"));
    let document: Value = serde_json::from_str(&raw_list).unwrap();
    assert_eq!(document["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
    let _added = index(&[&["add", &list, &images.wasm()], &WASI[..]].concat()).success();
    let place = format!("docker://{list}");
    let document: Value = serde_json::from_str(&raw(&place)).unwrap();
    assert_eq!(document["mediaType"], INDEX);
    assert_eq!(document["manifests"][1]["mediaType"], MANIFEST);
    assert_entries_are_chosen(&place, "/app");
    let _removed = index(&[&["remove", &list], &WASI[..]].concat()).success();
    assert_eq!(raw(&place), raw_list);
}

//! Images that were made to do harm: every command that reads them stops at its limits.

use std::fs;
use std::io::Write;
use std::time::Instant;

use serde_json::{Value, json};
use wasm_oci_core::image::Digest;

use crate::harness::commands::wasm_oci_within;
use crate::harness::{Run, wasm_oci};

/// The exit code of an image over a limit.
const OVER_LIMIT: i32 = 10;

/// A layout with one image, whatever is in it.
struct Layout(tempfile::TempDir);

impl Layout {
    fn new() -> Layout {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Layout(folder)
    }

    fn add(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.0.path().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        let media_type = format!("application/vnd.oci.image.{media_type}");
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    }

    fn add_manifest(&self, layers: &[Value], number: usize) -> Value {
        let config = json!({
            "os": "wasi", "architecture": "wasm", "config": {"Entrypoint": ["/app.wasm"]},
            "rootfs": {"type": "layers", "diff_ids": []},
        });
        let config = self.add("config.v1+json", config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers, "annotations": {"number": number.to_string()},
        });
        self.add("manifest.v1+json", manifest.to_string().as_bytes())
    }

    /// Makes `root` the only image, and returns its location.
    fn with_root(&self, root: &Value) -> String {
        let index = json!({"schemaVersion": 2, "manifests": [root]});
        fs::write(self.0.path().join("index.json"), index.to_string()).unwrap();
        format!("oci:{}", self.0.path().display())
    }
}

fn gzip(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    write(&mut gzip);
    gzip.finish().unwrap()
}

/// A gzipped tar of one file of zeros.
fn bomb(path: &str, mebibytes: u64) -> Vec<u8> {
    gzip(|gzip| {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_size(mebibytes << 20);
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..mebibytes).for_each(|_| gzip.write_all(&zeros).unwrap());
    })
}

/// Memory of a process for all but what it holds of an image.
pub(super) const MEMORY: u64 = 100 << 20;

#[track_caller]
pub(super) fn assert_over(limit: &str, arguments: &[&str]) {
    assert_over_within(MEMORY, limit, arguments);
}

#[track_caller]
pub(super) fn assert_over_within(memory: u64, limit: &str, arguments: &[&str]) {
    let start = Instant::now();
    let run = Run::of(wasm_oci_within(memory).args(arguments));
    assert_eq!(run.code, OVER_LIMIT, "{arguments:?}: {}", run.stderr);
    let advice = format!("`--read-limit {limit}=VALUE`");
    assert!(run.stderr.contains(&advice), "{arguments:?}: {}", run.stderr);
    assert!(start.elapsed() < super::TIME, "{arguments:?}: {:?}", start.elapsed());
}

#[test]
fn layers_that_unpack_without_end_count_together() {
    let layout = Layout::new();
    let layers: Vec<Value> = (0..3)
        .map(|number| layout.add("layer.v1.tar+gzip", &bomb(&format!("file{number}"), 40)))
        .collect();
    let image = layout.with_root(&layout.add_manifest(&layers, 0));
    for command in ["validate", "check", "run", "size", "test"] {
        let mut arguments = vec![command, &image, "--read-limit", "unpacked=100MiB"];
        if command == "test" {
            arguments.insert(1, "--cases");
            arguments.insert(2, "/dev/null");
        }
        // `run` keeps all files.
        assert_over_within(MEMORY + (200 << 20), "unpacked", &arguments);
    }
    let within = Run::of(wasm_oci().args(["validate", &image]));
    assert_eq!(within.code, 3, "{}", within.stderr);
    let by_environment = Run::of(
        wasm_oci()
            .args(["validate", &image])
            .env("WASM_OCI_READ_LIMITS", "time=1h,unpacked=100MiB"),
    );
    assert_eq!(by_environment.code, OVER_LIMIT, "{}", by_environment.stderr);
}

#[test]
fn ten_thousand_manifests() {
    let layout = Layout::new();
    let manifests: Vec<Value> =
        (0..10_000).map(|number| layout.add_manifest(&[], number)).collect();
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    let image = layout.with_root(&layout.add("index.v1+json", index.to_string().as_bytes()));
    let copy = format!("oci:{}", layout.0.path().join("copy").display());
    for arguments in [vec!["check", &image], vec!["inspect", &image], vec!["copy", &image, &copy]] {
        assert_over("manifests", &arguments);
    }
}

#[test]
fn a_header_of_two_mebibytes() {
    let layout = Layout::new();
    let record = format!("{} comment={}\n", 2 << 20, "x".repeat((2 << 20) - 17));
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(record.len() as u64);
    header.set_cksum();
    let tar = [header.as_bytes().as_slice(), record.as_bytes()].concat();
    let layer = layout.add("layer.v1.tar+gzip", &gzip(|gzip| gzip.write_all(&tar).unwrap()));
    let image = layout.with_root(&layout.add_manifest(&[layer], 0));
    assert_over("metadata", &["validate", &image]);
    let archive = layout.0.path().join("archive.tar");
    fs::write(&archive, tar).unwrap();
    assert_over("metadata", &["validate", &format!("oci-archive:{}", archive.display())]);
}

#[test]
fn a_layer_that_is_listed_four_times_counts_four_times() {
    let layout = Layout::new();
    let layer = layout.add("layer.v1.tar+gzip", &bomb("app.wasm", 40));
    let image = layout.with_root(&layout.add_manifest(&vec![layer; 4], 0));
    for command in ["validate", "check", "run", "size", "inspect"] {
        let arguments = [command, &image, "--read-limit"];
        for (limit, value) in [("memory", "memory=100MiB"), ("unpacked", "unpacked=100MiB")] {
            assert_over_within(MEMORY + (160 << 20), limit, &[&arguments[..], &[value]].concat());
        }
    }
    // Within the limits, the memory is that of one: each is in the place of the one before.
    let run = Run::of(wasm_oci_within(MEMORY + (160 << 20)).args(["validate", &image]));
    assert_eq!(run.code, 3, "{}", run.stderr);
}

/// The tar crate reads names into memory whole, whatever the header before them says of their size.
#[test]
fn names_of_gigabytes() {
    for kind in [tar::EntryType::GNULongName, tar::EntryType::GNULongLink, tar::EntryType::XHeader]
    {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(3 << 30);
        header.set_cksum();
        let layout = Layout::new();
        let letters = vec![b'a'; 1 << 20];
        let layer = gzip(|gzip| {
            gzip.write_all(header.as_bytes()).unwrap();
            // More than a process may have.
            (0..(2 * MEMORY) >> 20).for_each(|_| gzip.write_all(&letters).unwrap());
        });
        let layer = layout.add("layer.v1.tar+gzip", &layer);
        let image = layout.with_root(&layout.add_manifest(&[layer], 0));
        for command in ["validate", "check", "run", "size", "inspect"] {
            assert_over("metadata", &[command, &image]);
        }
        // All of it is there, and takes no place on the disk.
        let path = layout.0.path().join("archive.tar");
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        file.set_len(512 + (3 << 30) + 1024).unwrap();
        for kind in ["oci-archive", "docker-archive"] {
            assert_over("metadata", &["validate", &format!("{kind}:{}", path.display())]);
        }
    }
}

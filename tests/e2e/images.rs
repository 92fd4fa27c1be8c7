//! Files and settings of images that other tools made: nothing changes silently.

mod places;
mod spin;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use wasm_oci_core::image::Digest;

use crate::harness::foreign::{CONFIG, TAR, Written};
use crate::harness::{Run, wasm_oci};

/// A module that prints the file `data/keep` in the root folder, and whether `data/secret` is there.
const READER: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "link/keep")
  (data (i32.const 96) "data/secret")
  (data (i32.const 128) "secret!")
  (func $try (param $path i32) (param $length i32) (result i32)
    (call $open (i32.const 3) (i32.const 1) (local.get $path) (local.get $length)
      (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 32)))
  (func (export "_start")
    (if (i32.eqz (call $try (i32.const 96) (i32.const 11)))
      (then
        (i32.store (i32.const 0) (i32.const 128)) (i32.store (i32.const 4) (i32.const 7))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
    (if (call $try (i32.const 64) (i32.const 9)) (then unreachable))
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 100))
    (drop (call $read (i32.load (i32.const 32)) (i32.const 0) (i32.const 1) (i32.const 4)))
    (i32.store (i32.const 0) (i32.const 1024))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// A module that does nothing.
const NOTHING: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// An entry of a layer: type, path, mode, owner, and content or target.
type Entry<'a> = (tar::EntryType, &'a str, u32, u64, &'a [u8]);

const FILE: tar::EntryType = tar::EntryType::Regular;
const FOLDER: tar::EntryType = tar::EntryType::Directory;
const SYMLINK: tar::EntryType = tar::EntryType::Symlink;
const HARD: tar::EntryType = tar::EntryType::Link;

fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (kind, path, mode, owner, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_uid(*owner);
        header.set_gid(*owner);
        header.set_mtime(1_000_000_000);
        header.set_size(0);
        if kind.is_symlink() || kind.is_hard_link() {
            let target = std::str::from_utf8(content).unwrap();
            tar.append_link(&mut header, path, target).unwrap();
        } else {
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, *content).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

/// The digest of a layer before compression.
fn diff_id(layer: &[u8]) -> String {
    let mut tar = Vec::new();
    match layer {
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(layer).read_to_end(&mut tar).unwrap(),
        [0x28, 0xb5, ..] => zstd::Decoder::new(layer).unwrap().read_to_end(&mut tar).unwrap(),
        _ => return Digest::of(layer).to_string(),
    };
    Digest::of(&tar).to_string()
}

/// Stores an image of these layers.
fn image(written: &Written, config: &Value, layers: &[(&str, Vec<u8>)]) -> Value {
    let diff_ids: Vec<String> = layers.iter().map(|(_, bytes)| diff_id(bytes)).collect();
    let layers: Vec<Value> = layers.iter().map(|(kind, bytes)| written.blob(kind, bytes)).collect();
    let config = json!({ "os": "wasi", "architecture": "wasm", "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    written.manifest(written.document(CONFIG, &config), &layers)
}

/// Stores an image of these layers in a layout of its own, which is there as long as the first value. Returns its name, too.
fn named(config: &Value, layers: &[(&str, Vec<u8>)]) -> (Written, String) {
    let written = Written::new();
    let name = written.name(image(&written, config, layers), "t");
    (written, name)
}

/// The entries of an image's only tar layer: path, mode, owner, time, target.
fn entries(layout: &Path) -> Vec<(String, u32, u64, u64, String)> {
    let read =
        |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let index = json(&fs::read(layout.join("index.json")).unwrap());
    let manifest = json(&read(index["manifests"][0]["digest"].as_str().unwrap()));
    let layer = read(manifest["layers"][0]["digest"].as_str().unwrap());
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&*layer));
    let entry = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let entry: tar::Entry<'_, flate2::read::GzDecoder<&[u8]>> = entry.unwrap();
        let header = entry.header();
        let target = entry.link_name().unwrap().unwrap_or_default().display().to_string();
        (
            entry.path().unwrap().display().to_string(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.mtime().unwrap(),
            target,
        )
    };
    tar.entries().unwrap().map(entry).collect()
}

fn config_of(image: &str) -> Value {
    let run = Run::of(wasm_oci().args(["inspect", image, "--json"])).success();
    serde_json::from_str::<Value>(&run.stdout).unwrap()["manifests"][0].clone()
}

/// Converts an image to a layout, and returns the folder and what was said.
fn convert(image: &str, format: &str) -> (TempDir, Run) {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("oci:{}:new", folder.path().join("out").display());
    let run = Run::of(wasm_oci().args(["convert", image, &to, "--format", format]));
    (folder, run)
}

fn out(folder: &TempDir) -> PathBuf {
    folder.path().join("out")
}

/// The name of the image that [`convert`] wrote.
fn converted(folder: &TempDir) -> String {
    format!("oci:{}", out(folder).display())
}

#[test]
fn the_program_and_the_new_image_get_the_merged_tree() {
    let reader = module(READER);
    let lower = layer(&[
        (FILE, "p.wasm", 0o755, 0, &reader),
        (FILE, "data/secret", 0o644, 0, b"s"),
        (FILE, "data/keep", 0o644, 0, b"kept"),
        (FILE, "old/a", 0o644, 0, b"a"),
    ]);
    let upper = layer(&[
        (FILE, "data/.wh.secret", 0o644, 0, b""),
        (FILE, "old/.wh..wh..opq", 0o644, 0, b""),
        (FILE, "old/b", 0o644, 0, b"b"),
        (FOLDER, "empty", 0o755, 0, b""),
        // Absolute, and yet not the host's.
        (SYMLINK, "link", 0o777, 0, b"/data"),
        (HARD, "hard", 0o644, 0, b"data/keep"),
    ]);
    let (_written, image) =
        named(&json!({ "Entrypoint": ["/p.wasm"] }), &[(TAR, lower), (TAR, upper)]);
    for _ in 0..2 {
        let run = Run::of(wasm_oci().args(["run", &image])).success();
        assert_eq!(run.stdout, "kept");
    }
    let (folder, run) = convert(&image, "container");
    let _converted = run.success();
    let paths: Vec<_> = entries(&out(&folder))
        .into_iter()
        .map(|(path, .., target)| if target.is_empty() { path } else { format!("{path}>{target}") })
        .collect();
    let expected =
        ["data/", "empty/", "old/", "data/keep", "hard>data/keep", "link>/data", "old/b", "p.wasm"];
    assert_eq!(paths, expected);
    let again = converted(&folder);
    assert_eq!(Run::of(wasm_oci().args(["run", &again])).success().stdout, "kept");
}

#[test]
fn modes_owners_times_and_settings_stay() {
    let nothing = module(NOTHING);
    let content = layer(&[
        (FILE, "app/hello.wasm", 0o755, 0, &nothing),
        (FILE, "bin/tool", 0o755, 1000, b"#!x"),
        (FILE, "etc/secret", 0o600, 0, b"s"),
        (FOLDER, "tmp", 0o1777, 0, b""),
    ]);
    let config = json!({
        "Entrypoint": ["./hello.wasm"], "Cmd": ["a b"], "Env": ["A=1"], "User": "1000:1000",
        "WorkingDir": "/app", "ExposedPorts": { "8080/tcp": {} }, "Volumes": { "/data": {} },
        "StopSignal": "SIGINT", "Healthcheck": { "Test": ["CMD", "x"] },
    });
    let (_written, image) = named(&config, &[(TAR, content)]);
    let (folder, run) = convert(&image, "container");
    let _converted = run.success();
    let time = 1_000_000_000;
    let entry = |path: &str, mode, owner, time| (path.to_owned(), mode, owner, time, String::new());
    let expected = [
        entry("app/", 0o755, 0, 0),
        entry("bin/", 0o755, 0, 0),
        entry("etc/", 0o755, 0, 0),
        entry("tmp/", 0o1777, 0, time),
        entry("app/hello.wasm", 0o755, 0, time),
        entry("bin/tool", 0o755, 1000, time),
        entry("etc/secret", 0o600, 0, time),
    ];
    assert_eq!(entries(&out(&folder)), expected);
    let new = config_of(&converted(&folder));
    assert_eq!(new["entrypoint"], json!(["/app/hello.wasm"]));
    assert_eq!((&new["workingDir"], &new["user"]), (&json!("/app"), &json!("1000:1000")));
    for part in ["ExposedPorts", "Volumes", "StopSignal", "Healthcheck"] {
        assert_eq!(new["config"][part], config[part], "{part}");
    }
    // To and from every format that can hold it, and again.
    let first = config_of(&converted(&folder))["digest"].clone();
    let (again, run) = convert(&converted(&folder), "container");
    let _converted = run.success();
    assert_eq!(config_of(&converted(&again))["digest"], first);
    // Files that a format can't hold are an error, and nothing is written.
    let (folder, run) = convert(&image, "module");
    assert_ne!(run.code, 0);
    assert!(run.stderr.contains("`module`"), "{}", run.stderr);
    assert!(!out(&folder).exists());
}

#[test]
fn what_a_format_cannot_hold_is_said() {
    let nothing = module(NOTHING);
    let content =
        layer(&[(FILE, "hello.wasm", 0o755, 7, &nothing), (FOLDER, "tmp", 0o1777, 0, b"")]);
    let config =
        json!({ "Entrypoint": ["/hello.wasm"], "WorkingDir": "/tmp", "StopSignal": "SIGINT" });
    let (_written, image) = named(&config, &[(TAR, content)]);
    let (folder, run) = convert(&image, "artifact");
    let run = run.success();
    for lost in ["the folder `/tmp` is left out", "mode, owner and time of the module is left out"]
    {
        assert!(run.stderr.contains(lost), "{lost}: {}", run.stderr);
    }
    let new = config_of(&converted(&folder));
    assert_eq!(new["config"]["StopSignal"], "SIGINT");
    assert_eq!(new["workingDir"], "/tmp");
}

#[test]
fn the_bytes_of_a_layer_tell_its_compression() {
    let content = layer(&[(FILE, "hello.wasm", 0o755, 0, &module(NOTHING))]);
    let zstd = zstd::encode_all(&*content, 3).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&content).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd_type = "application/vnd.oci.image.layer.v1.tar+zstd";
    for (kind, bytes, lies) in [
        (zstd_type, &zstd, false),
        (TAR, &zstd, true),
        (TAR, &gzip, true),
        (zstd_type, &content, true),
    ] {
        let (_written, image) =
            named(&json!({ "Entrypoint": ["/hello.wasm"] }), &[(kind, bytes.clone())]);
        for command in ["run", "inspect", "check"] {
            let run = Run::of(wasm_oci().args([command, &image])).success();
            let said = format!("{}{}", run.stdout, run.stderr);
            assert_eq!(said.contains("but its type"), lies, "{command} {kind}: {said}");
        }
        let (folder, run) = convert(&image, "universal");
        let _converted = run.success();
        assert!(out(&folder).is_dir());
    }
}

#[test]
fn a_layer_is_compressed_with_zstd_on_request() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.wat"), NOTHING).unwrap();
    let mut pack = wasm_oci();
    pack.args(["pack", "app.wat", "--layer-compression", "zstd"]).current_dir(folder.path());
    let _packed = Run::of(&mut pack).success();
    let image = format!("oci:{}", folder.path().join("app.oci").display());
    let inspect = Run::of(wasm_oci().args(["inspect", &image])).success();
    assert!(inspect.stdout.contains("tar+zstd"), "{}", inspect.stdout);
    let _ran = Run::of(wasm_oci().args(["run", &image])).success();
    let check = Run::of(wasm_oci().args(["check", &image])).success();
    assert!(check.stdout.contains("compressed with zstd"), "{}", check.stdout);
}

#[test]
fn text_and_standard_input_are_modules() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.wat"), include_str!("echo.wat")).unwrap();
    let command = |args: &[&str]| {
        let mut command = wasm_oci();
        command.args(args).current_dir(folder.path());
        command
    };
    let packed = Run::of(&mut command(&["pack", "app.wat"])).success();
    assert_eq!(packed.stdout.trim(), "oci:app.oci:latest");
    assert_eq!(Run::of(&mut command(&["run", "app.wat"])).stdout, "app.wat\n");
    let piped =
        |args: &[&str], input: &[u8]| Run::with_bytes(&mut command(args), input).success().stdout;
    let binary = module(NOTHING);
    for input in [&binary[..], NOTHING.as_bytes()] {
        for command in ["run", "validate", "inspect", "check"] {
            let out = piped(&[command, "-"], input);
            assert!(!out.contains(char::REPLACEMENT_CHARACTER), "{command}: {out}");
        }
        assert_eq!(piped(&["pack", "-"], input).trim(), "oci:module.oci:latest");
        assert_eq!(piped(&["pack", "-", "--name", "x"], input).trim(), "oci:x.oci:latest");
    }
}

#[cfg(unix)]
#[test]
fn included_folders_and_programs_stay() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("app.wat"), NOTHING).unwrap();
    fs::create_dir_all(path("data/empty")).unwrap();
    fs::write(path("data/tool"), "#!x").unwrap();
    fs::set_permissions(path("data/tool"), PermissionsExt::from_mode(0o755)).unwrap();
    let mut pack = wasm_oci();
    pack.args(["pack", "app.wat", "--format", "container", "--include", "/opt=data"]);
    let _packed = Run::of(pack.current_dir(folder.path())).success();
    let found = entries(&path("app.oci"));
    let found: Vec<_> = found.iter().map(|(path, mode, ..)| (path.as_str(), *mode)).collect();
    let expected =
        [("opt/", 0o755), ("opt/empty/", 0o755), ("app.wasm", 0o755), ("opt/tool", 0o755)];
    assert_eq!(found, expected);
}

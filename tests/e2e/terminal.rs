//! Terminals, which obey some characters: those that registries, images and modules send are written out, and none of
//! their lines looks like one of ours.

use std::process::Command;

use regex::Regex;
use serde_json::json;
use wasm_oci_core::text::is_obeyed;

use crate::harness::commands::program;
use crate::harness::foreign::{CONFIG, MANIFEST, TAR, Written};
use crate::harness::{Run, tools};
use crate::registry::fake::{self, Fake};

/// Sets the title, clears the screen, turns red by a single byte of Latin-1, writes from right to left, and begins lines
/// as we begin ours.
const HOSTILE: &str = "x\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{200f}\u{7f}\nerror: forged\r\n      \
    Pushed forged\rerror: forged\u{85}error: forged\u{2028}error: forged\n  error: forged";

/// Runs our command on a pseudo-terminal, where a person would see it, with colours. Returns all that it prints.
fn on_terminal(args: &[&str]) -> String {
    let ours = program("wasm-oci");
    let words = [&[ours.to_str().unwrap()], args, &["--color", "always"]].concat();
    let mut command = Command::new(tools::program("script"));
    command.args(["-qec", &shlex::try_join(words).unwrap(), "/dev/null"]);
    Run::of(command.env("TERM", "xterm-256color")).stdout
}

#[track_caller]
fn assert_harmless(args: &[&str]) -> String {
    let shown = on_terminal(args);
    // Our own colours.
    let plain = Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(&shown, "").into_owned();
    let obeyed: Vec<char> =
        plain.chars().filter(|it| is_obeyed(*it) && !"\r\n\t".contains(*it)).collect();
    assert!(obeyed.is_empty(), "{args:?}: {obeyed:?} in {plain:?}");
    // The terminal's own line breaks have both characters.
    let line = Regex::new(r"(?:^|[\r\n])\s*(?:error:|Pushed) forged").unwrap();
    assert!(!line.is_match(&plain), "{args:?}: {plain}");
    plain
}

#[test]
fn what_a_registry_says_is_written_out() {
    let server = Fake::start(|request| match request.contains("/v2/tags/") {
        true => fake::json(&json!({"tags": [HOSTILE, "line\nerror: forged"]}).to_string()),
        false => {
            let body = json!({"errors": [{"code": HOSTILE, "message": HOSTILE}]}).to_string();
            format!("HTTP/1.1 418 No\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
    });
    let (tags, refused) = (format!("{}/tags", server.host()), format!("{}/refused", server.host()));
    let shown = assert_harmless(&["tags", &tags]);
    assert!(shown.contains(r"x\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}"), "{shown}");
    // Programs read what the registry said, character by character.
    let json = assert_harmless(&["tags", &tags, "--json"]);
    let read: Vec<String> = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(read, ["line\nerror: forged", HOSTILE]);
    assert!(assert_harmless(&["tags", &refused, "-vv"]).contains("418"));
}

/// Stores an image whose texts are all hostile, with a hostile path in its layer. Returns its name.
fn write_image(written: &Written, path: &str) -> String {
    let text = r#"(module (import "env\1b]0;x\07" "\e2\80\ae\1b[2J" (func)) (memory (export "memory") 1)
        (func (export "_start")) (func (export "f\c2\9b31m\0aerror: forged")) (@custom "\1b[1m" "x"))"#;
    let module = wat::parse_str(text).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in [("app.wasm", module.as_slice()), (path, b"x")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes).unwrap();
    }
    let config = json!({
        "os": "wasi", "architecture": "wasm", "variant": HOSTILE, "author": HOSTILE, "created": HOSTILE,
        "config": {
            "Entrypoint": ["/app.wasm", HOSTILE], "Cmd": [HOSTILE], "Env": [format!("A={HOSTILE}")],
            "User": HOSTILE, "WorkingDir": "/", "Labels": {HOSTILE: HOSTILE},
        },
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let layer = written.blob(TAR, &tar.into_inner().unwrap());
    let config = written.document(CONFIG, &config);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
        "annotations": {HOSTILE: HOSTILE},
    });
    let name = written.name(written.document(MANIFEST, &manifest), "latest");
    name.strip_suffix(":latest").unwrap().to_owned()
}

#[test]
fn what_an_image_says_is_written_out() {
    for path in [
        "plain",
        "a\nerror: forged",
        "a\n      Pushed forged\\b",
        "a\u{1b}]0;owned\u{7}\\b",
        "\u{202e}:x",
    ] {
        let written = Written::new();
        let image = write_image(&written, path);
        for command in ["inspect", "check", "run", "validate", "size"] {
            let _shown = assert_harmless(&[command, &image, "-vv"]);
        }
        let _json = assert_harmless(&["inspect", &image, "--json"]);
        let missing = assert_harmless(&["inspect", &format!("{image}:missing")]);
        assert!(missing.contains("missing"), "{missing}");
    }
}

#[test]
fn what_a_layout_calls_its_images_is_written_out() {
    let written = Written::new();
    let config = written.document(CONFIG, &json!({"rootfs": {"type": "layers", "diff_ids": []}}));
    let manifest = written.manifest(config, &[]);
    let image = written.name(manifest, HOSTILE);
    let layout = image.strip_suffix(&format!(":{HOSTILE}")).unwrap();
    let missing = assert_harmless(&["inspect", &format!("{layout}:missing")]);
    assert!(missing.contains("missing") && missing.contains("error: forged"), "{missing}");
}

#[test]
fn what_a_file_and_a_function_are_called_is_written_out() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let text = r#"(module (memory (export "memory") 1)
        (func $deep (@name "deep\0aerror: forged") unreachable)
        (func (@name "start\0a      Pushed forged") (export "_start") (call $deep)))"#;
    let module = wat::parse_str(text).unwrap();
    let trap = write("a\nerror: forged\n.wasm", &module);
    let shown = assert_harmless(&["run", &trap]);
    // The lines of the trace are ours.
    assert!(Regex::new(r"\n   0: deep\\nerror: forged \(0x").unwrap().is_match(&shown), "{shown}");
    assert!(shown.contains("\n   1: start\\n      Pushed forged"), "{shown}");
    for command in ["size", "inspect", "check", "validate"] {
        let _shown = assert_harmless(&[command, &trap]);
    }
    for (name, bytes) in [("\nerror: forged\n.wasm", "text"), ("\nerror: forged\n.wat", "(mod")] {
        let broken = assert_harmless(&["inspect", &write(name, bytes.as_bytes())]);
        assert!(broken.contains("  | error: forged"), "{broken}");
    }
}

//! Gates for images that exist: nothing that an engine could start gets past them.

mod archives;

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::foreign::{CONFIG, TAR, WASM, Written, tar, writing};
use crate::harness::{Registry, Run, wasm_oci};

fn good() -> Vec<u8> {
    writing("good", "")
}

/// It may use sockets.
fn evil() -> Vec<u8> {
    writing(
        "evil",
        r#"(import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))"#,
    )
}

fn image(written: &Written, platform: &str, layers: &[(&str, Vec<u8>)]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|(kind, bytes)| written.blob(kind, bytes)).collect();
    let tars = layers.iter().filter(|layer| layer["mediaType"] == TAR);
    let diff_ids: Vec<&Value> = tars.map(|layer| &layer["digest"]).collect();
    let (os, architecture) = platform.split_once('/').unwrap();
    let config = json!({ "os": os, "architecture": architecture,
        "config": { "Entrypoint": ["/app.wasm"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    written.manifest(written.document(CONFIG, &config), &layers)
}

fn run(args: &[&str]) -> Run {
    Run::of(wasm_oci().args(args))
}

fn pack(folder: &Path, module: &[u8], flags: &[&str]) -> Run {
    let file = folder.join("app.wasm");
    std::fs::write(&file, module).unwrap();
    let layout = folder.join("layout");
    let (file, layout) = (file.to_str().unwrap(), layout.to_str().unwrap());
    // The optimizer would remove imports that nothing calls.
    let fixed = ["pack", file, "--no-optimize", "--oci-layout-path", layout];
    run(&[&fixed[..], flags].concat())
}

#[test]
fn a_pushed_image_has_to_pass_the_gates_of_a_pushed_module() {
    let (registry, folder) = (Registry::start(), tempfile::tempdir().unwrap());
    let to = format!("{}/gates/app:1", registry.host());
    let _packed = pack(folder.path(), &evil(), &[]).success();
    let threads = r#"(module (memory (export "memory") 1 1 shared) (func (export "_start")
        (drop (i32.atomic.load (i32.const 0)))))"#;
    let threads_folder = tempfile::tempdir().unwrap();
    let threads = wat::parse_str(threads).unwrap();
    let _packed = pack(threads_folder.path(), &threads, &[]).success();
    let foreign = wat::parse_str(r#"(module (import "host" "x" (func)) (func (export "_start")))"#);
    let foreign_folder = tempfile::tempdir().unwrap();
    let _packed =
        pack(foreign_folder.path(), &foreign.unwrap(), &["--allow-import", "host"]).success();
    let of = |folder: &Path| format!("oci:{}", folder.join("layout").display());
    let (evil, threads, foreign) =
        (of(folder.path()), of(threads_folder.path()), of(foreign_folder.path()));
    for (source, gate, part) in [
        (&evil, ["--deny", "sockets"], "`sockets`"),
        (&threads, ["--runtime", "wasmi"], "does not run on `wasmi`"),
        (&foreign, ["--allow-import", "other"], "`host.x`"),
    ] {
        let refused = run(&["push", source, &to, gate[0], gate[1]]);
        assert_eq!(refused.code, 3, "{}", refused.stderr);
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    assert_ne!(run(&["inspect", &to]).code, 0, "nothing was pushed");
    let _pushed = run(&["push", &evil, &to, "--deny", "http"]).success();
    let _pushed = run(&["push", &foreign, &to, "--allow-import", "host"]).success();
    // From the registry, too.
    let _pushed = run(&["push", &evil, &to]).success();
    let refused = run(&["push", &to, &format!("{to}2"), "--deny", "sockets"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
}

#[test]
fn a_flag_that_cannot_apply_to_an_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _packed = pack(folder.path(), &good(), &[]).success();
    let source = format!("oci:{}", folder.path().join("layout").display());
    for flags in [
        "--optimize 2",
        "--no-optimize",
        "--wasm-opt",
        "--debug-info",
        "--name x",
        "--format artifact",
        "--entrypoint x",
        "--arg x",
        "--image-env A=1",
        "--user 1",
        "--label a=b",
        "--annotation a=b",
        "--include /a=b",
        "--created 0",
        "--author me",
        "--linux-platform linux/arm64",
        "--layer-compression zstd",
    ] {
        let flags: Vec<&str> = flags.split(' ').collect();
        let refused = run(&[&["push", &source, "localhost:1/x/y"][..], &flags].concat());
        assert_eq!(refused.code, 2, "{flags:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(flags[0]), "{}", refused.stderr);
        assert!(refused.stderr.contains("can't change an image that exists"), "{}", refused.stderr);
    }
}

#[test]
fn every_program_of_an_image_is_judged_and_named() {
    let [good_tar, evil_tar] = [good(), evil()].map(|it| (TAR, tar("app.wasm", &it)));
    let [good_bare, evil_bare] = [good(), evil()].map(|it| (WASM, it));
    let written = Written::new();
    let wasm = |layers: &[(&str, Vec<u8>)]| image(&written, "wasi/wasm", layers);
    let native = image(&written, "linux/amd64", std::slice::from_ref(&evil_tar));
    let for_wasm = wasm(std::slice::from_ref(&good_tar));
    let inner = written.index(&[(native.clone(), Some("linux/amd64"))]);
    for (what, root) in [
        (
            "index",
            written.index(&[(for_wasm.clone(), Some("wasi/wasm")), (native, Some("linux/amd64"))]),
        ),
        ("nested", written.index(&[(for_wasm, Some("wasi/wasm")), (inner, None)])),
        ("tar before bare", wasm(&[evil_tar.clone(), good_bare.clone()])),
        ("bare after tar", wasm(&[good_tar.clone(), evil_bare.clone()])),
        ("two bare", wasm(&[good_bare, evil_bare])),
    ] {
        let name = written.name(root, "t");
        let refused = run(&["validate", &name, "--deny", "sockets"]);
        assert_eq!(refused.code, 3, "{what}: {}", refused.stderr);
        assert!(refused.stderr.contains("`sockets`"), "{what}: {}", refused.stderr);
        let refused = run(&["push", &name, "localhost:1/x/y", "--deny", "sockets"]);
        assert_eq!(refused.code, 3, "{what}: {}", refused.stderr);
        for command in ["check", "inspect", "validate"] {
            let said = run(&[command, &name]).success();
            let said = said.stdout + &said.stderr;
            assert!(said.contains("the image has 2 programs"), "{what} {command}: {said}");
        }
    }
}

#[test]
fn a_gate_refuses_native_code_that_it_cannot_judge() {
    let written = Written::new();
    let wasm = image(&written, "wasi/wasm", &[(TAR, tar("app.wasm", &good()))]);
    let native = image(&written, "linux/amd64", &[(TAR, tar("app.wasm", b"\x7fELF"))]);
    let root = written.index(&[(native, Some("linux/amd64")), (wasm, Some("wasi/wasm"))]);
    let name = written.name(root, "t");
    let refused = run(&["validate", &name, "--deny", "sockets"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("/app.wasm for linux/amd64"), "{}", refused.stderr);
    let valid = run(&["validate", &name]).success();
    assert!(valid.stderr.contains("was not validated"), "{}", valid.stderr);
}

#[test]
fn an_entrypoint_starts_the_module_that_was_validated() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, evil()).unwrap();
    let include = |path: &str| format!("{path}={}", other.display());
    let (at_root, on_path) = (include("/other.wasm"), include("/usr/bin/app.wasm"));
    for (flags, part) in [
        (vec!["--include", &at_root, "--entrypoint", "/other.wasm"], "that is not the module"),
        (vec!["--include", &at_root, "--entrypoint", "/x/../other.wasm#run"], "is not the module"),
        // Where containerd's shims look first.
        (vec!["--include", &on_path, "--entrypoint", "app.wasm"], "is not the module"),
        (vec!["--entrypoint", "/nope.wasm"], "names no file of the image"),
        (vec!["--entrypoint", "/nope.wasm", "--format", "combined"], "names no file of the image"),
    ] {
        let refused = pack(folder.path(), &good(), &[&flags[..], &["--deny", "sockets"]].concat());
        assert_eq!(refused.code, 1, "{flags:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
        assert!(refused.stderr.contains("write `/app.wasm`"), "{}", refused.stderr);
        assert!(!folder.path().join("layout").exists());
    }
    for word in ["/app.wasm", "app.wasm", "./app.wasm", "//app.wasm#_start"] {
        let flags = ["--include", &at_root, "--entrypoint", word, "--deny", "sockets"];
        let _packed = pack(folder.path(), &good(), &flags).success();
    }
    // A format without files starts its layer.
    let _packed =
        pack(folder.path(), &good(), &["--entrypoint", "any", "--format", "module"]).success();
}

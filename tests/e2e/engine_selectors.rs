//! `check` as a command, and `--for` where images are made.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::commands::lasting;
use crate::harness::foreign::{CONFIG, TAR, WASM, Written, tar};
use crate::harness::{Registry, Run, cargo_wasm_oci, wasm_oci};
use crate::standalone::platform;

/// A folder with a module, `app.wasm`.
fn folder_with(wat: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.wasm");
    fs::write(&file, wat::parse_str(wat).unwrap()).unwrap();
    (folder, file)
}

const COMMAND: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn run(folder: &Path, args: &[&str]) -> Run {
    Run::of(wasm_oci().args(args).current_dir(folder))
}

#[test]
fn people_get_a_line_for_each_consumer_and_what_to_change() {
    let (folder, _) = folder_with(COMMAND);
    let _packed = run(folder.path(), &["pack", "app.wasm", "--format", "container"]).success();
    let text = run(folder.path(), &["check", "oci:app.oci"]).success().stdout;
    assert!(text.contains("\ncontainerd-1.7  ok       `ctr run --runtime"), "{text}");
    let fails = "\ncri-2.3         fails    \"parent snapshot\" (it doesn't unpack a tar layer for wasi/wasm)\n";
    assert!(text.contains(fails), "{text}");
    // By its digest, because the new image would make the layout's default ambiguous.
    let digest = text.split_once("digest:     ").unwrap().1.lines().next().unwrap();
    let change = format!(
        "  for cri-2.3 and docker-classic: wasm-oci convert oci:app.oci@{digest} oci:app.oci:standalone --format standalone\n"
    );
    assert!(text.contains(&change), "{text}");
    // The advice for one engine names those that it would stop.
    let cost = "--format artifact (keep this image, too: containerd-1.6, ";
    assert!(text.contains(cost), "{text}");
    assert!(text.contains("\nruns on:    wasmtime, wasmedge"), "{text}");
    // The suggested command works.
    let platform = platform();
    let own = ["--linux-platform", &platform];
    let _converted = run(
        folder.path(),
        &[&["convert", "oci:app.oci", "oci:app.oci:two", "--for", "docker,cri-2.3"], &own[..]]
            .concat(),
    )
    .success();
    let _taken =
        run(folder.path(), &["check", "oci:app.oci:two", "--for", "docker,cri-2.3"]).success();
}

#[test]
fn who_is_named_has_to_take_it() {
    let (folder, _) = folder_with(COMMAND);
    let _packed = run(folder.path(), &["pack", "app.wasm", "--format", "artifact"]).success();
    let _taken =
        run(folder.path(), &["check", "oci:app.oci", "--for", "wkg,cri-1.7,node"]).success();
    let refused = run(folder.path(), &["check", "oci:app.oci", "--for", "docker"]);
    assert_eq!(refused.code, 9, "{refused:?}");
    let rows = refused.stdout.lines().filter(|line| line.starts_with("docker-")).count();
    assert_eq!(rows, 3, "{refused:?}");
    let error = "`oci:app.oci` doesn't run on docker-26 and docker-classic: \"No such image\"";
    assert!(refused.stderr.starts_with(&format!("error: {error}")), "{refused:?}");
    assert!(refused.stderr.trim_end().ends_with("the format standalone does"), "{refused:?}");
    // The command has no option that the sentence before it says to leave out.
    let docker = refused.stdout.lines().find(|line| line.starts_with("docker-28")).unwrap();
    assert!(
        docker.contains("ok with  no `--platform`; `docker run --network=host --runtime"),
        "{docker}"
    );
    assert!(!docker.contains("--platform=wasi/wasm"), "{docker}");
    let unknown = run(folder.path(), &["check", "oci:app.oci", "--for", "moby"]);
    assert!(
        unknown.code == 2 && unknown.stderr.contains("choose one of containerd, kubernetes"),
        "{unknown:?}"
    );
}

#[test]
fn advice_never_leads_to_a_command_that_fails() {
    let (folder, _) = folder_with(COMMAND);
    fs::write(folder.path().join("data.txt"), "data").unwrap();
    let _packed =
        run(folder.path(), &["pack", "app.wasm", "--include", "/data.txt=data.txt"]).success();
    let text = run(folder.path(), &["check", "oci:app.oci"]).success().stdout;
    assert!(!text.contains("--format artifact"), "{text}");
    assert!(text.contains("for wkg: make another image, without files"), "{text}");
    let converted = ["convert", "oci:app.oci", "oci:app.oci:artifact", "--format", "artifact"];
    assert_ne!(run(folder.path(), &converted).code, 0);
}

#[test]
fn an_archive_promises_docker_only_what_it_has() {
    let (folder, _) = folder_with(COMMAND);
    let manifest_json = |format: &str| {
        let pack = ["pack", "app.wasm", "--format", format, "--tarball", "app.tar"];
        let _packed = run(folder.path(), &pack).success();
        let mut archive = tar::Archive::new(fs::File::open(folder.path().join("app.tar")).unwrap());
        let paths =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
        paths.into_iter().any(|path| path == Path::new("manifest.json"))
    };
    assert!(manifest_json("universal"));
    // An empty list would be loaded with success, and without an image.
    assert!(!manifest_json("container") && !manifest_json("artifact"));
}

#[test]
fn a_gate_refuses_what_it_knows_and_what_it_cannot_judge() {
    let of = |import: &str| folder_with(&format!(r#"(component (import "{import}" (instance)))"#));
    let refused = |import: &str, args: &[&str], part: &str| {
        let (folder, _) = of(import);
        for command in ["validate", "pack"] {
            let run = run(folder.path(), &[&[command, "app.wasm"], args].concat());
            assert_eq!(run.code, 3, "{command} {import}: {run:?}");
            assert!(run.stderr.contains(part), "{import}: {run:?}");
            assert!(!folder.path().join("app.oci").exists());
        }
    };
    for import in ["wasi:http/client@0.3.0", "wasi:http/handler@0.3.0"] {
        refused(import, &["--deny", "http"], "can do what is denied, `http`");
    }
    refused("wasi:sockets/types@0.3.0", &["--deny", "sockets"], "`sockets`");
    refused("wasi:nn/graph@0.2.0", &["--deny", "http"], "allow `wasi:nn/graph`");
    let (folder, _) = of("wasi:nn/graph@0.2.0");
    let allowed = ["validate", "app.wasm", "--deny", "http", "--allow-import", "wasi:nn"];
    let _allowed = run(folder.path(), &allowed).success();
    let inspected = run(folder.path(), &["inspect", "app.wasm"]).success().stdout;
    assert!(inspected.contains("can use:    unknown\n"), "{inspected}");
}

#[test]
fn after_a_push_each_engine_is_told_how_to_run_it() {
    let registry = Registry::start();
    let (folder, _) = folder_with(COMMAND);
    let reference = format!("{}/demo/app:1", registry.host());
    let push = |flags: &[&str]| {
        run(folder.path(), &[&["push", "app.wasm", &reference], flags].concat()).success().stderr
    };
    assert!(!push(&[]).contains("docker run"));
    let told = push(&["-v"]);
    let docker = format!("--platform=wasi/wasm {reference}`");
    assert!(
        told.contains("on docker-28: `docker run --network=host ") && told.contains(&docker),
        "{told}"
    );
    assert!(told.contains("on podman: `podman run "), "{told}");
    // Of a format that newer nodes don't run, manifests warn.
    let _pushed = push(&["--format", "container"]);
    let manifests = run(folder.path(), &["k8s", &reference]).success();
    assert!(
        manifests.stderr.contains("doesn't run on cri-2.3: \"parent snapshot\""),
        "{manifests:?}"
    );
}

#[test]
fn of_a_module_check_says_which_formats_there_are() {
    let (folder, _) = folder_with(COMMAND);
    let text = run(folder.path(), &["check", "app.wasm"]).success().stdout;
    assert!(text.contains("\nwkg             ok       as artifact\n"), "{text}");
    let text = run(folder.path(), &["check", "app.wasm", "--for", "wkg,docker"]).success().stdout;
    assert!(
        text.contains("for docker: wasm-oci push app.wasm REFERENCE --format standalone\n"),
        "{text}"
    );
    let (folder, _) = folder_with("(component)");
    // crun runs no components, and podman needs no crun for a native program.
    let taken = run(folder.path(), &["check", "app.wasm", "--for", "podman", "--json"]).success();
    let found: Value = serde_json::from_str(&taken.stdout).unwrap();
    assert_eq!(found["consumers"][0]["formats"], json!(["standalone"]), "{taken:?}");
}

#[test]
fn a_broken_image_is_looked_at_as_far_as_it_goes() {
    let written = Written::new();
    let module = wat::parse_str(COMMAND).unwrap();
    let layer = written.blob(TAR, &tar("app.wasm", &module));
    let config = |os: &str, architecture: &str| {
        json!({ "os": os, "architecture": architecture, "config": { "Entrypoint": ["/app.wasm"] },
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] } })
    };
    let wasi = written
        .manifest(written.document(CONFIG, &config("wasi", "wasm")), std::slice::from_ref(&layer));
    let missing = json!({ "mediaType": wasi["mediaType"], "digest": format!("sha256:{}", "0".repeat(64)), "size": 2 });
    let index = written.index(&[(wasi, Some("wasi/wasm")), (missing, Some("linux/amd64"))]);
    let name = written.name(index, "app");
    let check = Run::of(wasm_oci().args(["check", &name, "--json"])).success();
    let found: Value = serde_json::from_str(&check.stdout).unwrap();
    let takes = |engine: &str| {
        let all = found["consumers"].as_array().unwrap();
        all.iter().find(|it| it["consumer"] == engine).unwrap()["takes"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (takes("containerd-1.7").as_str(), takes("cri-1.7").as_str()),
        ("yes", "no"),
        "{found}"
    );
    assert!(
        found["notes"][0].as_str().unwrap().starts_with("linux/amd64 can't be read"),
        "{found}"
    );
}

#[test]
fn notes_are_about_what_keeps_nobody_from_starting_it() {
    let written = Written::new();
    let layer = written.blob(WASM, &wat::parse_str(COMMAND).unwrap());
    let config = json!({ "os": "wasi", "architecture": "wasm", "config": { "Entrypoint": ["/app.wasm"] },
        "rootfs": { "type": "layers", "diff_ids": [] } });
    let manifest = written.manifest(written.document(CONFIG, &config), &[layer]);
    let check = Run::of(wasm_oci().args(["check", &written.name(manifest, "app")])).success();
    assert!(
        check
            .stdout
            .contains("note:       wasi/wasm: its configuration doesn't name the module's digest"),
        "{check:?}"
    );
}

#[test]
fn code_that_was_compiled_ahead_is_refused() {
    let written = Written::new();
    let compiled = [b"\x7fELF\x02\x01\x01\xc8".as_slice(), &[0; 100]].concat();
    let layer = written.blob(TAR, &tar("app.wasm", &compiled));
    let config = json!({ "os": "wasi", "architecture": "wasm", "config": { "Entrypoint": ["/app.wasm"] },
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] } });
    let manifest = written.manifest(written.document(CONFIG, &config), &[layer]);
    let check =
        Run::of(wasm_oci().args(["check", &written.name(manifest, "app"), "--for", "containerd"]));
    assert_eq!(check.code, 9, "{check:?}");
    assert!(
        check.stdout.contains("(no WebAssembly module") || check.stdout.contains("compiled ahead"),
        "{check:?}"
    );
}

#[test]
fn formats_are_chosen_for_an_audience_and_a_line_says_why() {
    let (folder, _) = folder_with(COMMAND);
    let pack = |args: &[&str]| run(folder.path(), &[&["pack", "app.wasm"], args].concat());
    let packed =
        pack(&["--for", "kubernetes,docker,wkg", "--linux-platform", &platform()]).success();
    let why = "Choosing standalone, which kubernetes and docker both take without a Wasm runtime; \
               artifact, the only format that wkg takes";
    assert!(packed.stderr.contains(why), "{packed:?}");
    assert_eq!(packed.stdout, "oci:app.oci:latest\noci:app.oci:latest-artifact\n");
    let both = pack(&["--for", "docker", "--format", "module"]);
    assert_eq!(both.code, 2, "{both:?}");
    let (folder, _) = folder_with("(component)");
    let refused = run(folder.path(), &["pack", "app.wasm", "--for", "node"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (9, ""), "{refused:?}");
    assert!(refused.stderr.contains("doesn't run on node: "), "{refused:?}");
    assert!(!folder.path().join("app.oci").exists());
}

#[test]
fn a_crate_says_whom_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), "fn main() {}").unwrap();
    let manifest = |settings: &str| {
        let head =
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n";
        let text = format!("{head}[package.metadata.wasm-oci]\n{settings}\n");
        fs::write(folder.path().join("Cargo.toml"), text).unwrap();
    };
    let cargo = |args: &[&str]| {
        let mut command = cargo_wasm_oci();
        command.arg("wasm-oci").args(args).arg("--target-dir").arg(lasting("engines"));
        Run::of(command.current_dir(folder.path()))
    };
    manifest(&format!("for = [\"docker\", \"wkg\"]\nlinux-platforms = [\"{}\"]", platform()));
    let built = cargo(&["build"]).success();
    assert!(
        built.stdout.contains("app:latest\n") && built.stdout.contains("app:latest-artifact\n"),
        "{built:?}"
    );
    // One of the two is enough.
    let checked = cargo(&["check", "--for", "docker,wkg"]).success();
    assert_eq!(checked.stdout.matches("\nwkg").count(), 2, "{checked:?}");
    let refused = cargo(&["check", "--for", "docker", "--format", "module"]);
    assert_eq!(refused.code, 9, "{refused:?}");
    assert!(refused.stderr.contains("`app` doesn't run on docker-26"), "{refused:?}");
    // A flag of either kind comes before a setting of the other.
    let built = cargo(&["build", "--format", "container"]).success();
    assert_eq!(built.stdout.lines().count(), 1, "{built:?}");
    manifest("for = \"docker\"\nformat = \"module\"");
    let both = cargo(&["build"]);
    assert!(
        both.code == 1
            && both.stderr.contains("invalid value for `for`: `format` chooses the formats"),
        "{both:?}"
    );
}

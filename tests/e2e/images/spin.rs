//! Images of Spin applications, as its older and newer versions push them (`crates/oci/src/client.rs` in its repository).

use std::fs;

use serde_json::{Value, json};

use super::{NOTHING, module};
use crate::harness::foreign::{CONFIG, WASM, Written};
use crate::harness::{Run, wasm_oci};

const APPLICATION: &str = "application/vnd.fermyon.spin.application.v1+config";
const COMPONENT: &str = "application/vnd.wasm.content.layer.v1+wasm";
const DATA: &str = "application/vnd.wasm.content.layer.v1+data";

/// The error, and what it says to do.
const NAMED: &str = "is a Spin application (`application/vnd.fermyon.spin.application.v1+config`), which only Spin can \
    start: use `spin up --from REFERENCE`, or Spin's shim in a cluster";

/// The modules of an application, all different.
fn modules(count: usize) -> Vec<Vec<u8>> {
    let text = |number| NOTHING.replace(r#""memory") 1"#, &format!(r#""memory") {number}"#));
    (1..=count).map(|number| module(&text(number))).collect()
}

fn locked() -> Value {
    json!({ "spin_lock_version": 1, "metadata": { "name": "app" }, "triggers": [],
        "components": [{ "id": "app", "source": { "content_type": "application/wasm" } }] })
}

/// Its description is the configuration.
fn older(written: &Written, modules: &[Vec<u8>]) -> String {
    let layers: Vec<Value> = modules.iter().map(|it| written.blob(COMPONENT, it)).collect();
    let config = written.document(APPLICATION, &locked());
    written.name(written.manifest(config, &layers), "1")
}

/// Its description is a layer, under the configuration of an image.
fn newer(written: &Written, modules: &[Vec<u8>]) -> String {
    let mut layers: Vec<Value> = modules.iter().map(|it| written.blob(COMPONENT, it)).collect();
    layers.push(written.blob(DATA, b"a file"));
    let locked = written.document(APPLICATION, &locked());
    let labels = json!({ "com.fermyon.spin.lockedAppDigest": locked["digest"] });
    layers.push(locked);
    let config = written.document(
        CONFIG,
        &json!({ "architecture": "wasm", "os": "Wasip1", "config": { "Labels": labels },
            "rootfs": { "type": "layers", "diff_ids": [] } }),
    );
    written.name(written.manifest(config, &layers), "1")
}

#[test]
fn an_application_is_named_by_every_command() {
    for make in [older, newer] {
        for count in [1, 2] {
            let (written, all) = (Written::new(), modules(count));
            let image = make(&written, &all);
            let folder = tempfile::tempdir().unwrap();
            let run = |args: &[&str]| {
                let mut command = wasm_oci();
                command.env("WASM_OCI_CACHE_DIR", folder.path().join("cache"));
                Run::of(command.args(args).current_dir(folder.path()))
            };
            // It can't be started, and is no other image either.
            fs::write(folder.path().join("cases.toml"), "[[smoke]]\nname = \"it\"\n").unwrap();
            for args in [
                &["run", &image][..],
                &["serve", &image, "--port", "0"],
                &["test", &image, "--cases", "cases.toml"],
                &["convert", &image, "oci:out", "--format", "universal"],
            ] {
                let refused = run(args);
                assert_eq!(refused.code, 3, "{args:?}: {refused:?}");
                assert!(refused.stderr.contains(NAMED), "{args:?}: {}", refused.stderr);
            }
            assert!(!folder.path().join("out").exists());
            // With several modules, none is the program, and taking the first one would be wrong.
            for args in [&["pull", &image, "--module", "out.wasm"][..], &["inspect", &image]] {
                let shown = run(args);
                assert_eq!(shown.code, if count == 1 { 0 } else { 3 }, "{args:?}: {shown:?}");
                let is_named = shown.stderr.contains(NAMED);
                assert_eq!(is_named, count > 1 || args[0] == "inspect", "{}", shown.stderr);
            }
            let pulled = fs::read(folder.path().join("out.wasm")).ok();
            assert_eq!(pulled.as_ref(), all.first().filter(|_| count == 1));
            let checked = run(&["check", &image]).success().stdout;
            assert!(checked.contains(&format!("note:       the image {NAMED}")), "{checked}");
            assert!(!checked.contains("wasm-oci convert"), "{checked}");
            let node = checked.lines().find(|line| line.starts_with("node ")).unwrap();
            assert_eq!(node.contains("  ok "), count == 1, "{node}");
            // It can be copied whole.
            let pull = run(&["pull", &image, "--oci-layout-path", "pulled"]).success();
            assert_eq!(pull.stdout, "oci:pulled:1\n");
            let _copied = run(&["copy", "oci:pulled:1", "oci-archive:app.tar:1"]).success();
            assert!(run(&["check", "oci-archive:app.tar"]).success().stdout.contains(NAMED));
        }
    }
}

#[test]
fn of_several_bare_modules_none_is_chosen() {
    let (written, all) = (Written::new(), modules(2));
    let layers: Vec<Value> = all.iter().map(|it| written.blob(WASM, it)).collect();
    let config = written.document(CONFIG, &json!({ "os": "wasi", "architecture": "wasm" }));
    let image = written.name(written.manifest(config, &layers), "1");
    for command in ["run", "inspect", "validate", "size"] {
        let refused = Run::of(wasm_oci().args([command, &image]));
        assert_eq!(refused.code, 3, "{command}: {refused:?}");
        let reason = "its layers are several modules, and nothing tells which one it starts";
        assert!(refused.stderr.contains(reason), "{command}: {}", refused.stderr);
        for layer in &layers {
            let digest = layer["digest"].as_str().unwrap();
            assert!(refused.stderr.contains(digest), "{command}: {}", refused.stderr);
        }
    }
    // One that is listed twice is one.
    let twice = [layers[0].clone(), layers[0].clone()];
    let config = written.document(CONFIG, &json!({ "os": "wasi", "architecture": "wasm" }));
    let image = written.name(written.manifest(config, &twice), "1");
    let _ran = Run::of(wasm_oci().args(["run", &image])).success();
}

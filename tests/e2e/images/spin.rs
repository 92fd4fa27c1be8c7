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
                assert!(shown.stderr.contains(NAMED), "{args:?}: {}", shown.stderr);
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

/// Engines refuse them, or start one or the other.
#[test]
fn of_several_bare_modules_none_is_taken_silently() {
    let (written, all) = (Written::new(), modules(2));
    let layers: Vec<Value> = all.iter().map(|it| written.blob(WASM, it)).collect();
    let config = json!({ "os": "wasi", "architecture": "wasm" });
    let named = |layers: &[Value]| {
        let config = written.document(CONFIG, &config);
        written.name(written.manifest(config, layers), "1")
    };
    let folder = tempfile::tempdir().unwrap();
    let digest = layers[0]["digest"].as_str().unwrap();
    let taken = format!("2 layers are bare modules: this command takes the first, {digest}");
    for (layers, is_said) in [
        (layers.clone(), true),
        // One that is listed twice is one.
        (vec![layers[0].clone(); 2], false),
    ] {
        let image = named(&layers);
        let convert = ["convert", &image, "oci:out", "--format", "container"];
        for args in [
            &["run", &image][..],
            &["inspect", &image],
            &["pull", &image, "--module", "out.wasm"],
            &convert,
        ] {
            let run = Run::of(wasm_oci().args(args).current_dir(folder.path())).success();
            assert_eq!(run.stderr.contains(&taken), is_said, "{args:?}: {}", run.stderr);
        }
        assert_eq!(fs::read(folder.path().join("out.wasm")).unwrap(), all[0]);
    }
}

//! Standalone images in our own commands.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wasm_oci_core::image::{Architecture, Format, ImageSettings, NativeProgram, assemble};
use wasm_oci_core::module::{BuiltModule, ValidateOptions, validate};
use wasm_oci_core::run::{engine_version, precompile};
use wasm_oci_core::store::{Layout, Silent, save};

use super::{guests, http, platform};
use crate::harness::{Run, wasm_oci};
use crate::registry::wait;

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&Run::of(command).success().stdout).unwrap()
}

fn archive() -> String {
    format!("oci-archive:{}", guests().path().display())
}

/// Converts an image, and returns the digest of the new one.
fn convert(from: &str, to: &Path, format: &str) -> String {
    let mut convert = wasm_oci();
    convert.args(["convert", from, &format!("oci:{}:1", to.display())]);
    convert.args(["--format", format, "--json"]);
    json(&mut convert)["digest"].as_str().unwrap().to_owned()
}

#[test]
fn it_is_the_same_after_a_conversion_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (universal, again) = (folder.path().join("universal"), folder.path().join("again"));
    let digest = json(wasm_oci().args(["inspect", &archive(), "--json"]))["digest"].clone();
    let other = convert(&archive(), &universal, "universal");
    assert_ne!(digest, other);
    assert_eq!(digest, convert(&format!("oci:{}", universal.display()), &again, "standalone"));
}

#[test]
fn commands_see_the_module_in_it() {
    let run = Run::of(wasm_oci().args(["run", &archive(), "--", "exit", "3"]));
    assert_eq!(run.code, 3, "{run:?}");
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("guests.wasm");
    let mut pull = wasm_oci();
    let _pulled = Run::of(pull.args(["pull", &archive(), "--module"]).arg(&module)).success();
    assert!(fs::read(&module).unwrap() == fs::read(crate::running::guests()).unwrap());

    let inspected = json(wasm_oci().args(["inspect", &archive(), "--json"]));
    assert_eq!(inspected["format"], "standalone");
    let native = &inspected["manifests"][1];
    assert_eq!(native["platform"], platform());
    let engine = native["annotations"]["io.github.wasm-oci.engine"].as_str().unwrap();
    assert_eq!(engine, engine_version());
    let text = Run::of(wasm_oci().args(["inspect", &archive()])).success();
    assert!(text.stdout.contains(engine) && text.stderr.is_empty(), "{text:?}");
}

#[test]
fn gates_judge_its_code_too() {
    let validate =
        |image: &str, args: &[&str]| Run::of(wasm_oci().args(["validate", image]).args(args));
    let _valid = validate(&archive(), &["--deny", "sockets"]).success();
    let denied = validate(&archive(), &["--deny", "environment"]);
    assert_eq!(denied.code, 3, "{denied:?}");

    // With the code of another module in it.
    let folder = tempfile::tempdir().unwrap();
    let forged = forged(&folder.path().join("forged"));
    let _valid = validate(&forged, &[]).success();
    let refused = validate(&forged, &["--deny", "sockets"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("its code is not what this version compiles"), "{refused:?}");
}

/// Makes an image whose code is not that of its module, and returns its location.
fn forged(layout: &Path) -> String {
    let valid = |bytes: Vec<u8>| {
        let module = BuiltModule::new("guests", bytes).unwrap().unoptimized();
        validate(module, &ValidateOptions::default()).unwrap()
    };
    let other = r#"(module (memory (export "memory") 1) (func (export "_start") nop))"#;
    let other = valid(wat::parse_str(other).unwrap());
    let architecture = Architecture::of_this_machine();
    let runner = Run::of(wasm_oci().args(["runner", "path"])).success().stdout;
    let mut settings = ImageSettings::new("guests");
    settings.natives = vec![NativeProgram {
        architecture,
        runner: fs::read(runner.trim_end()).unwrap().into(),
        code: precompile(&other, architecture).unwrap().into(),
        engine: engine_version(),
        serves: false,
    }];
    let module = valid(fs::read(crate::running::guests()).unwrap());
    let image = assemble(&module, &settings, &[Format::Standalone]).unwrap().remove(0);
    let sink = Layout::create(layout).unwrap();
    wait(save(&image, &sink, &["1".parse().unwrap()], &Silent)).unwrap();
    format!("oci:{}:1", layout.display())
}

#[test]
fn a_component_that_serves_has_its_port_exposed() {
    let archive = format!("oci-archive:{}", http().path().display());
    let inspected = json(wasm_oci().args(["inspect", &archive, "--json"]));
    let config = &inspected["manifests"][1]["config"];
    assert_eq!(config["ExposedPorts"], serde_json::json!({ "8080/tcp": {} }));
    assert_eq!(inspected["manifests"][0]["config"], serde_json::json!({}));
}

#[test]
fn a_runner_is_a_program_for_its_platform() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runner");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    let mut pack = wasm_oci();
    pack.args(["pack", "--format=standalone", "--runner"]).arg(&file).arg(crate::running::guests());
    let run = Run::of(pack.arg("--dry-run"));
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("it is not a Linux program"), "{run:?}");
    let mut pack = wasm_oci();
    pack.args(["pack", "--format=standalone", "--linux-platform=linux/s390x"]);
    let run =
        Run::of(pack.arg(crate::running::guests()).arg("--tarball").arg(folder.path().join("a")));
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("no runner for linux/s390x"), "{run:?}");
}

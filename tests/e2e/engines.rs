//! Each format, built from a crate, pushed to a registry, pulled and run by those who take it (docs/formats.md):
//! arguments, environment, output and exit code come through. Those who don't take it fail as the table says.

use std::sync::OnceLock;

use serde_json::Value;
use wasm_oci_core::compat::Supports;
use wasm_oci_core::compat::engines::{Compatibility, Engine, Evidence, Shape};
use wasm_oci_core::image::Format;
use wasm_oci_core::module::Kind;

use crate::harness::commands::{cargo, example, lasting};
use crate::harness::{Containerd, Node, Pod, Registry, Run, Version, cargo_wasm_oci, wasm_oci};

/// A registry that has the example `hello` in every format.
struct Pushed {
    registry: Registry,
}

impl Pushed {
    fn new() -> Pushed {
        let registry = Registry::start();
        let to = format!("{}/demo/{{bin}}:1.0", registry.host());
        let mut push = cargo_wasm_oci();
        push.args(["wasm-oci", "push", "--locked", "--manifest-path"])
            .arg(example("hello"))
            .arg(to);
        push.args(["--format", "universal,container,module,combined,artifact"]);
        push.arg("--target-dir").arg(lasting("hello"));
        // One after another: they share a target directory.
        static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _one = LOCK.lock().unwrap();
        let run = Run::of(&mut push).success();
        let name = format!("{}/demo/hello@sha256:", registry.host());
        assert_eq!(
            run.stdout.lines().filter(|line| line.starts_with(&name)).count(),
            5,
            "{}",
            run.stdout
        );
        Pushed { registry }
    }

    fn reference(&self, format: &str) -> String {
        let tag = if format == "universal" { "1.0".to_owned() } else { format!("1.0-{format}") };
        format!("{}/demo/hello:{tag}", self.registry.host())
    }
}

const ARGS: [&str; 6] = ["--name", "Wasm", "--env", "COLOUR", "--exit", "3"];
const ENV: [(&str, &str); 1] = [("COLOUR", "blue")];

/// Returns the output of the native program for these arguments.
fn expected() -> &'static str {
    static OUTPUT: OnceLock<String> = OnceLock::new();
    OUTPUT.get_or_init(|| {
        let mut cargo = cargo();
        cargo.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(example("hello"));
        cargo.arg("--target-dir").arg(lasting("hello-native")).arg("--").args(ARGS).envs(ENV);
        let run = Run::of(&mut cargo);
        assert_eq!(run.code, 3, "{run:?}");
        run.stdout
    })
}

#[track_caller]
fn assert_ran(run: &Run, what: &str) {
    assert_eq!(run.stdout, expected(), "{what}: {run:?}");
    assert_eq!(run.code, 3, "{what}: {run:?}");
}

/// The table: what each engine makes of each format.
pub(crate) fn engines_table() -> String {
    let formats = Format::ALL.map(Format::name).join(" | ");
    let mut table = format!(
        "| engine | `--for` | {formats} |\n|---|---|{}\n",
        "---|".repeat(Format::ALL.len())
    );
    for engine in Engine::all() {
        let cells =
            Format::ALL.map(|format| cell(&engine.check(&Shape::of_format(format, Kind::Command))));
        table.push_str(&format!("| {} | `{engine}` | {} |\n", engine.title(), cells.join(" | ")));
    }
    table
}

fn cell(compatibility: &Compatibility) -> String {
    let text = match (compatibility.supports, compatibility.says) {
        (Supports::Yes, _) => "runs".to_owned(),
        (Supports::WithOption, _) => format!("runs with {}", compatibility.with.join(", ")),
        (Supports::No, Some(says)) => format!("no: \"{says}\""),
        (Supports::No, None) => "no".to_owned(),
    };
    if compatibility.source == Evidence::Tests { format!("**{text}**") } else { text }
}

/// Returns the table of known incompatibilities.
pub(crate) fn incompatibilities_table() -> String {
    let mut table = "| engine | when | what happens | known from |\n|---|---|---|---|\n".to_owned();
    for engine in Engine::all() {
        for incompatibility in engine.incompatibilities() {
            let what = match (incompatibility.fails, incompatibility.words) {
                (true, "") => "fails".to_owned(),
                (true, says) => format!("\"{says}\""),
                (false, condition) => format!("runs with {condition}"),
            };
            let source = match incompatibility.source {
                Evidence::Tests => "tests",
                Evidence::Hand => "by hand",
                Evidence::Code => "its source",
                Evidence::Inferred => "the rest",
            };
            table.push_str(&format!(
                "| `{engine}` | {} | {what} | {source} |\n",
                incompatibility.cause
            ));
        }
    }
    table
}

/// Returns the report of `check` about an image and one engine.
#[track_caller]
pub(crate) fn compatibility(reference: &str, engine: &str) -> Value {
    let check = Run::of(wasm_oci().args(["check", reference, "--json", "--for", engine]));
    let checked: Value =
        serde_json::from_str(&check.stdout).unwrap_or_else(|_| panic!("{check:?}"));
    let compatibility = checked["consumers"][0].clone();
    assert_eq!(check.code, if compatibility["takes"] == "no" { 9 } else { 0 }, "{check:?}");
    compatibility
}

/// Holds what the table says of a failure against what the engine did.
#[track_caller]
pub(crate) fn assert_failed(run: &Run, compatibility: &Value, what: &str) {
    assert_ne!(run.code, 0, "{what} runs, and should not: {run:?}");
    let says = compatibility["says"].as_str().unwrap_or_default();
    assert!(run.stderr.contains(says), "{what} should say {says:?}: {run:?}");
}

/// The formats that need a Wasm runtime. `standalone.rs` tries the other one.
fn for_runtimes() -> impl Iterator<Item = &'static str> {
    Format::ALL.into_iter().filter(|format| *format != Format::Standalone).map(Format::name)
}

/// Tries every format, and sees whether each does what the table says.
fn through_ctr(version: Version, engine: &str) {
    let pushed = Pushed::new();
    let containerd = Containerd::shared(version);
    for format in for_runtimes() {
        let image = pushed.reference(format);
        let args: Vec<&str> = ["/hello.wasm"].into_iter().chain(ARGS).collect();
        let run = containerd.pull_and_run(&image, &ENV, &args);
        match compatibility(&image, engine) {
            compatibility if compatibility["takes"] == "no" => {
                assert_failed(&run, &compatibility, format)
            }
            _ => assert_ran(&run, format),
        }
    }
}

fn through_cri(version: Version, engine: &str) {
    let pushed = Pushed::new();
    let containerd = Containerd::shared(version);
    for format in for_runtimes() {
        let image = pushed.reference(format);
        let run =
            containerd.run_pod(Pod { image: &image, args: &ARGS, env: &ENV, ..Pod::default() });
        match compatibility(&image, engine) {
            compatibility if compatibility["takes"] == "no" => {
                assert_failed(&run, &compatibility, format)
            }
            _ => assert_ran(&run, format),
        }
    }
}

#[test]
fn debians_ctr_does_what_the_table_says() {
    through_ctr(Version::Debian, "containerd-1.6");
}

#[test]
fn ctr_1_7_does_what_the_table_says() {
    through_ctr(Version::V1_7, "containerd-1.7");
}

#[test]
fn pods_of_debians_containerd_do_what_the_table_says() {
    through_cri(Version::Debian, "cri-1.6");
}

#[test]
fn pods_of_containerd_1_7_do_what_the_table_says() {
    through_cri(Version::V1_7, "cri-1.7");
}

#[test]
fn containerd_imports_an_archive_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("hello.tar");
    let pushed = Pushed::new();
    let mut pull = wasm_oci();
    pull.args(["pull", &pushed.reference("universal"), "--tarball"]).arg(&archive);
    let _pulled = Run::of(&mut pull).success();
    let containerd = Containerd::shared(Version::Debian);
    let _imported = containerd.import(&archive, "example.com/unused").success();
    let args: Vec<&str> = ["/hello.wasm"].into_iter().chain(ARGS).collect();
    // By the name that the archive gives it.
    assert_ran(&containerd.run(&pushed.reference("universal"), &ENV, &args), "archive");
}

#[test]
fn node_runs_the_module_of_every_format() {
    let pushed = Pushed::new();
    let folder = tempfile::tempdir().unwrap();
    for format in ["universal", "container", "module", "combined", "artifact"] {
        let module = folder.path().join(format!("{format}.wasm"));
        let mut pull = wasm_oci();
        pull.args(["pull", &pushed.reference(format), "--module"]).arg(&module);
        let run = Run::of(&mut pull).success();
        assert_eq!(run.stdout.trim_end(), module.display().to_string());
        assert_ran(&Node::run(&module, &ARGS, &ENV, ""), format);
    }
}

#[test]
fn our_own_runner_runs_every_format_from_the_registry() {
    let pushed = Pushed::new();
    for format in ["universal", "container", "module", "combined", "artifact"] {
        let mut run = wasm_oci();
        run.args(["run", &pushed.reference(format), "--env", "COLOUR=blue", "--"]).args(ARGS);
        assert_ran(&Run::of(&mut run), format);
    }
}

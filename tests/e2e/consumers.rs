//! Each format, built from a crate, pushed to a registry, pulled and run by those who take it (docs/formats.md):
//! arguments, environment, output and exit code come through.

use std::sync::OnceLock;

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
        push.args(["wasm-oci", "push", "--locked", "--manifest-path"]).arg(example("hello")).arg(to);
        push.args(["--format", "universal,container,module,combined,artifact"]);
        push.arg("--target-dir").arg(lasting("hello"));
        // One after another: they share a target directory.
        static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _one = LOCK.lock().unwrap();
        let run = Run::of(&mut push).success();
        let name = format!("{}/demo/hello@sha256:", registry.host());
        assert_eq!(run.stdout.lines().filter(|line| line.starts_with(&name)).count(), 5, "{}", run.stdout);
        Pushed { registry }
    }

    fn reference(&self, format: &str) -> String {
        let tag = if format == "universal" { "1.0".to_owned() } else { format!("1.0-{format}") };
        format!("{}/demo/hello:{tag}", self.registry.host())
    }
}

const ARGS: [&str; 6] = ["--name", "Wasm", "--env", "COLOUR", "--exit", "3"];
const ENV: [(&str, &str); 1] = [("COLOUR", "blue")];

/// What the program writes natively for these arguments.
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

fn through_ctr(version: Version, formats: &[&str]) {
    let pushed = Pushed::new();
    let containerd = Containerd::shared(version);
    for format in formats {
        let image = pushed.reference(format);
        let _pulled = containerd.pull(&image, "wasi/wasm").success();
        let args: Vec<&str> = ["/hello.wasm"].into_iter().chain(ARGS).collect();
        assert_ran(&containerd.run(&image, &ENV, &args), format);
    }
}

fn through_cri(version: Version, formats: &[&str]) {
    let pushed = Pushed::new();
    let containerd = Containerd::shared(version);
    for format in formats {
        let image = pushed.reference(format);
        let pod = Pod { image: &image, args: &ARGS, env: &ENV, ..Pod::default() };
        assert_ran(&containerd.run_pod(pod), format);
    }
}

#[test]
fn debians_ctr_runs_what_it_takes() {
    through_ctr(Version::Debian, &["universal", "container"]);
}

#[test]
fn ctr_1_7_runs_what_it_takes() {
    through_ctr(Version::V1_7, &["universal", "container", "module", "combined"]);
}

#[test]
fn pods_of_debians_containerd_run_what_it_takes() {
    through_cri(Version::Debian, &["universal", "container", "combined"]);
}

#[test]
fn pods_of_containerd_1_7_run_every_format() {
    through_cri(Version::V1_7, &["universal", "container", "module", "combined", "artifact"]);
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

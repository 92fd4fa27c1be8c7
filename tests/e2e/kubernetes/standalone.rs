//! Manifests of standalone images, which need no shim, and of images with a native program and one for WebAssembly.

use std::fs;

use super::{Workspace, assert_valid, command, k8s};
use crate::harness::commands::{example, lasting};
use crate::harness::{Containerd, Pod, Registry, Run, Version, wasm_oci};
use crate::standalone::platform;

/// The example `hello` in a registry, with a runner for this machine.
fn standalone_image() -> (Registry, String) {
    let registry = Registry::start();
    let image = format!("{}/hello:1", registry.host());
    let mut push = command("push", &example("hello"), &["--format=standalone", &image]);
    push.args(["--linux-platform", &platform()]);
    push.arg("--target-dir").arg(lasting("hello-standalone"));
    let _pushed = Run::of(&mut push).success();
    (registry, image)
}

#[test]
fn a_standalone_image_needs_no_runtime_class() {
    let (registry, image) = standalone_image();
    let k8s = |args: &[&str]| Run::of(wasm_oci().args(["k8s", &image]).args(args)).success();
    let job = k8s(&[]);
    assert!(job.stdout.contains("kind: Job\n") && !job.stdout.contains("untimeClass"), "{job:?}");
    assert!(!job.stderr.contains("warning"), "{job:?}");
    let with_shim = k8s(&["--runtime-class", "wasm"]).stdout;
    assert!(with_shim.contains("runtimeClassName: wasm\n"), "{with_shim}");
    assert!(with_shim.contains("kind: RuntimeClass\n"), "{with_shim}");
    assert_valid(&job.stdout);
    assert_valid(&with_shim);
    drop(registry);
}

#[test]
fn both_programs_are_behind_one_service() {
    let (registry, image) = standalone_image();
    let k8s = |args: &[&str]| Run::of(wasm_oci().args(["k8s", &image]).args(args)).success();
    let job = k8s(&[]);
    // The one for shims by its own digest.
    let both = k8s(&["--variants=native=3,wasm=1", "--port=9000"]).stdout;
    let images: Vec<&str> =
        both.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
    let [native, wasm] = images.as_slice() else { panic!("{both}") };
    assert!(job.stdout.contains(&format!("image: {native}\n")) && native != wasm, "{both}");
    for line in ["name: hello-native\n", "name: hello-wasm\n", "replicas: 3\n", "replicas: 1\n"] {
        assert!(both.contains(line), "no `{line}` in {both}");
    }
    assert_eq!(both.matches("runtimeClassName: wasmtime\n").count(), 1, "{both}");
    assert_valid(&both);
    for version in [Version::Debian, Version::V1_7] {
        let run = Containerd::shared(version).run_pod(Pod { image: wasm, ..Pod::default() });
        assert_eq!((run.code, run.stdout.as_str()), (0, "Hello, world!\n"), "{run:?}");
    }
    // Without one of the programs, without a port, and what has no variants.
    let refused = |args: &[&str], part: &str| {
        let run = Run::of(wasm_oci().arg("k8s").args(args));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}: {run:?}");
        assert!(run.stderr.contains(part), "{args:?}: {}", run.stderr);
    };
    refused(&[&image, "--variants=native"], "--port");
    refused(&[&image, "--variants=linux"], "native=3");
    refused(&[&image, "--variants=wasm,wasm", "--port=1"], "twice");
    refused(&[&image, "--variants=wasm", "--schedule=@daily", "--port=1"], "--schedule");
    refused(&[wasm, "--variants=native", "--port=1"], "native variant");
    drop(registry);
}

#[test]
fn only_pods_whose_image_needs_a_shim_get_a_class() {
    let workspace = Workspace::new();
    let manifest = fs::read_to_string(workspace.folder.path().join("one/Cargo.toml")).unwrap();
    let settings = "[package.metadata.wasm-oci]\nformat = \"standalone\"\n";
    workspace.write("one/Cargo.toml", manifest + settings);
    let printed = k8s(&workspace.manifest(), &["--workspace"]).success().stdout;
    assert_eq!(printed.matches("runtimeClassName: wasmtime\n").count(), 2, "{printed}");
    assert_valid(&printed);
    let one = k8s(&workspace.manifest(), &["-p", "one"]).success().stdout;
    assert!(!one.contains("untimeClass"), "{one}");
    let pod = |image: &str| {
        format!("kind: Pod\nspec:\n  containers:\n  - name: a\n    image: wasm-oci://{image}\n")
    };
    let args = ["-f", "-", "--runtime-class", "wasm", "--linux-platform", &platform()];
    let both = format!("{}---\n{}", pod("one"), pod("two/red"));
    let resolved = workspace.resolve(&args, &both).success().stdout;
    let (standalone, universal) = resolved.split_once("---\n").unwrap();
    assert!(!standalone.contains("runtimeClassName"), "{resolved}");
    assert!(universal.contains("  runtimeClassName: wasm\n"), "{resolved}");
}

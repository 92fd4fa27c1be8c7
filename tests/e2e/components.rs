//! Each component that tests give modules and images to, checked without anything of ours: where one of these tests
//! fails, the machine is at fault, and tests/setup the first thing to try.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{Containerd, Node, Pod, Registry, Run, Version, umoci};

#[test]
fn node_runs_a_module() {
    let (_directory, module) = echo_module();
    let run = Node::run(&module, &["one", "two words"], &[("NAME", "value")], "");
    assert_echoed(&run, &format!("{}\none\ntwo words\nNAME=value\n", module.display()));
}

#[test]
fn debians_containerd_runs_an_image() {
    runs_an_image(Version::Debian);
}

#[test]
fn containerd_1_7_runs_an_image() {
    runs_an_image(Version::V1_7);
}

#[test]
fn containerd_imports_an_archive() {
    let (directory, layout) = layout();
    let archive = directory.path().join("archive.tar");
    let _copied =
        umoci::copy(&layout, &format!("oci-archive:{}:app", archive.display()), &[]).success();
    let containerd = Containerd::shared(Version::Debian);
    let _imported = containerd.import(&archive, "example.com/imported").success();
    assert_echoed(
        &containerd.run("example.com/imported:app", &[("NAME", "value")], &[]),
        "/app.wasm\nNAME=value\n",
    );
}

#[test]
fn debians_containerd_runs_a_pod() {
    runs_a_pod(Version::Debian);
}

#[test]
fn containerd_1_7_runs_a_pod() {
    runs_a_pod(Version::V1_7);
}

#[test]
fn a_private_registry_wants_a_password() {
    let (_directory, layout) = layout();
    let registry = Registry::start_private();
    let to = format!("docker://{}/app:1", registry.host());
    let refused = umoci::copy(&layout, &to, &[]);
    assert!(refused.code != 0 && refused.stderr.contains("authentication required"), "{refused:?}");
    let _pushed =
        umoci::copy(&layout, &to, &["--dest-creds", &format!("{USER}:{PASSWORD}")]).success();
    assert!(
        registry.log().contains("\"PUT /v2/app/manifests/1 HTTP/1.1\" 201"),
        "{}",
        registry.log()
    );
}

fn runs_an_image(version: Version) {
    let (_registry, image) = pushed_image();
    let containerd = Containerd::shared(version);
    let _pulled = containerd.pull(&image, "wasi/wasm").success();
    let run = containerd.run(&image, &[("NAME", "value")], &["/app.wasm", "one", "two words"]);
    assert_echoed(&run, "/app.wasm\none\ntwo words\nNAME=value\n");
}

fn runs_a_pod(version: Version) {
    let (_registry, image) = pushed_image();
    let containerd = Containerd::shared(version);
    let run = containerd.run_pod(Pod {
        image: &image,
        args: &["one", "two words"],
        env: &[("NAME", "value")],
        ..Pod::default()
    });
    assert_echoed(&run, "/app.wasm\none\ntwo words\nNAME=value\n");
}

/// Engines add variables of their own, so that not all of the lines need to be expected.
#[track_caller]
fn assert_echoed(run: &Run, expected: &str) {
    let missing = expected.lines().find(|line| !run.stdout.lines().any(|other| other == *line));
    assert_eq!(missing, None, "{run:?}");
    assert_eq!(run.code, 7, "{run:?}");
}

/// An image in a registry of its own.
fn pushed_image() -> (Registry, String) {
    let (_directory, layout) = layout();
    let registry = Registry::start();
    let image = format!("{}/app:1", registry.host());
    let _pushed = umoci::copy(&layout, &format!("docker://{image}"), &[]).success();
    (registry, image)
}

/// An image with the module, as skopeo names it.
fn layout() -> (TempDir, String) {
    let (directory, module) = echo_module();
    let layout = directory.path().join("layout");
    umoci::image(&layout, &module);
    (directory, format!("oci:{}:app", layout.display()))
}

/// A module that writes its arguments and environment and exits with 7.
fn echo_module() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("echo.wasm");
    fs::write(&module, wat::parse_str(include_str!("echo.wat")).unwrap()).unwrap();
    (directory, module)
}

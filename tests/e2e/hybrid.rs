//! The example `hybrid`: a native database, and beside it Wasm that asks it, here and in a pod.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::harness::commands::{lasting, root};
use crate::harness::{
    Containerd, Pod, Postgres, Registry, Run, Serving, Version, cargo_wasm_oci, tools,
};
use crate::{compose, kubernetes};

fn folder() -> PathBuf {
    root().join("examples/hybrid")
}

/// A command of ours in the example.
fn command(args: &[&str]) -> Command {
    let mut command = cargo_wasm_oci();
    command.arg("wasm-oci").args(args).current_dir(folder()).env_remove("WASM_OCI_REPOSITORY");
    command.arg("--target-dir").arg(lasting("hybrid"));
    command
}

/// One test at a time: they share a target directory.
static LOCK: Mutex<()> = Mutex::new(());

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

#[test]
fn a_component_asks_a_native_database() {
    let _one = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let postgres = Postgres::start();
    let env = postgres.env().map(|(name, value)| format!("{name}={value}"));
    let env: Vec<&str> = env.iter().flat_map(|pair| ["--env", pair]).collect();
    // Of two values of a variable, the last one counts.
    let report = |more: &[&str]| {
        Run::of(&mut command(&[&["run", "--quiet", "-p", "report"], env.as_slice(), more].concat()))
    };
    let run = report(&["--net"]).success();
    assert!(run.stdout.starts_with("PostgreSQL "), "{run:?}");
    assert!(run.stdout.ends_with("\n0 visits\n"), "{run:?}");

    let serve = ["serve", "--quiet", "-p", "visits", "--net", "--port", "0"];
    let serving = Serving::start(&mut command(&[&serve[..], &env].concat()));
    let curl = || {
        Run::of(Command::new(tools::program("curl")).args([
            "--silent",
            "--max-time",
            "60",
            serving.address(),
        ]))
    };
    let first = curl().success();
    assert_eq!(first.stdout, "This is visit 1.\n", "{first:?}");
    // Ten at a time: each has a connection of its own, and none is lost.
    std::thread::scope(|scope| (0..10).for_each(|_| drop(scope.spawn(|| drop(curl().success())))));
    assert_eq!(curl().success().stdout, "This is visit 12.\n");
    assert!(report(&["--net"]).success().stdout.ends_with("\n12 visits\n"));

    // It is the password that lets it in, and the network that leads there.
    let run = report(&["--net", "--env", "PGPASSWORD=wrong"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("password authentication failed"), "{run:?}");
    let run = report(&[]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("the database can't be asked"), "{run:?}");
}

#[test]
fn its_files_are_valid_and_their_images_run_in_a_pod_beside_the_database() {
    let _one = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let registry = Registry::start();
    let repository = format!("{}/hybrid/{{bin}}", registry.host());
    let resolve = |args: &[&str]| {
        let args = [args, &["--quiet", "--repository", &repository]].concat();
        Run::of(&mut command(&args)).success().stdout
    };
    for file in ["kubernetes/database.yaml", "kubernetes/wasm.yaml", "pod.yaml"] {
        kubernetes::assert_valid(&read(file));
    }
    compose::assert_valid(&read("compose.yaml"));

    let manifests = resolve(&["resolve", "-f", "kubernetes"]);
    assert_eq!(
        manifests.lines().count(),
        read("kubernetes/database.yaml").lines().count()
            + read("kubernetes/wasm.yaml").lines().count()
            + 1
    );
    kubernetes::assert_valid(&manifests);
    let pod = resolve(&["resolve", "-f", "pod.yaml", "--runtime-class", "wasmtime"]);
    kubernetes::assert_valid(&pod);
    assert!(pod.contains("\n  runtimeClassName: wasmtime\n  # No runtimeClassName yet"), "{pod}");
    let file = resolve(&["compose", "-f", "compose.yaml"]);
    compose::assert_valid(&file);
    assert_eq!(file.matches("platform: wasi/wasm").count(), 2, "{file}");
    assert!(
        !manifests.contains("wasm-oci://") && !pod.contains("image: wasm-oci://"),
        "{manifests}{pod}"
    );

    let name = format!("image: {}/hybrid/report@", registry.host());
    let line = manifests.lines().find(|line| line.contains(&name)).unwrap();
    let image = line.trim().strip_prefix("image: ").unwrap();
    let postgres = Postgres::start();
    let env = postgres.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for version in [Version::Debian, Version::V1_7] {
        let pod = Pod { image, env: &env, restricted: true, ..Pod::default() };
        let run = Containerd::shared(version).run_pod(pod);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(
            run.stdout.starts_with("PostgreSQL ") && run.stdout.ends_with("\n0 visits\n"),
            "{run:?}"
        );
    }
}

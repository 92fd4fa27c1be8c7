//! Compose files: `compose` prints and completes them, and they are as the Compose specification has it.

use std::fs;
use std::path::Path;

use crate::harness::commands::{example, lasting};
use crate::harness::{Registry, Run, cargo_wasm_oci, tools, wasm_oci};
use crate::standalone::platform;

/// Checks a Compose file with `check-jsonschema`.
fn checked(file: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compose.yaml");
    fs::write(&path, file).unwrap();
    let mut check = tools::python_checker("check-jsonschema");
    Run::of(check.args(["--builtin-schema", "vendor.compose-spec"]).arg(path))
}

#[track_caller]
pub(crate) fn assert_valid(file: &str) {
    let run = checked(file);
    assert_eq!(run.code, 0, "{}{}\n{file}", run.stdout, run.stderr);
}

fn compose(manifest: &Path, args: &[&str], stdin: &str) -> Run {
    let mut command = cargo_wasm_oci();
    command.args(["wasm-oci", "compose", "--quiet", "--manifest-path"]).arg(manifest).args(args);
    Run::with_stdin(command.env_remove("WASM_OCI_REPOSITORY"), stdin)
}

#[test]
fn what_is_printed_is_valid() {
    let hello =
        compose(&example("hello"), &["--arg=--env", "--arg=$HOME", "--image-env", "A=yes"], "")
            .success();
    let expected = "services:\n  hello:\n    image: wasm-oci://hello\n    platform: wasi/wasm\n    runtime: \
                    io.containerd.wasmtime.v1\n    network_mode: host\n    command:\n    - --env\n    - $$HOME\n    environment:\n      \
                    A: \"yes\"\n";
    assert_eq!(hello.stdout.split_once('\n').unwrap().1, expected);
    let args = [
        "--port",
        "9000",
        "--image",
        "ghcr.io/me/{bin}:1",
        "--no-platform",
        "--network=own",
        "--container-runtime",
        "wasm",
    ];
    let http = compose(&example("http"), &args, "").success();
    let expected = "services:\n  http:\n    image: ghcr.io/me/http:1\n    runtime: wasm\n    environment:\n      \
                    WASMTIME_HTTP_PROXY_SOCKET_ADDR: 0.0.0.0:9000\n    ports:\n    - 9000:9000\n";
    assert_eq!(http.stdout, expected);
    for file in [hello.stdout, http.stdout] {
        assert_valid(&file);
        assert_ne!(checked(&file.replace("image:", "imag:")).code, 0, "a slip is not found");
    }
}

#[test]
fn a_file_is_completed_and_stays_as_it_is() {
    let registry = Registry::start();
    let target_dir = lasting("hello-compose").display().to_string();
    let repository = format!("{}/{{bin}}", registry.host());
    let args = ["--repository", &repository, "--target-dir", &target_dir, "-f"];
    let file = "# é\r\nx-env: &env { A: 'b' }\r\nservices:\r\n    db: {image: 'postgres:17'}\r\n    web:\r\n        # ours\r\n        \
                image:   'wasm-oci://hello'   # here\r\n        environment: *env\r\n        runtime: other\r\n    two: \
                {image: wasm-oci://hello/hello}\r\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compose.yaml");
    fs::write(&path, file).unwrap();
    let run =
        compose(&example("hello"), &[&args[..], &[path.to_str().unwrap()]].concat(), "").success();
    let start = run.stdout.find(registry.host()).unwrap();
    let image = &run.stdout[start..start + run.stdout[start..].find('\'').unwrap()];
    let _there = Run::of(wasm_oci().args(["inspect", image])).success();
    let runtime = "io.containerd.wasmtime.v1";
    let expected = file
        .replace(
            "{image: wasm-oci://hello/hello}",
            &format!(
                "{{platform: wasi/wasm, runtime: {runtime}, network_mode: host, image: {image}}}"
            ),
        )
        .replace(
            "        # ours",
            "        platform: wasi/wasm\r\n        network_mode: host\r\n        # ours",
        )
        .replace("wasm-oci://hello", image);
    assert_eq!(run.stdout, expected);
    assert_valid(&run.stdout);
    // The printed file can be completed.
    let printed = compose(&example("hello"), &[], "").success().stdout;
    let completed =
        compose(&example("hello"), &[&args[..], &["-"]].concat(), &printed).success().stdout;
    assert_eq!(completed, printed.replace("wasm-oci://hello", image));
}

#[test]
fn a_standalone_image_needs_no_runtime() {
    let standalone = ["--format", "standalone"];
    let http = compose(&example("http"), &standalone, "").success().stdout;
    let expected = "services:\n  http:\n    image: wasm-oci://http\n    ports:\n    - 8080:8080\n";
    assert_eq!(http.split_once('\n').unwrap().1, expected);
    let args = [&standalone[..], &["--container-runtime", "wasm"]].concat();
    let with_shim = compose(&example("http"), &args, "").success().stdout;
    assert!(with_shim.contains("platform: wasi/wasm\n    runtime: wasm\n"), "{with_shim}");
    assert_valid(&http);
    assert_valid(&with_shim);
    // Of a file, only the name of the image changes.
    let registry = Registry::start();
    let target_dir = lasting("hello-compose").display().to_string();
    let repository = format!("{}/{{bin}}", registry.host());
    let platform = platform();
    let args = ["--repository", &repository, "--target-dir", &target_dir, "-f", "-"];
    let args = [&args[..], &standalone, &["--linux-platform", &platform]].concat();
    let file = "services:\n  app:\n    image: wasm-oci://hello\n    ports: ['80:80']\n";
    let completed = compose(&example("hello"), &args, file).success();
    let (_, digest) = completed.stdout.split_once("/hello@").unwrap();
    let image = format!("{}/hello@{}", registry.host(), digest.lines().next().unwrap());
    assert_eq!(completed.stdout, file.replace("wasm-oci://hello", &image));
    assert!(!completed.stderr.contains("warning"), "{completed:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    for (args, stdin, code, part) in [
        (&["-f", "-", "--bin", "hello"][..], "", 2, "the file already sets"),
        (&["-f", "-", "--image", "a"], "", 2, "the file already sets"),
        (&["-f", dir], "", 2, "is a folder"),
        (&["-f", "none.yaml"], "", 1, "none.yaml"),
        (
            &["-f", "-"],
            "services: {a: {image: wasm-oci://helo}}",
            1,
            "standard input:1:23: `wasm-oci://helo`",
        ),
        (&["-f", "-", "--password-stdin", "-u", "me"], "", 2, "not both"),
    ] {
        let run = compose(&example("hello"), args, stdin);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{args:?}: {run:?}");
        assert!(run.stderr.contains(part), "{args:?}: {}", run.stderr);
    }
}

//! Standalone images on another processor than this machine's: arm64, which qemu imitates, in a root with nothing but the image.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::harness::commands::{example, lasting};
use crate::harness::{Run, cargo_wasm_oci, signal, tools, wasm_oci};
use crate::running::guests;
use crate::standalone::unpack_native;

/// The runner for arm64. It is built once, which takes minutes, and with zig, which every machine with the tests has.
fn runner() -> &'static Path {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    RUNNER.get_or_init(|| {
        let mut path = wasm_oci();
        path.args(["runner", "path", "--architecture", "arm64"]);
        path.env("PYTHONPATH", tools::zig_directory().parent().unwrap());
        Run::of(&mut path).success().stdout.trim().into()
    })
}

/// Unpacks the program for arm64 in a layout, and qemu, into a folder.
fn unpack(layout: &Path, root: &Path) {
    unpack_native(layout, "arm64", root);
    let qemu = root.join("qemu");
    fs::copy(tools::program("qemu-aarch64-static"), &qemu).unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Starts the image's program, where nothing of this machine is visible.
fn start(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(tools::program("unshare"));
    command.args(["--user", "--map-root-user"]).arg(tools::program("chroot")).arg(root);
    command.args(["/qemu", "/.wasm-oci/runner"]).args(args).env_clear().env("NAME", "a value");
    command
}

#[test]
#[ignore = "the runner for arm64 takes minutes to build: tests/run -- --ignored"]
fn a_module_runs_on_arm64() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let mut pack = wasm_oci();
    pack.args(["pack", "--format", "standalone", "--linux-platform", "linux/arm64", "--runner"]);
    let _packed =
        Run::of(pack.arg(runner()).arg(guests()).arg("--oci-layout-path").arg(&layout)).success();
    let root = folder.path().join("root");
    unpack(&layout, &root);
    let run = |args: &[&str]| Run::of(&mut start(&root, &[&["/guests.wasm"], args].concat()));

    let printed = run(&["args", "one", "two words"]).success().stdout;
    assert_eq!(printed, "[\"args\", \"one\", \"two words\"]\n");
    assert_eq!(run(&["env"]).success().stdout, "NAME=a value\n");
    assert_eq!(run(&["exit", "3"]).code, 3);
    let trap = run(&["trap"]);
    assert_eq!(trap.code, 134, "{trap:?}");
    assert!(trap.stderr.contains("the program was stopped: "), "{trap:?}");

    let mut sleeping =
        start(&root, &["/guests.wasm", "sleep", "60"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(sleeping.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "asleep\n");
    signal(&sleeping, "TERM");
    assert_eq!(sleeping.wait().unwrap().code(), Some(128 + 15));
}

#[test]
#[ignore = "the runner for arm64 takes minutes to build: tests/run -- --ignored"]
fn a_component_runs_on_arm64() {
    let folder = tempfile::tempdir().unwrap();
    let mut build = cargo_wasm_oci();
    build.args(["wasm-oci", "build", "--target", "wasm32-wasip2", "--format", "standalone"]);
    build.args(["--linux-platform", "linux/arm64", "--runner"]).arg(runner());
    build.arg("--manifest-path").arg(example("hello")).arg("--target-dir").arg(lasting("emulated"));
    let layout = folder.path().join("layout");
    let _built = Run::of(build.arg("--oci-layout-path").arg(&layout)).success();
    let root = folder.path().join("root");
    unpack(&layout, &root);
    let printed = Run::of(&mut start(&root, &["/hello.wasm"])).success().stdout;
    assert!(printed.contains("Hello"), "{printed}");
}

#[test]
fn without_a_c_compiler_the_error_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let tools = folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    // Links that keep their names, by which rustup's programs know what they are.
    for name in ["cargo", "rustc", "rustup"] {
        std::os::unix::fs::symlink(tools::program(name), tools.join(name)).unwrap();
    }
    let mut path = wasm_oci();
    path.args(["runner", "path", "--architecture", "arm64"]);
    path.env("PATH", &tools).env("WASM_OCI_CACHE_DIR", folder.path().join("cache"));
    path.env_remove("TARGET_CC").env_remove("CC_aarch64_unknown_linux_musl");
    let run = Run::of(&mut path);
    assert_eq!(run.code, 2, "{run:?}");
    for part in [
        "there is no runner `wasm-oci-runner-arm64`",
        "no C compiler for aarch64-unknown-linux-musl",
        "apt install gcc-aarch64-linux-gnu",
        "pip install ziglang",
        "CC_aarch64_unknown_linux_musl",
        "--runner",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

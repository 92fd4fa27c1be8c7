//! `wasm-oci run`, as its users have it: what a program is given, how it ends, and what stops it.
//!
//! The programs are in `tests/guests`, or a text here where it has to be exact.

mod caching;
mod ends;
mod hints;
mod left_over;
mod limits;
mod preview1;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::commands::{cargo, lasting, root};
use crate::harness::{Run, signal, wasm_oci};

/// The module with all programs of `tests/guests`, built once.
pub(crate) fn guests() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        let folder = lasting("guests");
        let mut build = cargo();
        build.args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--target",
            "wasm32-wasip1",
            "--target-dir",
        ]);
        build.arg(&folder).arg("--manifest-path").arg(root().join("tests/guests/Cargo.toml"));
        let _built = Run::of(&mut build).success();
        folder.join("wasm32-wasip1/release/guests.wasm")
    })
}

/// `wasm-oci run` of a module, with a cache that only these tests use.
fn run_of(module: &Path, options: &[&str], args: &[&str]) -> Command {
    let mut command = wasm_oci();
    command.arg("run").args(options).arg(module).arg("--").args(args);
    command.env("WASM_OCI_CACHE_DIR", lasting("run-cache")).env_remove("WASM_OCI_CACHE_SIZE");
    command
}

/// `wasm-oci run` of one of the programs.
fn guest(options: &[&str], args: &[&str]) -> Command {
    run_of(guests(), options, args)
}

/// Runs one of the programs to its end.
fn run(options: &[&str], args: &[&str]) -> Run {
    Run::of(&mut guest(options, args))
}

/// A module in a folder that goes with it.
fn module(wat: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.wasm");
    fs::write(&path, wat::parse_str(wat).unwrap()).unwrap();
    (folder, path)
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a program with an open but silent standard input and unread output. Fails if it doesn't end in time.
#[track_caller]
fn end_of(mut child: Child) -> Run {
    let stdin = child.stdin.take();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it doesn't end: {:?}", Run::from(child.wait_with_output().unwrap()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

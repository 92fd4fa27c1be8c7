//! `cargo wasm-oci exec`: cargo's own commands run programs in Wasm through it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::commands::{cargo, lasting, program};
use crate::harness::{Run, cargo_wasm_oci, tools};

/// cargo with a command of its own, in a folder and with `exec` and its options as the runner.
fn with_runner(folder: &Path, options: &str, args: &[&str]) -> Command {
    let mut cargo = cargo();
    let runner = format!("{} exec {options}", program("cargo-wasm-oci").display());
    cargo.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", runner.trim());
    let (command, args) = args.split_first().unwrap();
    cargo.args([command, "--target", "wasm32-wasip1"]).args(args).current_dir(folder);
    cargo
}

/// Returns the number of tests of one kind in cargo's summaries.
fn count(run: &Run, kind: &str) -> u32 {
    let summaries = run.stdout.lines().filter(|line| line.starts_with("test result: "));
    let count = |line: &str| line.split_once(kind)?.0.rsplit(' ').next()?.parse::<u32>().ok();
    summaries.filter_map(count).sum()
}

#[test]
fn a_real_crates_own_tests_pass() {
    let crate_folder = tools::real_crates().join("tested/unicode-width");
    // With its documentation's examples, and among its tests one that reads a file of the package.
    let args = ["test", "--release", "--locked", "--offline"];
    let mut wasm = with_runner(&crate_folder, "", &args);
    let wasm = Run::of(wasm.env("CARGO_TARGET_DIR", lasting("unicode-width"))).success();
    let mut native = cargo();
    native.args(args).current_dir(&crate_folder).env("CARGO_TARGET_DIR", lasting("unicode-width"));
    let native = Run::of(&mut native).success();
    assert!(count(&wasm, " passed") >= 30, "{}", wasm.stdout);
    assert_eq!(
        count(&wasm, " passed"),
        count(&native, " passed"),
        "{}\n{}",
        native.stdout,
        wasm.stdout
    );
    assert_eq!(count(&wasm, " failed") + count(&wasm, " ignored"), 0, "{}", wasm.stdout);
}

const MANIFEST: &str =
    "[package]\nname = \"app\"\nversion = \"1.2.3\"\nedition = \"2021\"\n[workspace]\n";

const TESTS: &str = r#"
use std::{env, fs};

#[test]
fn by_relative_path() {
    assert_eq!(fs::read_to_string("data/fixture.txt").unwrap(), "here");
}

#[test]
fn by_absolute_path() {
    assert_eq!(fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/data/fixture.txt")).unwrap(), "here");
}

#[test]
fn writes() {
    fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/written.txt"), "there").unwrap();
    fs::write("written.txt", "there").unwrap();
}

#[test]
fn variables() {
    assert_eq!(env::var("CARGO_PKG_VERSION").unwrap(), "1.2.3");
    assert_eq!(env::var("RUST_TEST_GIVEN").unwrap(), "yes");
    assert_eq!(env::var("GIVEN").unwrap(), "yes");
    assert!(env::var("SECRET").is_err() && env::var("CARGO_REGISTRY_TOKEN").is_err());
}

#[test]
#[ignore]
fn panics() {
    println!("said before");
    assert_eq!(1 + 1, 3, "the message");
}

#[test]
#[ignore]
fn returns_an_error() -> Result<(), String> {
    Err("the error".to_owned())
}

#[test]
#[ignore]
fn endless() {
    loop {}
}
"#;

/// A package with these tests, and its target directory elsewhere.
fn package() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("app/Cargo.toml", MANIFEST),
        (
            "app/src/main.rs",
            "fn main() { println!(\"{:?}\", std::env::args().skip(1).collect::<Vec<_>>()) }",
        ),
        ("app/tests/it.rs", TESTS),
        ("app/data/fixture.txt", "here"),
        ("app/.cargo/config.toml", "[build]\ntarget-dir = \"../built\"\n"),
    ];
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

#[test]
fn tests_find_what_they_find_natively() {
    let package = package();
    let folder = package.path().join("app");
    let run = |options: &str, args: &[&str]| {
        let mut cargo = with_runner(&folder, options, args);
        cargo.env("RUST_TEST_GIVEN", "yes").env("SECRET", "x").env("CARGO_REGISTRY_TOKEN", "x");
        Run::of(cargo.env_remove("RUST_BACKTRACE"))
    };
    // The runner's options are in its string.
    let all = run("--env GIVEN=yes --memory 1GiB", &["test"]).success();
    assert_eq!((count(&all, " passed"), count(&all, " ignored")), (4, 3), "{all:?}");
    assert_eq!(fs::read_to_string(folder.join("written.txt")).unwrap(), "there");
    assert_eq!(
        fs::read_to_string(package.path().join("built/wasm32-wasip1/tmp/written.txt")).unwrap(),
        "there"
    );

    let only = |name| ["test", "--test", "it", "--", "--include-ignored", "--exact", name];
    let isolated = run("--isolated", &only("by_relative_path"));
    assert!(isolated.code != 0 && isolated.stderr.contains("--dir"), "{isolated:?}");
    let given = run("--isolated --dir .", &only("by_relative_path"));
    assert_eq!(count(&given.success(), " passed"), 1);

    // A panic ends the whole program, after its message.
    let panicked = run("", &only("panics"));
    assert!(panicked.code != 0 && panicked.stdout.contains("said before"), "{panicked:?}");
    for words in ["the message", "tests/it.rs", "exit status: 134", "cargo nextest"] {
        assert!(panicked.stderr.contains(words), "no {words}: {panicked:?}");
    }
    let failed = run("", &only("returns_an_error"));
    assert!(failed.code == 101 && failed.stderr.contains("the error"), "{failed:?}");
    let stopped = run("--timeout 500ms", &only("endless"));
    assert!(stopped.code != 0 && stopped.stderr.contains("exit status: 124"), "{stopped:?}");

    // `cargo run` is no different, and takes the runner from the configuration as well.
    let config = folder.join(".cargo/config.toml");
    let runner = format!("{:?}", [program("cargo-wasm-oci").to_str().unwrap(), "exec"]);
    let old = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{old}[target.wasm32-wasip1]\nrunner = {runner}\n")).unwrap();
    let mut cargo = cargo();
    cargo.args([
        "run",
        "--quiet",
        "--target",
        "wasm32-wasip1",
        "--",
        "--quiet",
        "-v",
        "--",
        "--timeout",
        "x",
    ]);
    let ran = Run::of(cargo.current_dir(&folder)).success();
    assert_eq!(ran.stdout, "[\"--quiet\", \"-v\", \"--\", \"--timeout\", \"x\"]\n");
}

/// nextest lists the tests of a program and then runs each one in its own process.
#[test]
fn a_test_program_speaks_with_nextest() {
    let package = package();
    let folder = package.path().join("app");
    let mut cargo =
        with_runner(&folder, "", &["test", "--no-run", "--test", "it", "--message-format", "json"]);
    let built = Run::of(&mut cargo).success();
    let messages = built.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut tests = messages.filter(|message| message["target"]["name"] == "it");
    let program =
        tests.find_map(|message| Some(message["executable"].as_str()?.to_owned())).unwrap();

    // Both as cargo's command and as a program of its own.
    let exec = |first: &[&str], args: &[&str]| {
        let mut command = cargo_wasm_oci();
        command.args(first).arg("exec").arg(&program).args(args).env_remove("RUST_BACKTRACE");
        Run::of(command.current_dir(&folder))
    };
    let list = exec(&[], &["--list", "--format", "terse"]).success();
    let tests =
        "by_absolute_path by_relative_path endless panics returns_an_error variables writes";
    assert_eq!(
        list.stdout,
        tests.split(' ').map(|name| format!("{name}: test\n")).collect::<String>()
    );
    let ignored = exec(&["wasm-oci"], &["--list", "--format", "terse", "--ignored"]).success();
    assert_eq!(ignored.stdout, "endless: test\npanics: test\nreturns_an_error: test\n");
    let one = exec(&["wasm-oci"], &["--exact", "by_relative_path", "--nocapture"]).success();
    assert_eq!(count(&one, " passed"), 1);
    let one = exec(&[], &["--exact", "panics", "--nocapture", "--ignored"]);
    assert!(one.code == 134 && one.stderr.contains("the message"), "{one:?}");
}

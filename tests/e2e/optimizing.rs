//! `optimize` and its settings, the cache of optimized modules, and `verify-rebuild`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::commands::{example, lasting, rustup_home};
use crate::harness::tools::program;
use crate::harness::{Registry, Run, cargo_wasm_oci, wasm_oci};

const MANIFEST: &str =
    "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n";
const MAIN: &str = "fn main() { println!(\"{}\", std::env::args().count()) }";

/// A crate of its own with this `main.rs`.
fn package(main: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Cargo.toml"), MANIFEST).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), main).unwrap();
    folder
}

fn cargo(folder: &Path, args: &[&str]) -> Run {
    Run::of(cargo_wasm_oci().arg("wasm-oci").args(args).current_dir(folder))
}

/// The names of a module's sections.
fn sections(module: &Path) -> Vec<String> {
    let run = Run::of(wasm_oci().args(["inspect", "--json"]).arg(module)).success();
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let sections =
        report.pointer("/module/sections").or(report.get("sections")).unwrap().as_array().unwrap();
    sections.iter().map(|section| section["name"].as_str().unwrap().to_owned()).collect()
}

/// An example's module as cargo made it.
fn raw_module(name: &str) -> PathBuf {
    let target = lasting(&format!("raw-{name}"));
    let mut command = cargo_wasm_oci();
    command
        .args(["wasm-oci", "build", "--locked", "--no-optimize", "--manifest-path"])
        .arg(example(name));
    let _ = Run::of(command.arg("--target-dir").arg(&target)).success();
    target.join(format!("wasm32-wasip1/release/{name}.wasm"))
}

#[test]
fn names_stay_when_asked_for_or_lie_beside_the_module() {
    let raw = raw_module("hello");
    let folder = tempfile::tempdir().unwrap();
    let (bare, debug, named) = (
        folder.path().join("bare.wasm"),
        folder.path().join("debug.wasm"),
        folder.path().join("named.wasm"),
    );
    let mut command = wasm_oci();
    command.arg("optimize").arg(&raw).arg("-o").arg(&bare).arg("--debug-file").arg(&debug);
    let _ = Run::of(&mut command).success();
    let _ = Run::of(wasm_oci().args(["optimize", "--debug-info"]).arg(&raw).arg("-o").arg(&named))
        .success();
    assert!(!sections(&bare).contains(&"name".to_owned()));
    assert!(sections(&named).contains(&"name".to_owned()));
    assert_eq!(fs::read(&named).unwrap(), fs::read(&debug).unwrap());
    // Without the one section, they are the same.
    let bytes = fs::read(&bare).unwrap();
    let (module, size) = (fs::read(&debug).unwrap(), bytes.len());
    assert!(module.len() > size);
    let producers = bytes.windows(9).position(|bytes| bytes == b"producers").unwrap();
    assert_eq!(module[..producers - 8], bytes[..producers - 8]);
}

#[test]
fn dwarf_stays_when_asked_for_and_is_no_longer_true_after_the_optimizer_inside() {
    let package = package(MAIN);
    fs::write(
        package.path().join("Cargo.toml"),
        format!("{MANIFEST}[profile.release]\ndebug = true\n"),
    )
    .unwrap();
    let _ = cargo(package.path(), &["build", "--no-optimize"]).success();
    let raw = package.path().join("target/wasm32-wasip1/release/app.wasm");
    let out = package.path().join("out.wasm");
    let optimize = |flags: &[&str]| {
        let mut command = wasm_oci();
        Run::of(command.arg("optimize").args(flags).arg(&raw).arg("-o").arg(&out)).success()
    };
    let run = optimize(&["--debug-info=dwarf"]);
    assert!(run.stderr.contains("--wasm-opt"), "{}", run.stderr);
    assert!(sections(&out).contains(&".debug_info".to_owned()));
    let run = optimize(&["--debug-info=dwarf", "--wasm-opt"]);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    assert!(sections(&out).contains(&".debug_line".to_owned()));
    let _ = optimize(&["--debug-info"]);
    assert!(!sections(&out).contains(&".debug_line".to_owned()));

    let unknown =
        Run::of(wasm_oci().args(["optimize", "--debug-info=all"]).arg(&raw).arg("-o").arg(&out));
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("none, names, dwarf"), "{}", unknown.stderr);
}

#[test]
fn a_wasm_opt_of_the_users_does_the_work_and_is_recorded() {
    let folder = package(MAIN);
    let run =
        cargo(folder.path(), &["build", "--wasm-opt", "-Oz", "--format", "container"]).success();
    let version = Run::of(std::process::Command::new("wasm-opt").arg("--version")).success().stdout;
    let version = version.split_whitespace().nth(2).unwrap().to_owned();
    assert!(
        run.stderr.contains(&format!("Optimizing app (binaryen {version}, level z)")),
        "{}",
        run.stderr
    );
    let inspected =
        Run::of(wasm_oci().args(["inspect", "--json"]).arg(run.stdout.trim())).success();
    assert!(
        inspected.stdout.contains(&format!("binaryen {version}, level z")),
        "{}",
        inspected.stdout
    );
    let run = cargo(folder.path(), &["run", "--wasm-opt", "--", "a", "b"]).success();
    assert_eq!(run.stdout, "3\n");
    // The one inside makes another image.
    let inside = cargo(folder.path(), &["build", "-Oz", "--format", "container"]).success();
    assert!(inside.stderr.contains("Optimizing app (binaryen 116, level z)"), "{}", inside.stderr);
}

#[test]
fn a_wasm_opt_that_is_none_is_an_error() {
    let folder = package(MAIN);
    let missing = cargo(folder.path(), &["build", "--wasm-opt=./no-such-program"]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.stderr.contains("no-such-program") && missing.stderr.contains("install"),
        "{}",
        missing.stderr
    );
    let other = cargo(folder.path(), &["build", "--wasm-opt=true"]);
    assert_eq!(other.code, 1);
    assert!(other.stderr.contains("as wasm-opt does"), "{}", other.stderr);
}

#[test]
fn nothing_is_optimized_twice_unless_asked_for() {
    let folder = package(MAIN);
    let optimizes =
        |args: &[&str]| cargo(folder.path(), args).success().stderr.contains("Optimizing");
    assert!(optimizes(&["build"]));
    assert!(!optimizes(&["build", "--label", "a=b"]));
    assert!(optimizes(&["build", "-Oz"]));
    assert!(!optimizes(&["build", "-Oz", "--debug-info=none", "--format", "container"]));
    assert!(optimizes(&["build", "--no-cache"]));
    assert!(folder.path().join("target/wasm-oci/app.debug.wasm").exists());
}

#[test]
fn a_rebuild_is_identical_or_says_what_is_not() {
    let folder = package(MAIN);
    let registry = Registry::start();
    for format in ["universal", "container", "module", "artifact"] {
        let place = format!("{}/rebuilt-{format}:1", registry.host());
        let pushed = cargo(folder.path(), &["push", "--format", format, &place]).success();
        let digest = pushed.stdout.trim().rsplit('@').next().unwrap().to_owned();
        let same = cargo(folder.path(), &["verify-rebuild", &place]).success();
        assert_eq!(same.stdout, format!("{digest}\n"));
        assert!(same.stderr.contains("Identical"), "{}", same.stderr);
    }
    let place = format!("{}/rebuilt-universal:1", registry.host());
    let labelled = cargo(folder.path(), &["verify-rebuild", &place, "--label", "team=x"]);
    assert_eq!(labelled.code, 8);
    assert!(labelled.stderr.contains("the module is the same"), "{}", labelled.stderr);
    assert!(
        labelled.stderr.contains("the label team is `x`, and was not set"),
        "{}",
        labelled.stderr
    );
    let level = cargo(folder.path(), &["verify-rebuild", &place, "-Oz"]);
    assert_eq!(level.code, 8);
    assert!(level.stderr.contains("level 1, now by binaryen 116, level z"), "{}", level.stderr);

    let names_of_pushed = fs::read(folder.path().join("target/wasm-oci/app.debug.wasm")).unwrap();
    fs::write(folder.path().join("src/main.rs"), MAIN.replace("{}", "<{}>")).unwrap();
    let changed = cargo(folder.path(), &["verify-rebuild", &place, "--message-format", "json"]);
    assert_eq!(changed.code, 8);
    assert!(changed.stderr.contains("in the module, the section `"), "{}", changed.stderr);
    assert!(changed.stdout.contains("\"identical\":false"), "{}", changed.stdout);
    assert_eq!(changed.stdout.matches("wasm-oci-rebuild").count(), 1);
    // Traces of what was pushed are still read with its names.
    assert_eq!(
        fs::read(folder.path().join("target/wasm-oci/app.debug.wasm")).unwrap(),
        names_of_pushed
    );
    let missing = cargo(folder.path(), &["verify-rebuild", "oci:no-such-layout"]);
    assert_eq!(missing.code, 1);
}

/// The header of a program for an architecture, which is all that a runner needs until it is started.
fn runner(folder: &Path, name: &str, machine: u8) -> String {
    let file = folder.join(name);
    let header = [b"\x7fELF\x02\x01".as_slice(), &[0; 12], &[machine, 0], name.as_bytes()].concat();
    fs::write(&file, header).unwrap();
    file.display().to_string()
}

#[test]
fn a_rebuild_of_a_standalone_image_compares_the_runners() {
    let folder = package(MAIN);
    let [amd64, arm64, other] = [("amd64", 0x3e), ("arm64", 0xb7), ("other", 0xb7)]
        .map(|(name, machine)| runner(folder.path(), name, machine));
    let with = |args: &[&str], last: &str| {
        cargo(folder.path(), &[args, &["--runner", &amd64, "--runner", last]].concat())
    };
    let built = with(&["build", "--format", "standalone"], &arm64).success();
    let layout = built.stdout.trim().to_owned();
    let same = with(&["verify-rebuild", &layout], &arm64).success();
    assert!(same.stderr.contains("Identical"), "{}", same.stderr);
    let differs = with(&["verify-rebuild", &layout], &other);
    assert_eq!(differs.code, 8, "{differs:?}");
    for part in
        ["the module is the same", "the runner for linux/arm64 is sha256:", "and was sha256:"]
    {
        assert!(differs.stderr.contains(part), "{}", differs.stderr);
    }
}

/// Differences between two machines that must not reach the bytes: folders, cargo's home, the user, locale and time zone.
#[test]
fn another_machine_makes_the_same_image() {
    let (one, other) = (package(MAIN), package(MAIN));
    let layout = cargo(one.path(), &["build"]).success().stdout.trim().to_owned();
    // Another user, in a name space where the files are his.
    let mut command = Command::new(program("unshare"));
    command
        .args(["--user", "--map-user=4242", "--map-group=4242"])
        .arg(cargo_wasm_oci().get_program());
    let home = other.path().join("home");
    fs::create_dir(&home).unwrap();
    command.args(["wasm-oci", "verify-rebuild", &layout]).current_dir(other.path());
    command.env("HOME", &home).env("CARGO_HOME", &home).env("RUSTUP_HOME", rustup_home());
    command.envs([
        ("LC_ALL", "de_DE.UTF-8"),
        ("TZ", "Asia/Kathmandu"),
        ("USER", "nobody"),
        ("LOGNAME", "nobody"),
    ]);
    let run = Run::of(&mut command).success();
    assert!(run.stderr.contains("Identical"), "{}", run.stderr);
}

#[test]
fn a_change_of_behaviour_is_found_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let wat = |text: &str| {
        format!(
            r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 1) (data (i32.const 64) "{text}\n")
                (func (export "_start")
                    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 4))
                    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
        )
    };
    for (name, text) in [("before", "one"), ("same", "one"), ("other", "two")] {
        fs::write(folder.path().join(format!("{name}.wasm")), wat::parse_str(wat(text)).unwrap())
            .unwrap();
    }
    fs::write(folder.path().join("cases.toml"), "[[smoke]]\nname = \"says\"\n").unwrap();
    let test = |module: &str| {
        let mut command = wasm_oci();
        command.args([
            "test",
            module,
            "--cases",
            "cases.toml",
            "--verify-behaviour",
            "before.wasm",
        ]);
        Run::of(command.current_dir(folder.path()))
    };
    let _ = test("same.wasm").success();
    let other = test("other.wasm");
    assert_eq!(other.code, 7);
    assert!(
        other.stderr.contains("stdout is not that of the unoptimized module"),
        "{}",
        other.stderr
    );
    assert!(other.stderr.contains("-one") && other.stderr.contains("+two"), "{}", other.stderr);
}

#[test]
fn the_examples_do_the_same_before_and_after_optimizing() {
    for name in ["hello", "image-filter", "http"] {
        let mut command = cargo_wasm_oci();
        command.args([
            "wasm-oci",
            "test",
            "--locked",
            "--verify-behaviour",
            "-Oz",
            "--manifest-path",
        ]);
        command.arg(example(name)).arg("--target-dir").arg(lasting(&format!("smoke-{name}")));
        let run = Run::of(&mut command).success();
        assert!(
            run.stderr.contains(" 0 failed") || !run.stderr.contains("failed"),
            "{}",
            run.stderr
        );
    }
}

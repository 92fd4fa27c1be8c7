//! `cargo wasm-oci` without cargo, where it is certain that cargo would find nothing to do; and with it, where not.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::commands::{example, lasting};
use crate::harness::{Run, cargo_wasm_oci, wasm_oci};

const MANIFEST: &str =
    "[package]\nname = \"app\"\nversion = \"1.2.3\"\nedition = \"2021\"\n[workspace]\n";
const MAIN: &str = "fn main() { println!(\"one\") }\n";

fn app() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("Cargo.toml"), MANIFEST).unwrap();
    fs::write(folder.path().join("src/main.rs"), MAIN).unwrap();
    folder
}

fn command(folder: &Path, name: &str, args: &[&str]) -> Run {
    let mut command = cargo_wasm_oci();
    command.args(["wasm-oci", name]).args(args).current_dir(folder);
    Run::of(&mut command).success()
}

fn started_cargo(run: &Run) -> bool {
    run.stderr.contains("Finished `")
}

/// Builds until cargo is not started any more. What was just written may still be changed unseen, so that takes a moment.
fn rest(folder: &Path, name: &str, args: &[&str]) -> Run {
    for _ in 0..4 {
        let run = command(folder, name, args);
        if !started_cargo(&run) {
            return run;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("cargo is started each time");
}

#[test]
fn the_image_is_the_one_that_cargo_would_make() {
    let folder = app();
    let first = command(folder.path(), "build", &[]);
    assert!(started_cargo(&first));
    let resting = rest(folder.path(), "build", &[]);
    assert_eq!(resting.stdout, first.stdout);
    assert!(
        resting.stderr.contains("Fresh app") && resting.stderr.lines().count() == 1,
        "{}",
        resting.stderr
    );

    // What is asked of cargo itself comes from cargo.
    for args in [&["--message-format", "json"][..], &["-v"], &["--no-cache"], &["--locked"]] {
        assert!(started_cargo(&command(folder.path(), "build", args)), "{args:?}");
    }

    // The image is made anew where the program's settings say so, or it is gone, of the module that is there.
    let _resting = rest(folder.path(), "build", &[]);
    for _ in 0..2 {
        let labelled = command(folder.path(), "build", &["--label", "a=b"]);
        assert!(
            !started_cargo(&labelled) && labelled.stderr.contains("Packed app"),
            "{}",
            labelled.stderr
        );
        fs::remove_dir_all(folder.path().join("target/wasm-oci/app")).unwrap();
    }

    // Each command sees a change at once.
    let _resting = rest(folder.path(), "run", &[]);
    for text in ["two", "six"] {
        fs::write(folder.path().join("src/main.rs"), MAIN.replace("one", text)).unwrap();
        let run = command(folder.path(), "run", &[]);
        assert!(started_cargo(&run));
        assert_eq!(run.stdout, format!("{text}\n"));
    }
}

#[test]
fn warnings_are_told_each_time() {
    let folder = app();
    fs::write(folder.path().join("src/main.rs"), "fn main() { let unused = 1; }\n").unwrap();
    for _ in 0..4 {
        let run = command(folder.path(), "build", &[]);
        assert!(run.stderr.contains("unused variable") && started_cargo(&run), "{}", run.stderr);
        assert!(!run.stderr.contains('\x1b'), "{}", run.stderr);
        sleep(Duration::from_millis(100));
    }
    // cargo has something to say of the manifest.
    fs::write(folder.path().join("src/main.rs"), MAIN).unwrap();
    fs::write(
        folder.path().join("Cargo.toml"),
        MANIFEST.replace("edition", "unknown-key = 1\nedition"),
    )
    .unwrap();
    for _ in 0..4 {
        let run = command(folder.path(), "build", &[]);
        assert!(run.stderr.contains("unknown-key"), "{}", run.stderr);
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_commit_is_asked_for_each_time() {
    let folder = app();
    fs::write(folder.path().join(".gitignore"), "target\nCargo.lock\n").unwrap();
    fs::write(folder.path().join("notes.txt"), "").unwrap();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=A", "-c", "user.email=a@example.com"]).args(args);
        Run::of(git.current_dir(folder.path())).success().stdout.trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "one"]);
    let revision = |run: &Run| {
        let run = Run::of(wasm_oci().args(["inspect", "--json", run.stdout.trim()])).success();
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        found["manifests"][0]["labels"]["org.opencontainers.image.revision"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let one = rest(folder.path(), "build", &[]);
    assert_eq!(revision(&one), git(&["rev-parse", "HEAD"]));

    // No source of the program, but one of the commit's files.
    fs::write(folder.path().join("notes.txt"), "new").unwrap();
    let dirty = command(folder.path(), "build", &[]);
    assert!(!started_cargo(&dirty), "{}", dirty.stderr);
    assert_eq!(revision(&dirty), format!("{}-dirty", git(&["rev-parse", "HEAD"])));
    git(&["commit", "--quiet", "--all", "--message", "two"]);
    let two = command(folder.path(), "build", &[]);
    assert!(!started_cargo(&two), "{}", two.stderr);
    assert_eq!(revision(&two), git(&["rev-parse", "HEAD"]));
}

#[test]
fn a_program_with_dependencies_rests_too() {
    let build = || {
        let mut command = cargo_wasm_oci();
        command
            .args(["wasm-oci", "build", "--locked", "--manifest-path"])
            .arg(example("image-filter"));
        Run::of(command.arg("--target-dir").arg(lasting("image-filter"))).success()
    };
    let rests = (0..10).any(|_| {
        sleep(Duration::from_millis(100));
        !started_cargo(&build())
    });
    assert!(rests, "cargo is started each time");
}

//! The program in an image is the one that was named, and one that does something.

use std::fs;
use std::path::Path;

use crate::cargo::write;
use crate::harness::{Run, cargo_wasm_oci, wasm_oci};

fn build(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = cargo_wasm_oci();
    command.args(["wasm-oci", "build"]).args(args).current_dir(folder);
    // Sources of another user, as git sees them in a container: only where a test says so.
    command.env_remove("GIT_TEST_ASSUME_DIFFERENT_OWNER").envs(variables.iter().copied());
    Run::of(&mut command)
}

fn package(name: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"1.0.0+b7\"\nedition = \"2021\"\n")
}

/// Runs the image that `build` printed, and returns what it prints.
fn output(image: &str) -> String {
    Run::of(wasm_oci().args(["run", image])).success().stdout
}

#[test]
fn programs_of_one_name_have_images_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let bin = "[[bin]]\nname = \"app\"\npath = \"src/main.rs\"\n";
    write(
        folder.path(),
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n"),
            ("a/Cargo.toml", &(package("a") + bin)),
            ("a/src/main.rs", "fn main() { println!(\"from a\") }"),
            ("a/examples/app.rs", "fn main() { println!(\"example of a\") }"),
            ("b/Cargo.toml", &(package("b") + bin)),
            ("b/src/main.rs", "fn main() { println!(\"from b\") }"),
        ],
    );
    let printed = |args: &[&str]| -> Vec<String> {
        let run = build(folder.path(), args, &[]).success();
        run.stdout.lines().map(output).collect()
    };
    // An image from before another program got the same name, which a script would push as the new one.
    write(folder.path(), &[("target/wasm-oci/app/oci-layout", "{}")]);
    // The second build of each finds its own earlier image.
    for _ in 0..2 {
        assert_eq!(printed(&["--bins", "--examples"]), ["from a\n", "example of a\n", "from b\n"]);
        assert_eq!(printed(&["-p", "b"]), ["from b\n"]);
        assert_eq!(printed(&["-p", "a"]), ["from a\n"]);
        assert_eq!(printed(&[]), ["from a\n", "from b\n"]);
    }
    assert!(!folder.path().join("target/wasm-oci/app").exists());
    let fresh = build(folder.path(), &[], &[]).success();
    assert_eq!(fresh.stderr.matches("Fresh app").count(), 2, "{}", fresh.stderr);
    let layouts = folder.path().join("layouts");
    let layouts = layouts.to_str().unwrap();
    assert_eq!(printed(&["--oci-layout-path", layouts]), ["from a\n", "from b\n"]);
    assert!(Path::new(layouts).join("b.app/index.json").is_file());
}

#[test]
fn what_does_nothing_is_packed_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    for (name, wat, part) in [
        ("component", "(component)", "nothing in this component can be started or called"),
        ("module", "(module (memory (export \"memory\") 1))", "nothing in this module can be"),
        ("mute", "(module (func (export \"_start\")))", "this program imports nothing"),
    ] {
        let file = folder.path().join(format!("{name}.wasm"));
        fs::write(&file, wat::parse_str(wat).unwrap()).unwrap();
        let layout = folder.path().join(name);
        let packed =
            Run::of(wasm_oci().arg("pack").arg(&file).arg("--oci-layout-path").arg(&layout));
        let packed = packed.success();
        assert!(packed.stderr.contains(&format!("warning: `{name}`: {part}")), "{}", packed.stderr);
        let image = format!("oci:{}", layout.display());
        for source in [file.to_str().unwrap(), &image] {
            let checked = Run::of(wasm_oci().args(["check", source])).success();
            assert!(checked.stdout.contains(&format!("note:       {part}")), "{}", checked.stdout);
        }
    }
}

#[test]
fn a_crate_whose_main_is_empty_for_wasm_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let main = "#[cfg(target_family = \"wasm\")]\nfn main() {}\n\
                #[cfg(not(target_family = \"wasm\"))]\nfn main() { println!(\"hello\") }\n";
    write(
        folder.path(),
        &[("Cargo.toml", &(package("two-words") + "[workspace]\n")), ("src/main.rs", main)],
    );
    for target in ["wasm32-wasip1", "wasm32-wasip2"] {
        let run = build(folder.path(), &["--target", target], &[]).success();
        assert!(run.stderr.contains("`two_words::main` is empty"), "{}", run.stderr);
    }
    write(folder.path(), &[("src/main.rs", "fn main() { println!(\"hello\") }")]);
    let run = build(folder.path(), &[], &[]).success();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
}

#[test]
fn names_and_versions_become_what_references_can_hold() {
    let folder = tempfile::tempdir().unwrap();
    let manifest =
        package("app") + "[[bin]]\nname = \"MyApp\"\npath = \"src/main.rs\"\n[workspace]\n";
    write(
        folder.path(),
        &[("Cargo.toml", &manifest), ("src/main.rs", "fn main() { println!(\"hello\") }")],
    );
    let at = |repository: &str| build(folder.path(), &[], &[("WASM_OCI_REPOSITORY", repository)]);
    let run = at("ghcr.io/me/{bin}:{version}").success();
    assert!(run.stdout.trim().ends_with("/MyApp:1.0.0_b7"), "{}", run.stdout);
    for renamed in ["Renaming MyApp to myapp in", "Renaming 1.0.0+b7 to 1.0.0_b7 in"] {
        assert_eq!(run.stderr.matches(renamed).count(), 1, "{}", run.stderr);
    }
    write(folder.path(), &[("src/main.rs", "fn main() { does not compile }")]);
    let run = at("ghcr.io/me/{bin}_");
    assert_ne!(run.code, 0);
    assert!(
        run.stderr.contains("ghcr.io/me/myapp_") && !run.stderr.contains("Compiling"),
        "{}",
        run.stderr
    );
}

#[test]
fn cargos_own_target_counts() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("Cargo.toml", &(package("app") + "[workspace]\n")),
            ("src/main.rs", "fn main() { println!(\"hello\") }"),
            (".cargo/config.toml", "[build]\ntarget = \"wasm32-wasip2\"\n"),
        ],
    );
    let kind = |variables: &[(&str, &str)]| {
        let run = build(folder.path(), &[], variables).success();
        let image = run.stdout.trim().to_owned();
        let inspected = Run::of(wasm_oci().args(["check", &image])).success().stdout;
        let kind = inspected.lines().find(|line| line.starts_with("kind:")).unwrap().to_owned();
        (kind, run.stderr)
    };
    assert_eq!(kind(&[]).0, "kind:       component");
    assert_eq!(kind(&[("CARGO_BUILD_TARGET", "wasm32-wasip1")]).0, "kind:       command");
    let (kind, stderr) = kind(&[("CARGO_BUILD_TARGET", "wasm32-unknown-unknown")]);
    assert_eq!(kind, "kind:       command");
    assert_eq!(stderr.matches("is wasm32-unknown-unknown, which").count(), 1, "{stderr}");
}

#[test]
fn a_repository_of_another_user_is_reported_and_doctor_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        &[
            ("Cargo.toml", &(package("app") + "[workspace]\n")),
            ("src/main.rs", "fn main() { println!(\"hello\") }"),
        ],
    );
    let git = |args: &[&str]| {
        let command =
            std::process::Command::new("git").args(args).current_dir(folder.path()).status();
        assert!(command.unwrap().success());
    };
    git(&["init", "--quiet"]);
    git(&["add", "src"]);
    git(&[
        "-c",
        "user.name=a",
        "-c",
        "user.email=a",
        "commit",
        "--quiet",
        "--no-gpg-sign",
        "-m",
        "m",
    ]);
    let quiet = build(folder.path(), &[], &[]).success();
    assert!(!quiet.stderr.contains("warning"), "{}", quiet.stderr);
    let foreign = [("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")];
    let command = format!("git config --global --add safe.directory {}", folder.path().display());
    let run = build(folder.path(), &[], &foreign).success();
    assert!(
        run.stderr.contains("dubious ownership") && run.stderr.contains(&command),
        "{}",
        run.stderr
    );
    let plan = build(folder.path(), &["--dry-run"], &foreign).success();
    assert!(plan.stderr.contains(&command), "{}", plan.stderr);
    let mut doctor = cargo_wasm_oci();
    doctor.args(["wasm-oci", "doctor"]).current_dir(folder.path()).envs(foreign);
    let doctor = Run::of(&mut doctor);
    let line = doctor.stdout.lines().find(|line| line.starts_with("git ")).unwrap();
    assert!(line.contains("warning") && line.contains(&command), "{line}");
}

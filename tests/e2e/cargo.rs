//! `cargo wasm-oci`, on crates as users write them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::commands::{cargo, example, lasting, root, rustup_home};
use crate::harness::{Run, cargo_wasm_oci, wasm_oci};

fn build(folder: &Path, args: &[&str]) -> Command {
    let mut command = cargo_wasm_oci();
    command.args(["wasm-oci", "build"]).args(args).current_dir(folder);
    command
}

/// The messages about images among those of `--message-format json`.
fn images(run: &Run) -> Vec<Value> {
    let messages = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages.filter(|message| message["reason"] == "wasm-oci-image").collect()
}

/// Writes files into a folder, by their paths in it.
pub(crate) fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

const MANIFEST: &str =
    "[package]\nname = \"app\"\nversion = \"1.2.3\"\nedition = \"2021\"\n[workspace]\n";
const MAIN: &str = "fn main() { println!(\"{:?}\", std::env::args().collect::<Vec<_>>()) }";

#[test]
fn a_build_without_a_change_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("Cargo.toml", MANIFEST), ("src/main.rs", MAIN)]);
    let json = ["--message-format", "json"];

    let first = Run::of(&mut build(folder.path(), &json)).success();
    assert!(first.stderr.contains("Optimizing app"), "{}", first.stderr);
    let [made] = images(&first).try_into().unwrap();
    assert_eq!(made["fresh"], false);
    assert_eq!(made["package"], "app");
    assert!(made["module"]["raw"].as_u64() > made["module"]["optimized"].as_u64());
    // cargo's own messages are there, too.
    assert!(first.stdout.contains("\"reason\":\"build-finished\""));

    let second = Run::of(&mut build(folder.path(), &json)).success();
    assert!(
        !second.stderr.contains("Optimizing") && second.stderr.contains("Fresh app"),
        "{}",
        second.stderr
    );
    let [fresh] = images(&second).try_into().unwrap();
    assert_eq!(fresh["fresh"], true);
    assert_eq!(fresh["digest"], made["digest"]);

    // A lost blob is no image: it is made again.
    let layout = folder.path().join("target/wasm-oci/app");
    let blobs = || fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|blob| blob.unwrap());
    let number = blobs().count();
    let largest = blobs().max_by_key(|blob| blob.metadata().unwrap().len()).unwrap();
    fs::remove_file(largest.path()).unwrap();
    let third = Run::of(&mut build(folder.path(), &json)).success();
    // But the module needn't be optimized again.
    assert!(
        third.stderr.contains("Packed app") && !third.stderr.contains("Optimizing"),
        "{}",
        third.stderr
    );
    assert_eq!(images(&third)[0]["digest"], made["digest"]);

    // Another setting is another image, in the place of the first.
    let labelled = Run::of(&mut build(folder.path(), &["--label", "a=b"])).success();
    assert_eq!(
        labelled.stdout,
        format!("oci:{}:latest\n", layout.canonicalize().unwrap().display())
    );
    assert_eq!(blobs().count(), number);
    let back = Run::of(&mut build(folder.path(), &json)).success();
    assert_eq!(images(&back)[0]["digest"], made["digest"]);
}

#[test]
fn every_bin_of_a_workspace_in_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let member = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n")
    };
    let metadata = "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n[workspace.metadata.wasm-oci]\n\
                    format = \"container\"\nlabels = { team = \"x\" }\n";
    let own = "[package.metadata.wasm-oci]\nformat = [\"module\", \"artifact\"]\ntags = \"v1\"\n\
               [package.metadata.wasm-oci.bin.b2]\nargs = [\"--two\"]\n";
    write(
        folder.path(),
        &[
            ("Cargo.toml", metadata),
            ("a/Cargo.toml", &member("a")),
            ("a/src/main.rs", MAIN),
            ("b/Cargo.toml", &(member("b") + own)),
            ("b/src/main.rs", MAIN),
            ("b/src/bin/b2.rs", MAIN),
        ],
    );
    let run = Run::of(&mut build(folder.path(), &["--message-format", "json"])).success();
    let made: Vec<String> = images(&run)
        .iter()
        .map(|image| {
            let tags: Vec<&str> =
                image["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
            format!(
                "{} {} {}",
                image["name"].as_str().unwrap(),
                image["format"].as_str().unwrap(),
                tags.join(",")
            )
        })
        .collect();
    let expected = [
        "a container latest",
        "b module v1",
        "b artifact v1-artifact",
        "b2 module v1",
        "b2 artifact v1-artifact",
    ];
    assert_eq!(made, expected);

    let inspect = |name: &str, tag: &str| -> Value {
        let layout = folder.path().join("target/wasm-oci").join(name);
        let location = format!("oci:{}:{tag}", layout.display());
        let run = Run::of(wasm_oci().args(["inspect", "--json", &location])).success();
        serde_json::from_str(&run.stdout).unwrap()
    };
    let manifest = |image: Value| image["manifests"][0].clone();
    assert_eq!(manifest(inspect("a", "latest"))["labels"]["team"], "x");
    assert_eq!(manifest(inspect("b2", "v1"))["args"][0], "--two");
    assert_eq!(manifest(inspect("b2", "v1"))["labels"]["team"], "x");
    assert_eq!(manifest(inspect("b", "v1"))["args"], Value::Array(Vec::new()));
}

#[test]
fn what_the_manifest_and_git_say_is_in_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let more = "description = \"An app\"\nlicense = \"MIT\"\nauthors = [\"A <a@example.com>\"]\n\
                repository = \"https://example.com/app\"\n[workspace]\n";
    write(
        folder.path(),
        &[
            ("Cargo.toml", &MANIFEST.replace("[workspace]\n", more)),
            ("src/main.rs", MAIN),
            (".gitignore", "target\nCargo.lock\n"),
        ],
    );
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=A", "-c", "user.email=a@example.com"])
            .args(args)
            .current_dir(folder.path());
        git.env("GIT_COMMITTER_DATE", "2026-01-31T12:00:00Z")
            .env("GIT_AUTHOR_DATE", "2026-01-31T12:00:00Z");
        Run::of(&mut git).success().stdout
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "one"]);
    let commit = git(&["rev-parse", "HEAD"]).trim().to_owned();
    let manifest = |variables: &[(&str, &str)]| {
        let run = Run::of(build(folder.path(), &[]).envs(variables.iter().copied())).success();
        let run = Run::of(wasm_oci().args(["inspect", "--json", run.stdout.trim()])).success();
        serde_json::from_str::<Value>(&run.stdout).unwrap()["manifests"][0].clone()
    };

    let clean = manifest(&[]);
    assert_eq!(clean["created"], "2026-01-31T12:00:00Z");
    assert_eq!(clean["author"], "A <a@example.com>");
    let labels = &clean["labels"];
    let expected = [
        ("title", "app"),
        ("version", "1.2.3"),
        ("description", "An app"),
        ("licenses", "MIT"),
        ("authors", "A <a@example.com>"),
        ("source", "https://example.com/app"),
        ("revision", &commit),
    ];
    for (name, value) in expected {
        assert_eq!(labels[format!("org.opencontainers.image.{name}")], value);
    }
    let mut annotations = clean["annotations"].clone();
    assert_eq!(annotations["io.github.wasm-oci.capabilities"].take(), "environment");
    let mut with_ours = labels.clone();
    with_ours["io.github.wasm-oci.capabilities"] = Value::Null;
    assert_eq!(annotations["io.github.wasm-oci.optimized"].take(), "binaryen 116, level 1");
    with_ours["io.github.wasm-oci.optimized"] = Value::Null;
    assert_eq!(annotations, with_ours);

    assert_eq!(manifest(&[("SOURCE_DATE_EPOCH", "86400")])["created"], "1970-01-02T00:00:00Z");
    fs::write(folder.path().join("src/main.rs"), format!("{MAIN}\n")).unwrap();
    let dirty = manifest(&[]);
    assert_eq!(dirty["labels"]["org.opencontainers.image.revision"], format!("{commit}-dirty"));
}

#[test]
fn two_folders_with_two_cargo_homes_give_one_digest() {
    let digest = || {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("image-filter");
        copy_sources(example("image-filter").parent().unwrap(), &copy);
        let mut command = build(&copy, &["--locked", "--message-format", "json"]);
        command.env("CARGO_HOME", folder.path().join("home")).env("RUSTUP_HOME", rustup_home());
        let run = Run::of(&mut command).success();
        assert!(!run.stderr.contains("warning"), "{}", run.stderr);
        images(&run)[0]["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(digest(), digest());
}

fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if !entry.path().is_dir() {
            fs::copy(entry.path(), target).unwrap();
        } else if entry.file_name() != "target" {
            copy_sources(&entry.path(), &target);
        }
    }
}

#[test]
fn the_picture_filter_writes_what_it_writes_natively() {
    let folder = tempfile::tempdir().unwrap();
    let sample = example("image-filter").with_file_name("sample.png");
    fs::copy(sample, folder.path().join("in.png")).unwrap();
    let filters = ["grayscale", "blur:2", "edges", "-i", "in.png", "-o"];
    let mut native = cargo();
    native
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(example("image-filter"));
    native
        .arg("--target-dir")
        .arg(lasting("image-filter"))
        .arg("--")
        .args(filters)
        .arg("native.png");
    let _native = Run::of(native.current_dir(folder.path())).success();

    let wasm = |own: &[&str], args: &[&str]| {
        let mut wasm = cargo_wasm_oci();
        wasm.args(["wasm-oci", "run", "--locked", "--manifest-path"]).arg(example("image-filter"));
        wasm.arg("--target-dir").arg(lasting("image-filter")).args(own).arg("--").args(args);
        Run::of(wasm.current_dir(folder.path())).success()
    };
    let _wasm = wasm(&["--dir", ".::/"], &[&filters[..], &["wasm.png"]].concat());
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert!(read("native.png").starts_with(b"\x89PNG"));
    assert_eq!(read("native.png"), read("wasm.png"));

    // A picture in the image is there for the program, and what it writes beside it is not kept.
    let inside = ["invert", "-i", "/data/in.png", "-o", "/data/out.png"];
    let _inside = wasm(&["--include", "/data/in.png=in.png"], &inside);
    assert!(!folder.path().join("data").exists());
}

#[test]
fn run_gives_what_it_is_told_and_nothing_else() {
    let run = |args: &[&str], stdin: &str| {
        let mut command = cargo_wasm_oci();
        command
            .args(["wasm-oci", "run", "--quiet", "--locked", "--manifest-path"])
            .arg(example("hello"));
        command.arg("--target-dir").arg(lasting("hello-run")).args(args).env("SECRET", "x");
        Run::with_stdin(&mut command, stdin)
    };
    let seen =
        run(&["--env", "GIVEN=1", "--", "--env", "GIVEN", "--env", "SECRET", "--exit", "7"], "");
    assert_eq!(seen.code, 7, "{seen:?}");
    assert!(seen.stdout.contains("GIVEN=1") && !seen.stdout.contains("SECRET=x"), "{seen:?}");
    assert!(run(&["--env", "SECRET", "--", "--env", "SECRET"], "").stdout.contains("SECRET=x"));
    assert!(run(&["--", "--upper"], "shout\n").stdout.contains("SHOUT\n"));
    assert_eq!(run(&["--env", "UNSET_HERE", "--"], "").code, 2);
}

#[test]
fn a_panic_shows_the_programs_own_functions_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let main = "
        #[inline(never)]
        fn third(list: &[String]) -> &str { &list[std::hint::black_box(3)] }
        fn main() { println!(\"{}\", third(&std::env::args().collect::<Vec<_>>())) }";
    write(folder.path(), &[("Cargo.toml", MANIFEST), ("src/main.rs", main)]);
    let run = |args: &[&str]| {
        Run::of(
            cargo_wasm_oci()
                .args(["wasm-oci", "run", "--quiet"])
                .args(args)
                .current_dir(folder.path()),
        )
    };
    // The module in the image has no names.
    let stopped = run(&[]);
    assert_eq!(stopped.code, 134, "{stopped:?}");
    let (_, trace) = stopped.stderr.split_once("`app.wasm` was stopped: ").expect(&stopped.stderr);
    assert!(trace.starts_with("wasm `unreachable` instruction executed\n"), "{trace}");
    assert!(trace.contains(": app::third (0x"), "{trace}");
    assert!(!trace.contains("_start") && !trace.contains("function "), "{trace}");
    assert_eq!(run(&["--no-cache"]).stderr, stopped.stderr);
}

#[test]
fn a_component_is_given_what_a_module_is() {
    let run = |target: &str, args: &[&str], stdin: &str| {
        let mut command = cargo_wasm_oci();
        command.args([
            "wasm-oci",
            "run",
            "--quiet",
            "--locked",
            "--target",
            target,
            "--manifest-path",
        ]);
        command.arg(example("hello")).arg("--target-dir").arg(lasting("hello-run")).args(args);
        Run::with_stdin(&mut command, stdin)
    };
    // Its exit code is 0 or 1: WASI 0.2 has no other yet.
    let cases: [(&[&str], &str, i32); 4] = [
        (&["--env", "GIVEN=1", "--", "--env", "GIVEN", "--env", "PATH", "one", "two words"], "", 0),
        (&["--", "--upper"], "shout\n", 0),
        (&["--", "--count"], &"a line\n".repeat(10_000), 0),
        (&["--", "--exit", "1"], "", 1),
    ];
    for (args, stdin, code) in cases {
        let component = run("wasm32-wasip2", args, stdin);
        let module = run("wasm32-wasip1", args, stdin);
        assert_eq!((component.code, &component.stdout), (code, &module.stdout), "{component:?}");
        assert_eq!(component.code, module.code);
    }
}

#[test]
fn the_target_is_a_setting_that_programs_agree_on() {
    let inspect = |location: &str| -> Value {
        let run = Run::of(wasm_oci().args(["inspect", "--json", location])).success();
        serde_json::from_str(&run.stdout).unwrap()
    };
    let http = example("http");
    let dir = lasting("http-serve");
    let of_http = |args: &[&str]| {
        let mut command = build(root().as_path(), args);
        command.args(["--locked", "--manifest-path"]).arg(&http).arg("--target-dir").arg(&dir);
        Run::of(&mut command).success()
    };
    let plan: Value = serde_json::from_str(&of_http(&["--dry-run"]).stdout).unwrap();
    assert_eq!(plan["target"], "wasm32-wasip2");
    let made = of_http(&["--format", "artifact"]);
    let image = inspect(made.stdout.trim());
    assert_eq!(image["manifests"][0]["platform"], "wasip2/wasm", "{image}");
    // The same once more, from what is remembered.
    assert!(of_http(&["--format", "artifact"]).stderr.contains("Fresh http"));

    let folder = tempfile::tempdir().unwrap();
    let member = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    let main = "fn main() { println!(\"{}\", cfg!(target_env = \"p2\")) }";
    let target = "[package.metadata.wasm-oci]\ntarget = \"wasm32-wasip2\"\n";
    write(
        folder.path(),
        &[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n"),
            ("a/Cargo.toml", &member("a", target)),
            ("a/src/main.rs", main),
            ("b/Cargo.toml", &member("b", "")),
            ("b/src/main.rs", main),
        ],
    );
    let both = Run::of(&mut build(folder.path(), &[]));
    assert_eq!(both.code, 1);
    assert!(
        both.stderr.contains("`target`") && both.stderr.contains("different values"),
        "{}",
        both.stderr
    );
    let is_component = |args: &[&str]| {
        let mut run = cargo_wasm_oci();
        run.args(["wasm-oci", "run", "--quiet"]).args(args).current_dir(folder.path());
        Run::of(&mut run).success().stdout == "true\n"
    };
    assert!(is_component(&["-p", "a"]));
    assert!(!is_component(&["-p", "b"]));
    assert!(!is_component(&["-p", "a", "--target", "wasm32-wasip1"]));
    assert!(is_component(&["-p", "a"]));

    let wrong = member("b", &target.replace("wasip2", "wasip3"));
    write(folder.path(), &[("b/Cargo.toml", &wrong)]);
    let wrong = Run::of(&mut build(folder.path(), &["-p", "b"]));
    assert!(wrong.stderr.contains("wasm32-wasip1, wasm32-wasip2"), "{}", wrong.stderr);
}

#[test]
fn the_users_own_flags_and_profile_count() {
    let folder = tempfile::tempdir().unwrap();
    let main = "fn main() { println!(\"{} {}\", cfg!(mine), cfg!(debug_assertions)) }";
    let profile =
        "[profile.release]\ndebug-assertions = true\n[lints.rust]\nunexpected_cfgs = \"allow\"\n";
    write(
        folder.path(),
        &[
            ("Cargo.toml", &format!("{MANIFEST}{profile}")),
            ("src/main.rs", main),
            (".cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"mine\"]\n"),
        ],
    );
    let output = |variables: &[(&str, &str)]| {
        let mut run = cargo_wasm_oci();
        run.args(["wasm-oci", "run", "--quiet"])
            .current_dir(folder.path())
            .envs(variables.iter().copied());
        Run::of(&mut run).success().stdout
    };
    assert_eq!(output(&[]), "true true\n");
    // As for cargo itself, the variable replaces what is configured.
    assert_eq!(output(&[("RUSTFLAGS", "--cfg other")]), "false true\n");
    assert_eq!(output(&[("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "false")]), "true false\n");
}

#[test]
fn a_dry_run_prints_the_plan_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("Cargo.toml", MANIFEST), ("src/main.rs", MAIN)]);
    let run = Run::of(&mut build(folder.path(), &["--dry-run", "--format", "module", "-t", "1"]))
        .success();
    let plan: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(plan["name"], "app");
    assert_eq!(plan["formats"][0], "module");
    assert_eq!(plan["optimize"], "z");
    assert_eq!(plan["tags"][0], "1");
    assert!(!folder.path().join("target").exists());
}

#[test]
fn cargo_itself_starts_the_plugin() {
    let folder = crate::harness::commands::program("cargo-wasm-oci");
    let path = std::env::join_paths(
        [folder.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut cargo = cargo();
    cargo.args(["wasm-oci", "build", "--dry-run", "--manifest-path"]).arg(example("hello"));
    let run = Run::of(cargo.env("PATH", path.unwrap()).current_dir(root())).success();
    assert!(run.stdout.contains("\"name\":\"hello\""), "{run:?}");
}

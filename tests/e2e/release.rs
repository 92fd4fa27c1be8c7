//! The parts of a release: archives, checksums, notes, and packages for crates.io.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use regex::Regex;
use tempfile::TempDir;

use crate::harness::commands::{cargo, program, root};
use crate::harness::{Run, tools};

/// A target of this machine.
const TARGET: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-gnu"
} else {
    "x86_64-unknown-linux-gnu"
};

/// The version of all packages.
pub(crate) fn version() -> &'static str {
    // This package has it from the workspace, as all do.
    env!("CARGO_PKG_VERSION")
}

/// A folder with a release of our own programs for this machine in `v0.1.0` and so on. It is made once for all tests.
pub(crate) fn releases() -> &'static Path {
    static RELEASES: OnceLock<TempDir> = OnceLock::new();
    let folder = RELEASES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let of_version = folder.path().join(format!("v{}", version()));
        package(TARGET, &stripped(folder.path()), &of_version);
        let _written = Run::of(script("checksums").arg(&of_version)).success();
        folder
    });
    folder.path()
}

fn script(name: &str) -> Command {
    Command::new(root().join("release").join(name))
}

/// The runners of standalone images, by their file names.
const RUNNERS: [&str; 4] = [
    "wasm-oci-runner-amd64",
    "wasm-oci-runner-arm64",
    "wasm-oci-runner-http-amd64",
    "wasm-oci-runner-http-arm64",
];

fn package(target: &str, programs: &Path, output: &Path) -> String {
    // Nothing runs them here, so each is only its own name.
    let runners = tempfile::tempdir().unwrap();
    RUNNERS.iter().for_each(|name| fs::write(runners.path().join(name), name).unwrap());
    let mut package = script("package");
    package.arg(target).args([programs, runners.path(), output]);
    package.env("SOURCE_DATE_EPOCH", "1700000000");
    Run::of(&mut package).success().stdout
}

/// Our programs as a release has them, without what debuggers read.
fn stripped(folder: &Path) -> PathBuf {
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    for name in ["cargo-wasm-oci", "wasm-oci"] {
        let mut strip = Command::new(tools::program("strip"));
        let _stripped =
            Run::of(strip.arg("-o").arg(programs.join(name)).arg(program(name))).success();
    }
    programs
}

/// Returns the content of an archive: mode, time and bytes of each path.
fn entries(archive: &Path) -> BTreeMap<String, (u32, u64, Vec<u8>)> {
    let file = flate2::read::GzDecoder::new(fs::File::open(archive).unwrap());
    let mut tar = tar::Archive::new(file);
    let entries = tar.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        // cargo's archives name nobody at all.
        assert!(matches!((header.uid(), header.gid()), (Ok(0), Ok(0)) | (Err(_), Err(_))));
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        (path, (header.mode().unwrap(), header.mtime().unwrap(), content))
    });
    entries.collect()
}

#[test]
fn archives_have_what_a_machine_needs() {
    let folder = releases().join(format!("v{}", version()));
    for name in ["cargo-wasm-oci", "wasm-oci"] {
        // The name that cargo-binstall looks for first, and the folder inside.
        let base = format!("{name}-{TARGET}-v{}", version());
        let entries = entries(&folder.join(format!("{base}.tar.gz")));
        let paths: Vec<&String> = entries.keys().collect();
        let (mode, time, content) = &entries[&format!("{base}/{name}")];
        assert_eq!((*mode, *time), (0o755, 1_700_000_000));
        let unpacked = tempfile::tempdir().unwrap();
        let file = unpacked.path().join(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let said = Run::of(Command::new(file).arg("--version")).success().stdout;
        assert!(said.trim().ends_with(version()), "{said}");

        for runner in RUNNERS {
            let expected = (0o755, 1_700_000_000, runner.as_bytes().to_vec());
            assert_eq!(entries[&format!("{base}/{runner}")], expected);
        }
        for page in ["LICENSE", "README.md", "CHANGELOG.md"] {
            let original = fs::read(root().join(page)).unwrap();
            assert_eq!(entries[&format!("{base}/{page}")], (0o644, 1_700_000_000, original));
        }
        for shell in [
            format!("{name}.bash"),
            format!("{name}.fish"),
            format!("_{name}"),
            format!("_{name}.ps1"),
        ] {
            let (_, _, script) = &entries[&format!("{base}/completions/{shell}")];
            assert!(String::from_utf8_lossy(script).contains(name), "{shell}");
        }
        for page in ["", "-push", "-size", "-man"] {
            assert!(
                entries.contains_key(&format!("{base}/man/man1/{name}{page}.1")),
                "{page}: {paths:?}"
            );
        }
    }
}

#[test]
fn the_same_programs_make_the_same_archives() {
    let folder = tempfile::tempdir().unwrap();
    // Small ones that answer: what is packed doesn't count.
    let programs = folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    for (name, ending) in
        [("cargo-wasm-oci", ""), ("wasm-oci", ""), ("cargo-wasm-oci", ".exe"), ("wasm-oci", ".exe")]
    {
        let path = programs.join(format!("{name}{ending}"));
        fs::write(&path, format!("#!/bin/sh\nexec {} \"$@\"\n", program(name).display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for target in [TARGET, "x86_64-pc-windows-msvc"] {
        let outputs = ["one", "two"].map(|name| folder.path().join(name));
        let printed = outputs.each_ref().map(|output| package(target, &programs, output));
        let names = |printed: &str| -> Vec<String> {
            printed.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&printed[0]).len(), 2);
        for name in names(&printed[0]) {
            let [one, two] = outputs.each_ref().map(|output| fs::read(output.join(&name)).unwrap());
            assert!(one == two, "{name}");
            assert!(name.ends_with(if target == TARGET { ".tar.gz" } else { ".zip" }), "{name}");
        }
    }
    let zip = folder.path().join(format!("one/wasm-oci-x86_64-pc-windows-msvc-v{}.zip", version()));
    let listed =
        Run::of(Command::new("python3").args(["-m", "zipfile", "--list"]).arg(zip)).success();
    let inside = format!("wasm-oci-x86_64-pc-windows-msvc-v{}/wasm-oci.exe", version());
    assert!(listed.stdout.contains(&inside), "{}", listed.stdout);

    let _written = Run::of(script("checksums").arg(folder.path().join("one"))).success();
    let sums = folder.path().join("one/SHA256SUMS");
    let mut check = Command::new("sha256sum");
    let checked = Run::of(
        check.args(["--check", "--strict"]).arg(sums).current_dir(folder.path().join("one")),
    );
    assert_eq!(checked.success().stdout.lines().count(), 4);
    let none = Run::of(script("checksums").arg(&programs));
    assert_ne!(none.code, 0, "{none:?}");
    // Without its runners, a release would build them on the machines of its users.
    let output = folder.path().join("none");
    let incomplete = Run::of(script("package").arg(TARGET).args([&programs, &programs, &output]));
    assert_eq!(incomplete.code, 1, "{incomplete:?}");
    assert!(incomplete.stderr.contains("release/runners makes it"), "{incomplete:?}");
    assert!(!output.exists());
}

#[test]
fn a_release_has_notes_only_for_its_own_tag() {
    let wrong = Run::of(script("notes").arg("v99.0.0"));
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.stderr.contains("v99.0.0 is not the tag of version"), "{wrong:?}");
    // Whichever of both it is by now: notes, or what is missing.
    let own = Run::of(script("notes").arg(format!("v{}", version())));
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    match changelog.lines().any(|line| line.starts_with(&format!("## {}", version()))) {
        true => assert!(own.code == 0 && !own.stdout.contains("\n## "), "{own:?}"),
        false => assert!(
            own.code == 1 && own.stderr.contains("CHANGELOG.md has nothing about"),
            "{own:?}"
        ),
    }
}

/// The targets of the workflow are those that the action downloads and the page names.
#[test]
fn the_targets_are_the_same_everywhere() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let target = Regex::new(r"\b(?:x86_64|aarch64)-[a-z]+-[a-z]+(?:-[a-z]+)?\b").unwrap();
    let targets = |text: &str| {
        target.find_iter(text).map(|it| it.as_str().to_owned()).collect::<BTreeSet<_>>()
    };
    let workflow = targets(&read(".github/workflows/release.yml"));
    assert_eq!(workflow.len(), 7, "{workflow:?}");
    assert_eq!(targets(&read("action/install")), workflow);
    assert_eq!(targets(&read("docs/releasing.md")), workflow);
}

/// Packages as crates.io would get them: whole, and each with its licence and a page.
#[test]
fn every_package_can_be_published() {
    let folder = tempfile::tempdir().unwrap();
    let publish = fs::read_to_string(root().join("release/publish")).unwrap();
    let names = "wasm-oci-core wasm-oci-templates wasm-oci-app wasm-oci cargo-wasm-oci";
    assert!(publish.contains(&format!("packages=({names})")));
    let mut package = cargo();
    package.args([
        "package",
        "--locked",
        "--offline",
        "--no-verify",
        "--allow-dirty",
        "--target-dir",
    ]);
    package
        .arg(folder.path())
        .args(names.split(' ').flat_map(|name| ["--package", name]))
        .current_dir(root());
    let run = Run::of(&mut package).success();
    let warnings: Vec<&str> =
        run.stderr.lines().filter(|line| line.starts_with("warning")).collect();
    assert!(warnings.is_empty(), "{warnings:?}");
    for name in names.split(' ') {
        let archive = folder.path().join(format!("package/{name}-{}.crate", version()));
        let entries = entries(&archive);
        for file in ["Cargo.toml", "LICENSE", "README.md"] {
            let path = format!("{name}-{}/{file}", version());
            assert!(entries.contains_key(&path), "{name} lacks {file}");
        }
        let size = fs::metadata(archive).unwrap().len();
        assert!(size < 10 << 20, "{name} has {size} bytes, and crates.io takes 10 MiB");
    }
}

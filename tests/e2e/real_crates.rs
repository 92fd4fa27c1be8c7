//! Crates as their authors published them, packed and run, against the same programs built natively.
//!
//! `tests/real-crates/cases.toml` says which crates and what to run of each; `tests/setup` gets them.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use tempfile::TempDir;

use crate::harness;
use crate::standalone::platform;

macro_rules! real_crates {
    ($($test:ident: $name:literal,)*) => {
        const TESTED: &[&str] = &[$($name),*];

        $(
            #[test]
            fn $test() {
                image_and_native_program_agree($name);
            }
        )*
    };
}

real_crates! {
    pulldown_cmark: "pulldown-cmark",
    comrak: "comrak",
    hexyl: "hexyl",
    oxipng: "oxipng",
    sd: "sd",
    ripgrep: "ripgrep",
}

/// The cases as smoke tests, which expect what the native programs do.
#[test]
fn smoke_tests_pass_before_and_after_optimizing() {
    let fetched = harness::tools::real_crates();
    for package in Table::read().crates {
        if !["pulldown-cmark", "hexyl", "sd"].contains(&package.name.as_str()) {
            continue;
        }
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("cases.toml");
        let native = fetched.join("native/bin").join(&package.bin);
        let tests: Vec<_> =
            package.cases.iter().map(|case| case.smoke_test(&native, temp.path())).collect();
        let table = toml::Table::from_iter([("smoke".to_owned(), toml::Value::Array(tests))]);
        fs::write(&file, table.to_string()).unwrap();
        let layout = |level: &str| temp.path().join(level);
        for level in ["--no-optimize", "-O1", "-Oz"] {
            build(&package, &fetched, &layout(level), &[level]);
            let mut test = harness::wasm_oci();
            test.arg("test")
                .arg(format!("oci:{}", layout(level).display()))
                .arg("--cases")
                .arg(&file);
            test.arg("--verify-behaviour")
                .arg(format!("oci:{}", layout("--no-optimize").display()));
            let run = harness::Run::of(&mut test).success();
            let passed = format!("{0} tests run: {0} passed", package.cases.len());
            assert!(run.stderr.contains(&passed), "{}: {}", package.name, run.stderr);
        }
    }
}

#[test]
fn every_crate_of_the_table_is_tested() {
    let table = Table::read();
    let names: BTreeSet<_> = table.crates.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, TESTED.iter().copied().collect());
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "crate")]
    crates: Vec<Package>,
    /// For `fetch` only.
    #[serde(rename = "tested")]
    _tested: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Package {
    name: String,
    /// For `fetch` only.
    #[serde(rename = "version")]
    _version: String,
    features: Vec<String>,
    bin: String,
    #[serde(rename = "case")]
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    args: Vec<String>,
    stdin: Option<PathBuf>,
    dir: Option<PathBuf>,
    #[serde(default)]
    code: i32,
}

impl Table {
    fn read() -> Self {
        toml::from_str(&fs::read_to_string(data("cases.toml")).unwrap()).unwrap()
    }
}

fn data(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("real-crates").join(path)
}

fn image_and_native_program_agree(name: &str) {
    let fetched = harness::tools::real_crates();
    let package = Table::read().crates.into_iter().find(|package| package.name == name).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let layout = temp.path().join("image");
    build(&package, &fetched, &layout, &[]);
    let container = Standalone::of(&layout, temp.path());
    for case in &package.cases {
        let native = run_native(&fetched.join("native/bin").join(&package.bin), case);
        let image = run_image(&layout, case);
        let what = format!("{name}: {}", case.name);
        native.assert_equals(&image, &what);
        // A container's root can't be the folder of a case: its program may only write to folders of the root.
        if case.dir.is_none() {
            native.assert_equals(&container.run(case), &format!("{what}, standalone"));
        }
        assert_eq!(native.code, Some(case.code), "{what}: {}", native.stderr);
    }
}

fn build(package: &Package, fetched: &Path, layout: &Path, args: &[&str]) {
    let path = env::var_os("PATH").unwrap_or_default();
    let path = [harness::tools::zig_directory()].into_iter().chain(env::split_paths(&path));
    let status = harness::cargo_wasm_oci()
        .args(["wasm-oci", "build", "--locked", "--manifest-path"])
        .arg(fetched.join(&package.name).join("Cargo.toml"))
        .args(&package.features)
        .args(args)
        .arg("--oci-layout-path")
        .arg(layout)
        // For C in their dependencies.
        .env("PATH", env::join_paths(path).unwrap())
        // The crates have many dependencies in common.
        .env("CARGO_TARGET_DIR", fetched.join("wasm-target"))
        .status()
        .unwrap();
    assert!(status.success(), "{}: the build failed: {status}", package.name);
}

fn run_native(program: &Path, case: &Case) -> Outcome {
    let dir = case.copy_of_dir();
    let mut command = Command::new(program);
    command.args(&case.args).current_dir(dir.path());
    case.outcome(command, &dir)
}

fn run_image(layout: &Path, case: &Case) -> Outcome {
    let dir = case.copy_of_dir();
    let mut command = harness::wasm_oci();
    command.arg("run").arg(format!("oci:{}", layout.display()));
    if case.dir.is_some() {
        // A guest starts in `/`, so this is what the current directory is to the native program.
        command.arg("--dir").arg(format!("{}::/", dir.path().display()));
    }
    command.arg("--").args(&case.args);
    case.outcome(command, &dir)
}

/// The image in its standalone form, in a container without a WebAssembly runtime.
struct Standalone(harness::Podman);

impl Standalone {
    const NAME: &str = "example.com/standalone:1";

    fn of(layout: &Path, folder: &Path) -> Standalone {
        let archive = folder.join("standalone.tar");
        let mut convert = harness::wasm_oci();
        convert.args(["convert", "--format=standalone", "--linux-platform", &platform()]);
        convert.arg(format!("oci:{}", layout.display()));
        convert.arg(format!("oci-archive:{}:{}", archive.display(), Self::NAME));
        let _converted = harness::Run::of(&mut convert).success();
        let podman = harness::Podman::of_root();
        let _loaded = podman.load(&archive).success();
        Standalone(podman)
    }

    fn run(&self, case: &Case) -> Outcome {
        let dir = case.copy_of_dir();
        let options = ["--interactive", "--network=none"].map(str::to_owned);
        let args: Vec<&str> = case.args.iter().map(String::as_str).collect();
        case.outcome(self.0.run_command(Self::NAME, &options, &args), &dir)
    }
}

impl Case {
    /// A copy of the folder that the program sees, or an empty one when it sees none.
    fn copy_of_dir(&self) -> TempDir {
        let temp = tempfile::tempdir().unwrap();
        if let Some(dir) = &self.dir {
            copy(&data("inputs").join(dir), temp.path());
        }
        temp
    }

    /// This case as a smoke test, with what the native program does in files below `folder`.
    fn smoke_test(&self, native: &Path, folder: &Path) -> toml::Value {
        let outcome = run_native(native, self);
        let folder = folder.join(&self.name);
        let from = |path: &Path| {
            toml::Table::from_iter([("from".to_owned(), path.display().to_string().into())])
        };
        let kept = |path: &Path, bytes: &[u8]| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            from(&path)
        };
        let mut table = toml::Table::new();
        table.insert("name".to_owned(), self.name.clone().into());
        table.insert("args".to_owned(), self.args.clone().into());
        table.insert("exit-code".to_owned(), self.code.into());
        table.insert("stdout".to_owned(), kept(Path::new("stdout"), &outcome.stdout).into());
        if let Some(stdin) = &self.stdin {
            table.insert("stdin".to_owned(), from(&data("inputs").join(stdin)).into());
        }
        if let Some(dir) = &self.dir {
            let files =
                toml::Table::from_iter([("/".to_owned(), from(&data("inputs").join(dir)).into())]);
            table.insert("files".to_owned(), files.into());
            let after = outcome.files.iter().map(|(path, bytes)| {
                (path.display().to_string(), kept(&Path::new("after").join(path), bytes).into())
            });
            table.insert("files-after".to_owned(), toml::Table::from_iter(after).into());
        }
        table.into()
    }

    fn outcome(&self, mut command: Command, dir: &TempDir) -> Outcome {
        let stdin = match &self.stdin {
            Some(path) => File::open(data("inputs").join(path)).unwrap().into(),
            None => Stdio::null(),
        };
        let output = command.stdin(stdin).output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            files: files_in(dir.path()),
        }
    }
}

/// The observable behaviour of a program, for comparison with another one. `stderr` is only for messages.
struct Outcome {
    code: Option<i32>,
    stdout: Vec<u8>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    stderr: String,
}

impl Outcome {
    fn assert_equals(&self, image: &Self, what: &str) {
        let stderr = &image.stderr;
        assert_eq!(self.code, image.code, "{what}: exit codes, native and image, differ: {stderr}");
        assert!(
            self.stdout == image.stdout,
            "{what}: outputs differ\n--- native\n{}\n--- image\n{}\n{stderr}",
            String::from_utf8_lossy(&self.stdout),
            String::from_utf8_lossy(&image.stdout),
        );
        assert!(self.files == image.files, "{what}: the files differ afterwards: {stderr}");
    }
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files_in(from) {
        let path = to.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Every file below a folder, by its path in it.
fn files_in(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

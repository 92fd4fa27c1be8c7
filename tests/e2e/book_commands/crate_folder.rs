//! The ordinary crate in whose folder the pages' commands are run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::commands::{example, lasting};
use crate::harness::{Run, cargo_wasm_oci};

/// What is in it, under version control.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", MANIFEST),
    ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\n"),
    (".gitignore", "/target\n*.wasm\n"),
    ("src/main.rs", MAIN),
    ("app.toml", "greeting = \"Hello\"\n"),
    ("smoke.toml", "[[smoke]]\nname = \"greets\"\nargs = [\"Ferris\"]\nstdout = \"Hello, Ferris!\\n\"\n"),
];

const MANIFEST: &str = r#"[package]
name = "app"
version = "1.0.0"
edition = "2024"
description = "Greets"
license = "Apache-2.0"

[[package.metadata.wasm-oci.smoke]]
name = "greets"
args = ["Ferris"]
stdout = "Hello, Ferris!\n"

[[package.metadata.wasm-oci.smoke]]
name = "has a picture of the world"
"#;

const MAIN: &str = r#"//! Greets whom it is told to.

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    println!("{}", greeting(&names));
}

fn greeting(names: &[String]) -> String {
    let names = if names.is_empty() { "world".to_owned() } else { names.join(" and ") };
    format!("Hello, {names}!")
}

#[test]
fn greets() {
    assert_eq!(greeting(&[]), "Hello, world!");
}
"#;

/// A folder below which the crate is at the same path each time, so that it is built once.
pub(super) struct CrateFolder {
    work: PathBuf,
}

impl CrateFolder {
    /// Makes it, with what is there before a page's first command: its module, also as an older one, and one that
    /// answers requests.
    pub(super) fn new(work: &Path) -> CrateFolder {
        let folder = CrateFolder { work: work.to_owned() };
        for (name, text) in FILES {
            let path = folder.path().join(name);
            // As it is, where it is: what is not written is not built again.
            if fs::read_to_string(&path).is_ok_and(|there| there == *text) {
                continue;
            }
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        if !folder.path().join(".git").exists() {
            folder.git(&["init", "--quiet"]);
        }
        folder.git(&["add", "."]);
        folder.git(&["commit", "--quiet", "--allow-empty", "--message", "Everything"]);
        fs::create_dir_all(folder.given()).unwrap();
        folder.build();
        folder
    }

    fn build(&self) {
        let build = |manifest: PathBuf, target: PathBuf, module: &str, names: &[&str]| {
            let mut build = cargo_wasm_oci();
            build.args(["wasm-oci", "build", "--locked", "--manifest-path"]).arg(manifest);
            let _built = Run::of(build.arg("--target-dir").arg(&target)).success();
            for name in names {
                fs::copy(target.join(module), self.given().join(name)).unwrap();
            }
        };
        let app = "wasm32-wasip1/release/app.wasm";
        build(self.path().join("Cargo.toml"), self.target(), app, &["app.wasm", "old.wasm"]);
        build(example("http"), lasting("http"), "wasm32-wasip2/release/http.wasm", &["http.wasm"]);
    }

    /// Where the crate is.
    pub(super) fn path(&self) -> PathBuf {
        self.work.join("app")
    }

    /// Where it is built, and what pages make beside it.
    pub(super) fn target(&self) -> PathBuf {
        self.work.join("target")
    }

    fn given(&self) -> PathBuf {
        self.work.join("given")
    }

    /// Puts all back as it was, and the crate's image into a registry, as a universal one and as an artifact.
    pub(super) fn restore(&self, host: &str) {
        self.git(&["clean", "-ffdxq"]);
        self.git(&["checkout", "--quiet", "--force", "--", "."]);
        for entry in fs::read_dir(self.given()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, self.path().join(path.file_name().unwrap())).unwrap();
        }
        symlink(self.target(), self.path().join("target")).unwrap();
        for owner in ["me", "owner"] {
            let mut push = cargo_wasm_oci();
            push.args(["wasm-oci", "push", "--format", "universal,artifact", "--no-test"]);
            push.arg(format!("{host}/{owner}/app:1.0")).current_dir(self.path());
            let _pushed = Run::of(push.env("CARGO_TARGET_DIR", self.target())).success();
        }
    }

    fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=A", "-c", "user.email=a@example.com"]).args(args).current_dir(self.path());
        git.env("GIT_COMMITTER_DATE", "2026-01-31T12:00:00Z").env("GIT_AUTHOR_DATE", "2026-01-31T12:00:00Z");
        let _done = Run::of(&mut git).success();
    }
}

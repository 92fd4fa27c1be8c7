//! C inside crates: found compilers, missing ones, and what reaches the module.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{self, Run, cargo_wasm_oci, wasm_oci};

/// A program whose dependency has C in it, and a build script that does what `cc` does.
fn write_app(folder: &Path, build_script: &str) {
    let package = |name: &str, version: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n")
    };
    let files = [
        (
            "Cargo.toml",
            package("app", "1.2.3")
                + "[workspace]\n[dependencies]\nnative = { path = \"native\" }\n",
        ),
        ("src/main.rs", "fn main() { println!(\"{}\", native::place()) }".to_owned()),
        ("native/Cargo.toml", package("native", "0.4.2")),
        ("native/build.rs", build_script.to_owned()),
        ("native/src/lib.rs", LIBRARY.to_owned()),
        ("native/c/place.c", C.to_owned()),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

const C: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <assert.h>
char *place(const char *text) {
    assert(text);
    char *copy = malloc(strlen(text) + 256);
    sprintf(copy, "%s %s %d " __DATE__, text, __FILE__, __LINE__);
    return copy;
}
"#;

const LIBRARY: &str = r#"
use std::ffi::{CStr, c_char};
extern "C" { #[link_name = "place"] fn c_place(text: *const c_char) -> *mut c_char; }
pub fn place() -> String {
    unsafe { CStr::from_ptr(c_place(c"in".as_ptr())) }.to_str().unwrap().to_owned()
}
"#;

/// Compiles by the file's full path, which C can see.
const COMPILE: &str = r#"
use std::env::var;
use std::process::Command;
fn run(tool: &str, args: &[&str]) {
    let tool = var(format!("{tool}_wasm32_wasip1")).expect("a compiler is named");
    assert!(Command::new(&tool).args(args).status().expect("it starts").success());
}
fn main() {
    let (folder, out) = (var("CARGO_MANIFEST_DIR").unwrap(), var("OUT_DIR").unwrap());
    let (source, object) = (format!("{folder}/c/place.c"), format!("{out}/place.o"));
    run("CC", &["-O0", "--target=wasm32-wasip1", "-o", &object, "-c", &source]);
    run("AR", &["cq", &format!("{out}/libplace.a"), &object]);
    println!("cargo:rustc-link-search=native={out}\ncargo:rustc-link-lib=static=place");
}
"#;

/// Does without C when it can't be compiled.
const TRY: &str = r#"
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    let compiler = std::env::var("CC_wasm32_wasip1").unwrap();
    let args = ["-o", &format!("{out}/a.o"), "-c", "c/place.c"];
    assert!(!std::process::Command::new(compiler).args(args).status().unwrap().success());
}
"#;

/// Just what Rust needs on the `PATH`: no compiler for WASI.
struct Tools(TempDir);

impl Tools {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cc", "ld", "as"] {
            symlink(harness::tools::program(name), folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, more: Option<PathBuf>) -> OsString {
        let rust = PathBuf::from(env::var_os("CARGO").unwrap());
        let folders = [self.0.path().to_owned(), rust.parent().unwrap().to_owned()];
        env::join_paths(folders.into_iter().chain(more)).unwrap()
    }

    fn build(&self, folder: &Path, more: Option<PathBuf>) -> Command {
        let mut command = cargo_wasm_oci();
        command.args(["wasm-oci", "build", "--no-optimize"]).current_dir(folder);
        for name in [
            "CC",
            "CXX",
            "AR",
            "CFLAGS",
            "WASI_SDK_PATH",
            "WASI_SDK_DIR",
            "WASI_SYSROOT",
            "PYTHONPATH",
        ] {
            command.env_remove(name);
        }
        command.env("PATH", self.path(more));
        command
    }
}

#[test]
fn two_folders_two_homes_and_two_ways_to_find_zig_make_the_same_module() {
    let tools = Tools::new();
    let temp = tempfile::tempdir().unwrap();
    let zig = harness::tools::zig_directory();
    let module = |folder: &str, prepare: &dyn Fn(&mut Command)| {
        let app = temp.path().join(folder);
        write_app(&app, COMPILE);
        let mut build = tools.build(&app, None);
        build.env("CARGO_HOME", app.join("home"));
        prepare(&mut build);
        let run = Run::of(&mut build).success();
        assert!(!run.stderr.contains("path of this machine"), "{}", run.stderr);
        assert!(!run.stderr.contains("warning"), "{}", run.stderr);
        fs::read(app.join("target/wasm32-wasip1/release/app.wasm")).unwrap()
    };
    let one = module("one", &|build| {
        build.env("PATH", tools.path(Some(zig.clone())));
    });
    let other = module("other/and deeper", &|build| {
        build.env("PATH", harness::tools::search_path()).env("PYTHONPATH", zig.parent().unwrap());
        build.args(["--c-compiler", "zig"]);
    });
    assert!(one == other);

    let layout = format!("oci:{}", temp.path().join("one/target/wasm-oci/app").display());
    let run = Run::of(wasm_oci().args(["run", &layout])).success();
    assert_eq!(run.stdout, "in /workspace/native/c/place.c 9 Jan  1 1970\n");
}

#[test]
fn without_a_compiler_it_is_said_whose_c_needs_one() {
    let tools = Tools::new();
    let temp = tempfile::tempdir().unwrap();
    write_app(temp.path(), COMPILE);
    let failed = |choice: &str| {
        let run = Run::of(tools.build(temp.path(), None).args(["--c-compiler", choice]));
        assert_eq!(run.code, 101, "{}", run.stderr);
        run.stderr.lines().last().unwrap().to_owned()
    };
    let message = failed("auto");
    let whose = "error: the C code of native v0.4.2 could not be compiled for wasm32-wasip1: ";
    assert!(
        message.starts_with(whose)
            && message.contains("no C compiler for WASI was found")
            && message.contains("pip install ziglang"),
        "{message}"
    );
    let message = failed("wasi-sdk");
    assert!(
        message.starts_with(whose) && message.contains("asks for wasi-sdk, which was not found"),
        "{message}"
    );

    // It is found as soon as it is there, and what it says is cargo's to show.
    let zig = || Some(harness::tools::zig_directory());
    let _ = Run::of(&mut tools.build(temp.path(), zig())).success();
    fs::write(temp.path().join("native/c/place.c"), "no C").unwrap();
    let run = Run::of(&mut tools.build(temp.path(), zig()));
    assert_eq!(run.code, 101, "{}", run.stderr);
    let last = run.stderr.lines().last().unwrap();
    assert!(
        last.contains("native v0.4.2") && last.contains("zig (/") && last.contains("failed"),
        "{last}"
    );
}

#[test]
fn c_that_is_only_tried_is_no_matter() {
    let tools = Tools::new();
    let temp = tempfile::tempdir().unwrap();
    write_app(temp.path(), TRY);
    fs::write(temp.path().join("native/src/lib.rs"), "pub fn place() -> u8 { 1 }").unwrap();
    let _ = Run::of(&mut tools.build(temp.path(), None)).success();
    fs::write(temp.path().join("src/main.rs"), "fn main() { no }").unwrap();
    fs::write(temp.path().join("native/build.rs"), TRY.to_owned() + "\n").unwrap();
    let run = Run::of(&mut tools.build(temp.path(), None));
    assert_eq!(run.code, 101, "{}", run.stderr);
    assert!(!run.stderr.contains("the C code of"), "{}", run.stderr);
}

//! Other languages than Rust: the same program from each of `examples/languages`, compiled as docs/languages.md says,
//! packed, pushed, and run from the registry.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::commands::{lasting, root};
use crate::harness::{Registry, Run, tools, wasm_oci};

/// Compiles the program in a copy of its folder, packs and pushes it, and holds what it does against what all do.
#[track_caller]
fn does_what_all_do(language: &str, compile: impl Fn(&Path) -> Vec<Command>) {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("examples/languages").join(language)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    for mut command in compile(folder.path()) {
        let _compiled = Run::of(command.current_dir(folder.path())).success();
    }
    let oci = |args: &[&str], stdin: &str| {
        Run::with_stdin(wasm_oci().args(args).current_dir(folder.path()), stdin)
    };
    let registry = Registry::start();
    let image = format!("{}/me/greet:1.0", registry.host());
    let _packed = oci(&["pack", "greet.wasm", "--oci-layout-path", "greet"], "").success();
    let pushed = oci(&["push", "greet.wasm", &image], "").success();
    assert!(pushed.stdout.contains("/me/greet@sha256:"), "{}", pushed.stdout);
    for place in ["oci:greet", &image] {
        let run = oci(&["run", place, "--env", "GREETING=Salut", "--", "one", "zw ei"], "text\n")
            .success();
        assert_eq!(
            run.stdout, "Salut, one!\nSalut, zw ei!\n5 bytes of standard input\n",
            "{place}"
        );
        let run = oci(&["run", place], "");
        assert_eq!(
            (run.stdout.as_str(), run.stderr.trim_end(), run.code),
            ("", "nobody to greet", 3),
            "{place}"
        );
    }
}

/// zig, whose own cache is kept from one run to the next.
fn zig(args: &[&str]) -> Command {
    let mut zig = Command::new(tools::zig_directory().join("zig"));
    zig.args(args)
        .env("ZIG_GLOBAL_CACHE_DIR", lasting("zig"))
        .env("ZIG_LOCAL_CACHE_DIR", lasting("zig"));
    zig
}

#[test]
fn c() {
    does_what_all_do("c", |_| {
        vec![zig(&["cc", "--target=wasm32-wasi", "-Os", "-o", "greet.wasm", "greet.c"])]
    });
}

#[test]
fn zig_itself() {
    does_what_all_do("zig", |_| {
        vec![zig(&["build-exe", "greet.zig", "-target", "wasm32-wasi", "-O", "ReleaseSmall"])]
    });
}

#[test]
fn go() {
    does_what_all_do("go", |folder| {
        let mut go = Command::new(tools::go());
        go.args(["build", "-o", "greet.wasm", "greet.go"])
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm");
        // Nothing of it is the user's own.
        vec![{
            go.env("GOCACHE", lasting("go"))
                .env("GOPATH", folder.join("path"))
                .env("GOTOOLCHAIN", "local");
            go
        }]
    });
}

#[test]
fn assemblyscript() {
    does_what_all_do("assemblyscript", |folder| {
        let mut install = tools::npm();
        install.arg("ci");
        let mut compile = Command::new(folder.join("node_modules/.bin/asc"));
        compile.args([
            "greet.ts",
            "--config",
            "node_modules/@assemblyscript/wasi-shim/asconfig.json",
        ]);
        compile.args(["--optimize", "--outFile", "greet.wasm"]);
        vec![install, compile]
    });
}

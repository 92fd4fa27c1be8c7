//! Compatibility of modules with runtimes: the table, the commands that use it, and its facts in the runtimes that other tests
//! need anyway.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use wasm_oci_core::compat::runtimes::{NEEDS, Runtime, Support, Version};

use crate::harness::commands::root;
use crate::harness::{Node, Run, cargo_wasm_oci, wasm_oci};

/// Returns the table of features, with the first version of each runtime that supports them.
pub(crate) fn support_table() -> String {
    let names: Vec<String> = Runtime::all().map(|runtime| runtime.name().to_owned()).collect();
    let mut table = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let newest: Vec<String> = Runtime::all()
        .map(|runtime| format!("{}–{}", runtime.oldest(), runtime.newest()))
        .collect();
    table.push_str(&format!("| *versions looked at* | {} |\n", newest.join(" | ")));
    for need in NEEDS {
        let cells: Vec<String> = Runtime::all().map(|runtime| cell(runtime, need)).collect();
        table.push_str(&format!("| `{need}` | {} |\n", cells.join(" | ")));
    }
    table
}

fn cell(runtime: Runtime, need: &str) -> String {
    match runtime.support(need) {
        None => "–".to_owned(),
        Some(Support { from: Some(from), until: Some(until), .. }) => {
            format!("{from} to before {until}, option")
        }
        Some(Support { from: None, until: Some(until), .. }) => format!("option before {until}"),
        Some(Support { from: None, .. }) => "option".to_owned(),
        Some(Support { from: Some(from), .. }) if from <= runtime.oldest() => "✓".to_owned(),
        Some(Support { from: Some(from), with: None, .. }) => from.to_string(),
        Some(Support { from: Some(from), with: Some(_), .. }) => format!("{from}, option"),
    }
}

/// The options.
pub(crate) fn options_table() -> String {
    let mut table = "| runtime | for | what |\n|---|---|---|\n".to_owned();
    for runtime in Runtime::all() {
        for need in NEEDS {
            if let Some(with) = runtime.support(need).and_then(|support| support.with) {
                let with =
                    if with.starts_with('-') { format!("`{with}`") } else { with.to_owned() };
                table.push_str(&format!("| {runtime} | `{need}` | {with} |\n"));
            }
        }
    }
    table
}

/// Returns the table of sources.
pub(crate) fn sources_table() -> String {
    let mut table = "| runtime | measured in | the rest from |\n|---|---|---|\n".to_owned();
    for runtime in Runtime::all() {
        let measured: Vec<String> = runtime.measured().iter().map(Version::to_string).collect();
        let measured = if measured.is_empty() { "–".to_owned() } else { measured.join(", ") };
        let sources: Vec<String> =
            runtime.sources().iter().map(|source| format!("<{source}>")).collect();
        table.push_str(&format!("| {runtime} | {measured} | {} |\n", sources.join(", ")));
    }
    table
}

/// The modules of `tests/probes`, by the need that each has, in a folder of their own.
fn probes() -> (TempDir, Vec<(String, PathBuf)>) {
    let folder = tempfile::tempdir().unwrap();
    let texts =
        fs::read_dir(root().join("tests/probes")).unwrap().map(|entry| entry.unwrap().path());
    let mut probes: Vec<(String, PathBuf)> = texts
        .map(|text| {
            let need = text.file_stem().unwrap().to_str().unwrap().to_owned();
            let module = folder.path().join(format!("{need}.wasm"));
            fs::write(&module, wat::parse_file(&text).unwrap()).unwrap();
            (need, module)
        })
        .collect();
    probes.sort();
    (folder, probes)
}

fn report(module: &Path) -> Value {
    let inspect = Run::of(wasm_oci().arg("inspect").arg(module).arg("--json")).success();
    serde_json::from_str::<Value>(&inspect.stdout).unwrap()["module"].clone()
}

fn compatibility<'a>(report: &'a Value, runtime: &str) -> &'a Value {
    let compatibilities = report["runtimes"].as_array().unwrap();
    compatibilities.iter().find(|compatibility| compatibility["runtime"] == runtime).unwrap()
}

#[test]
fn every_probe_needs_what_its_name_says() {
    let (_folder, probes) = probes();
    for (need, module) in &probes {
        let report = report(module);
        let features: Vec<&str> = report["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        match need.as_str() {
            "wasm-1.0" => assert!(features.is_empty(), "{features:?}"),
            need => assert!(features.contains(&need), "{need}: {features:?}"),
        }
    }
    let probed = |need: &&str| probes.iter().any(|(name, _)| name == need);
    let missing: Vec<&str> = NEEDS.into_iter().filter(|need| !probed(need)).collect();
    // WASI is what nearly all other tests are about; the others are none that a small text could show.
    assert_eq!(missing, ["call-indirect-overlong", "wasi-preview-1", "wasi-threads"]);
}

#[test]
fn node_takes_what_the_table_says() {
    let (folder, probes) = probes();
    let script = folder.path().join("run.mjs");
    fs::write(&script, NODE).unwrap();
    let version: Version = Node::version().parse().unwrap();
    let node = Runtime::all().find(|runtime| runtime.name() == "node").unwrap();
    let modules: Vec<&str> = probes.iter().map(|(_, module)| module.to_str().unwrap()).collect();
    let run = Node::script(&script, &modules).success();
    let taken: Vec<&str> = run.stdout.lines().collect();
    for (need, module) in probes.iter().filter(|(need, _)| need != "wasm-1.0") {
        let takes = taken.contains(&module.to_str().unwrap());
        let from = node.support(need).and_then(|support| support.from);
        // Old lines get some of what newer ones have, so that a module may be taken sooner than the table says.
        let right = takes || from.is_none_or(|from| from > version);
        assert!(right, "node {version} doesn't take {need}");
        assert!(
            !takes || from.is_some(),
            "node {version} takes {need}, which the table doesn't know"
        );
    }
}

/// Prints which of the modules run.
const NODE: &str = "
import { readFile } from 'node:fs/promises';
for (const path of process.argv.slice(2)) {
    try {
        const { instance } = await WebAssembly.instantiate(await readFile(path));
        instance.exports._start();
        console.log(path);
    } catch {}
}
";

#[test]
fn functions_that_use_it_are_named() {
    let (_folder, probes) = probes();
    let path = |need: &str| &probes.iter().find(|(name, _)| name == need).unwrap().1;
    let tail_call = report(path("tail-call"));
    assert_eq!(compatibility(&tail_call, "wasmtime")["takes"], "yes");
    assert_eq!(compatibility(&tail_call, "wasmedge")["from"], "0.16");
    assert_eq!(compatibility(&tail_call, "wamr")["takes"], "with-option");
    assert_eq!(tail_call["uses"][0]["functions"][0]["name"], "count_down");
    let threads = Run::of(wasm_oci().arg("validate").arg(path("threads"))).success().stdout;
    assert!(threads.contains("wasmedge: threads (--enable-threads)"), "{threads}");
    assert!(threads.contains("threads: the memory section, `add` and `_start`"), "{threads}");
    let component =
        Run::of(wasm_oci().arg("validate").arg(path("component-model"))).success().stdout;
    assert!(component.starts_with("runs on:    wasmtime\n"), "{component}");
    assert!(component.contains("node, chrome, firefox, safari: component-model"), "{component}");
}

#[test]
fn a_build_for_a_runtime_that_lacks_something_fails() {
    let (folder, probes) = probes();
    let path = |need: &str| &probes.iter().find(|(name, _)| name == need).unwrap().1;
    let refused = |args: &[&str], module: &Path| {
        let run = Run::of(wasm_oci().args(args).arg(module).current_dir(folder.path()));
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
        assert_eq!(
            run.stderr.lines().filter(|line| line.starts_with("error: ")).count(),
            1,
            "{run:?}"
        );
        run.stderr
    };
    for command in ["pack", "validate"] {
        let error = refused(
            &[command, "--runtime", "wasmtime", "--runtime", "node@20"],
            path("relaxed-simd"),
        );
        for word in [
            "`node@20`",
            "`relaxed-simd`",
            "(21 does)",
            "`multiply_add`",
            "-Ctarget-feature=+relaxed-simd",
        ] {
            assert!(error.contains(word), "no {word:?} in {error:?}");
        }
        let error = refused(&[command, "--runtime", "wasmedge"], path("threads"));
        assert!(error.contains("(it does with --enable-threads)"), "{error:?}");
        let error = refused(&[command, "--runtime", "node"], path("component-model"));
        assert!(error.contains("build a module"), "{error:?}");
    }
    assert!(!folder.path().join("threads.oci").exists());
    let pack = |runtime: &str| {
        let mut pack = wasm_oci();
        pack.args(["pack", "--runtime", runtime])
            .arg(path("relaxed-simd"))
            .current_dir(folder.path());
        Run::of(&mut pack)
    };
    let _packed = pack("node@22").success();
    let unknown = pack("nodejs");
    assert!(unknown.code == 2 && unknown.stderr.contains("choose one of wasmtime"), "{unknown:?}");
}

#[test]
fn a_crate_says_which_runtimes_it_is_meant_for() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let manifest = |runtimes: &str| {
        let head =
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n";
        write("Cargo.toml", &format!("{head}[package.metadata.wasm-oci]\nruntimes = {runtimes}\n"));
    };
    write(
        "src/main.rs",
        "use std::arch::wasm32::*;
#[inline(never)] #[no_mangle]
#[target_feature(enable = \"relaxed-simd\")]
fn multiply_add(a: v128) -> v128 { f32x4_relaxed_madd(a, a, a) }
fn main() {
    let a = f32x4_splat(std::env::args().count() as f32);
    println!(\"{}\", f32x4_extract_lane::<0>(unsafe { multiply_add(a) }));
}",
    );
    let build = || Run::of(cargo_wasm_oci().args(["wasm-oci", "build"]).current_dir(folder.path()));
    manifest("[\"wasmtime\", \"node@20\"]");
    let refused = build();
    assert_eq!(refused.code, 3, "{refused:?}");
    for word in ["`node@20`", "`relaxed-simd`", "`multiply_add`"] {
        assert!(refused.stderr.contains(word), "no {word:?} in {refused:?}");
    }
    manifest("\"wasmtime\"");
    let _built = build().success();
}

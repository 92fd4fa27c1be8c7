//! Smoke tests: `test` of both commands, and `push`, which runs them first.

use std::fs;
use std::path::{Path, PathBuf};

use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::commands::{example, lasting};
use crate::harness::{Registry, Run, cargo_wasm_oci, wasm_oci};

const MANIFEST: &str =
    "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n";
const MAIN: &str = "fn main() { println!(\"one\\ntwo\\nthree\") }";
const RIGHT: &str =
    "[[package.metadata.wasm-oci.smoke]]\nname = \"counts\"\nstdout = \"one\\ntwo\\nthree\\n\"\n";
const WRONG: &str =
    "[[package.metadata.wasm-oci.smoke]]\nname = \"counts\"\nstdout = \"one\\nTWO\\nthree\\n\"\n";

/// A crate of its own, with this at the end of its manifest.
fn package(metadata: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Cargo.toml"), format!("{MANIFEST}{metadata}")).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), MAIN).unwrap();
    folder
}

fn cargo(folder: &Path, args: &[&str]) -> Run {
    Run::of(cargo_wasm_oci().arg("wasm-oci").args(args).current_dir(folder))
}

/// A module and a file of tests in a folder of their own, and `wasm-oci test` of them.
struct Module(TempDir);

impl Module {
    fn new(wat: &str, cases: &str) -> Module {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("app.wasm"), wat::parse_str(wat).unwrap()).unwrap();
        fs::write(folder.path().join("cases.toml"), cases).unwrap();
        Module(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn test(&self, args: &[&str]) -> Run {
        let mut command = wasm_oci();
        command
            .args(["test", "app.wasm", "--cases", "cases.toml"])
            .args(args)
            .current_dir(self.0.path());
        Run::of(&mut command)
    }
}

/// Copies its standard input to its standard output.
const COPY: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 4096))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

#[test]
fn those_of_both_examples_pass_before_and_after_optimizing() {
    for (name, count) in [("hello", 6), ("image-filter", 3)] {
        for optimize in ["-O0", "-O1", "-Oz", "--no-optimize"] {
            let mut command = cargo_wasm_oci();
            command
                .args(["wasm-oci", "test", "--locked", optimize, "--manifest-path"])
                .arg(example(name));
            command.arg("--target-dir").arg(lasting(&format!("smoke-{name}")));
            let run = Run::of(&mut command).success();
            assert!(
                run.stderr.contains(&format!("{count} tests run: {count} passed")),
                "{}",
                run.stderr
            );
            assert_eq!(run.stdout, "");
        }
    }
}

#[test]
fn a_wrong_expectation_is_shown_as_a_difference() {
    let folder = package(WRONG);
    let run = cargo(folder.path(), &["test"]);
    assert_eq!(run.code, 7, "{run:?}");
    let told = "\
error: the smoke test `counts` of `app` failed:
  stdout is not what was expected:
      --- expected
      +++ actual
      @@ -1,3 +1,3 @@
       one
      -TWO
      +two
       three
";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert!(run.stderr.contains("] app counts\n"), "{}", run.stderr);
    assert!(run.stderr.contains("1 test run: 0 passed, 1 failed"), "{}", run.stderr);
    // Even one who wants to hear nothing is told what failed.
    let quiet = cargo(folder.path(), &["test", "--quiet"]);
    assert_eq!(quiet.code, 7);
    assert!(quiet.stderr.contains("      -TWO\n      +two\n"), "{}", quiet.stderr);

    // Another test is not another image.
    let first = cargo(folder.path(), &["build"]).success();
    fs::write(folder.path().join("Cargo.toml"), format!("{MANIFEST}{RIGHT}")).unwrap();
    let second = cargo(folder.path(), &["test"]).success();
    assert!(second.stderr.contains("Fresh app"), "{}", second.stderr);
    assert!(second.stderr.contains("PASS"), "{}", second.stderr);
    assert_eq!(cargo(folder.path(), &["build"]).success().stdout, first.stdout);
}

#[test]
fn a_push_waits_for_the_smoke_tests() {
    let server = Registry::start();
    let folder = package(WRONG);
    let destination = format!("{}/app:1", server.host());
    let remote = format!("--remote={destination}");
    let pushed = || Run::of(wasm_oci().args(["inspect", &destination])).code == 0;

    let refused = cargo(folder.path(), &["push", &destination]);
    assert_eq!((refused.code, refused.stdout.as_str()), (7, ""), "{refused:?}");
    let told = "1 of 1 smoke tests failed; nothing was pushed (use `--no-test` to push anyway)";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    assert!(!pushed() && !server.log().contains("PUT"), "{}", server.log());
    // There is nothing to be had from the registry yet.
    assert_eq!(cargo(folder.path(), &["test", &remote]).code, 4);

    let forced = cargo(folder.path(), &["push", "--no-test", &destination]).success();
    assert!(!forced.stderr.contains("Testing") && pushed(), "{}", forced.stderr);
    // The pulled image fails the same test as the pushed one.
    let back = cargo(folder.path(), &["test", &remote]);
    assert_eq!(back.code, 7, "{back:?}");
    assert!(back.stderr.contains("+two") && !back.stderr.contains("Compiling"), "{}", back.stderr);

    let repository =
        format!("[package.metadata.wasm-oci]\nrepository = \"{destination}\"\n{RIGHT}");
    fs::write(folder.path().join("Cargo.toml"), format!("{MANIFEST}{repository}")).unwrap();
    let right = cargo(folder.path(), &["push"]).success();
    assert!(right.stderr.contains("1 test run: 1 passed"), "{}", right.stderr);
    assert!(
        right.stdout.starts_with(&format!("{}/app@sha256:", server.host())),
        "{}",
        right.stdout
    );
    let back = cargo(folder.path(), &["test", "--remote"]).success();
    assert!(back.stderr.contains(&format!("Pulling {destination}")), "{}", back.stderr);
    assert!(back.stderr.contains("1 test run: 1 passed"), "{}", back.stderr);
    // By digest, too.
    let remote = format!("--remote={}", right.stdout.trim());
    let back = cargo(folder.path(), &["test", &remote]).success();
    assert!(back.stderr.contains("1 test run: 1 passed"), "{}", back.stderr);
}

#[test]
fn a_module_from_elsewhere_has_its_tests_in_a_file() {
    let server = Registry::start();
    let cases = "[[smoke]]\nname = \"copies\"\nstdin = \"text\"\nstdout = \"text\"\n";
    let module = Module::new(COPY, cases);
    // Wherever it is, and whether or not it was compiled before, it has the same name.
    for _ in 0..2 {
        let mut test = wasm_oci();
        test.args(["test", "--cases"]).arg(module.path("cases.toml")).arg(module.path("app.wasm"));
        let run = Run::of(&mut test).success();
        assert!(run.stderr.contains("] app copies\n"), "{}", run.stderr);
    }
    let destination = format!("{}/app:1", server.host());
    let push = |cases: &str| {
        fs::write(module.path("cases.toml"), cases).unwrap();
        let mut command = wasm_oci();
        command.args(["push", "app.wasm", &destination, "--cases", "cases.toml"]);
        Run::of(command.current_dir(module.0.path()))
    };
    let refused = push(&cases.replace("stdout = \"text\"", "stdout = \"test\""));
    assert_eq!(refused.code, 7, "{refused:?}");
    assert_eq!(Run::of(wasm_oci().args(["inspect", &destination])).code, 4);
    let _ = push(cases).success();
    let mut back = wasm_oci();
    back.args(["test", &destination, "--cases"]).arg(module.path("cases.toml"));
    assert!(Run::of(&mut back).success().stderr.contains("1 test run: 1 passed"));
}

#[test]
fn a_report_for_machines_says_the_same() {
    let cases = r#"
        [[smoke]]
        name = "copies"
        stdin = "text"
        stdout = "text"
        [[smoke]]
        name = "changes <nothing> &"
        stdin = "some\u001b[31m <text> & ]]>\n"
        stdout = "other"
        [[smoke]]
        name = "has no input"
        stdin = { from = "none.txt" }
    "#;
    let module = Module::new(COPY, cases);
    let run = module.test(&["--json", "--junit", "report.xml", "--test-threads", "3"]);
    assert_eq!(run.code, 7, "{run:?}");

    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [passed, failed, broken, summary] = lines.try_into().unwrap();
    assert_eq!(passed["reason"], "wasm-oci-test");
    assert_eq!((&passed["program"], &passed["name"]), (&"app".into(), &"copies".into()));
    assert_eq!((&passed["outcome"], &passed["exit-code"]), (&"passed".into(), &0.into()));
    assert_eq!(failed["outcome"], "failed");
    assert_eq!(failed["mismatches"][0]["what"], "stdout");
    assert_eq!(failed["stdout"], "some\u{1b}[31m <text> & ]]>\n");
    assert_eq!(broken["outcome"], "error");
    assert!(broken["error"].as_str().unwrap().contains("none.txt"));
    assert_eq!(summary["reason"], "wasm-oci-test-summary");
    assert_eq!((&summary["run"], &summary["failed"]), (&3.into(), &2.into()));

    let xml = fs::read_to_string(module.path("report.xml")).unwrap();
    // As the schema of Jenkins has it.
    assert!(
        xml.contains("<testsuites name=\"wasm-oci\" tests=\"3\" failures=\"1\" errors=\"1\" time="),
        "{xml}"
    );
    let report = Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (3, 1, 1));
    let [suite] = report.test_suites.try_into().unwrap();
    assert_eq!(suite.name.as_str(), "app");
    let [passed, failed, broken] = suite.test_cases.try_into().unwrap();
    assert!(matches!(passed.status, TestCaseStatus::Success { .. }));
    assert_eq!(failed.name.as_str(), "changes <nothing> &");
    let TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, message, description, .. } =
        failed.status
    else {
        panic!("{:?}", failed.status)
    };
    assert_eq!(message.unwrap().as_str(), "stdout is not what was expected");
    assert!(description.unwrap().as_str().contains("+some\\u{1b}[31m <text> & ]]>"));
    assert!(matches!(
        broken.status,
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. }
    ));
}

#[test]
fn limits_stop_a_program_and_only_it() {
    let endless = r#"(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))"#;
    let module = Module::new(endless, "[[smoke]]\nname = \"ends\"\ntimeout = \"50ms\"\n");
    let run = module.test(&[]);
    assert_eq!(run.code, 7, "{run:?}");
    assert!(
        run.stderr.contains("the program was stopped: it ran longer than 0.05 s"),
        "{}",
        run.stderr
    );
    // Tests can expect the exit code that `run` would have.
    let module =
        Module::new(endless, "[[smoke]]\nname = \"ends\"\ntimeout = \"50ms\"\nexit-code = 124\n");
    let _ = module.test(&[]).success();

    let greedy = r#"(module (memory (export "memory") 1)
        (func (export "_start") (drop (memory.grow (i32.const 100)))))"#;
    let cases = "[[smoke]]\nname = \"small\"\nmemory = \"1MiB\"\n[[smoke]]\nname = \"large\"\nmemory = \"10MiB\"\n";
    let run = Module::new(greedy, cases).test(&[]);
    assert_eq!(run.code, 7, "{run:?}");
    assert!(run.stderr.contains("it needed more than 1048576 bytes of memory"), "{}", run.stderr);
    assert!(run.stderr.contains("2 tests run: 1 passed, 1 failed"), "{}", run.stderr);

    let trap = r#"(module (func (export "_start") unreachable))"#;
    let run = Module::new(trap, "[[smoke]]\nname = \"trap\"\n").test(&[]);
    assert!(
        run.code == 7 && run.stderr.contains("wasm `unreachable` instruction executed"),
        "{run:?}"
    );
}

#[test]
fn what_a_program_leaves_is_looked_at_and_the_users_folders_stay() {
    let folder = tempfile::tempdir().unwrap();
    let cases = r#"
        [[smoke]]
        name = "wrong picture"
        args = ["invert", "-i", "in.png", "-o", "out.png"]
        files = { "in.png" = { from = "sample.png" } }
        files-after = { "out.png" = { from = "sample.png" }, "in.png" = { absent = true }, "none" = {} }
        [[smoke]]
        name = "a folder of the user"
        args = ["invert", "-i", "/data/sample.png", "-o", "/data/out.png"]
        dirs = [".::/data"]
        exit-code = 1
        stderr = { contains = "cannot write /data/out.png" }
    "#;
    fs::write(folder.path().join("cases.toml"), cases).unwrap();
    fs::copy(
        example("image-filter").with_file_name("sample.png"),
        folder.path().join("sample.png"),
    )
    .unwrap();
    let mut build = cargo_wasm_oci();
    build.args(["wasm-oci", "build", "--locked", "--manifest-path"]).arg(example("image-filter"));
    build.arg("--target-dir").arg(lasting("smoke-image-filter")).arg("--oci-layout-path");
    let _ = Run::of(build.arg(folder.path().join("image"))).success();

    let mut test = wasm_oci();
    test.args(["test", "oci:image", "--cases", "cases.toml"]);
    let run = Run::of(test.current_dir(folder.path()));
    assert_eq!(run.code, 7, "{run:?}");
    for told in [
        "the file `out.png` is not what was expected: ",
        "is the first that differs:",
        "the file `in.png` exists",
        "the file `none` is missing",
        "2 tests run: 1 passed, 1 failed",
    ] {
        assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
    }
    assert!(!folder.path().join("out.png").exists());
}

#[test]
fn a_program_that_serves_is_tested_by_requests() {
    let test = |cases: Option<&Path>| {
        let mut command = match cases {
            None => cargo_wasm_oci(),
            Some(_) => wasm_oci(),
        };
        let target = lasting("http");
        match cases {
            None => command
                .args(["wasm-oci", "test", "--locked", "--manifest-path"])
                .arg(example("http"))
                .arg("--target-dir")
                .arg(&target),
            Some(cases) => command
                .args([
                    "test",
                    &format!("oci:{}", target.join("wasm-oci/http").display()),
                    "--cases",
                ])
                .arg(cases),
        };
        Run::of(&mut command)
    };
    let run = test(None).success();
    assert!(run.stderr.contains("4 tests run: 4 passed"), "{}", run.stderr);

    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases.toml");
    fs::write(
        &cases,
        "[[smoke]]\nname = \"wrong\"\nhttp.answer = { status = 201, body = \"Hello!\" }\n",
    )
    .unwrap();
    let run = test(Some(&cases));
    assert_eq!(run.code, 7, "{run:?}");
    for told in ["FAIL [", "the status is 200, not 201", "-Hello!", "+Hello, world!"] {
        assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
    }
}

#[test]
fn a_test_that_can_not_be_run_does_not_pass() {
    let library = r#"(module (func (export "f")))"#;
    let run = Module::new(library, "[[smoke]]\nname = \"starts\"\n").test(&[]);
    assert_eq!(run.code, 7, "{run:?}");
    assert!(
        run.stderr.contains("ERROR [") && run.stderr.contains("`app.wasm` can't be run"),
        "{}",
        run.stderr
    );
    let run = Module::new(COPY, "[[smoke]]\nname = \"answers\"\nhttp = {}\n").test(&[]);
    assert_eq!(run.code, 7, "{run:?}");
    assert!(
        run.stderr.contains("ERROR [") && run.stderr.contains("doesn't answer HTTP"),
        "{}",
        run.stderr
    );
}

#[test]
fn some_of_the_tests_and_none() {
    let cases = "[[smoke]]\nname = \"first one\"\nexit-code = 1\n[[smoke]]\nname = \"second one\"\n\
                 [[smoke]]\nname = \"other\"\n";
    let module = Module::new(r#"(module (func (export "_start")))"#, cases);
    let run = module.test(&["second", "other"]).success();
    assert!(run.stderr.contains("2 tests run: 2 passed, 1 skipped"), "{}", run.stderr);
    let run = module.test(&["--fail-fast", "--test-threads", "1"]);
    assert!(run.stderr.contains("1 test run: 0 passed, 1 failed, 2 skipped"), "{}", run.stderr);
    let run = module.test(&["third"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("no smoke test matches `third`"), "{}", run.stderr);

    let folder = package("");
    let run = cargo(folder.path(), &["test", "--junit", "none.xml"]).success();
    let none = fs::read_to_string(folder.path().join("none.xml")).unwrap();
    assert_eq!(Report::deserialize_from_str(&none).unwrap().tests, 0);
    let told = "`app` has no smoke tests: write one";
    assert!(
        run.stderr.contains(told) && run.stderr.contains("[[package.metadata.wasm-oci.smoke]]"),
        "{run:?}"
    );
    // A slip is found before anything is built.
    let slip = package(&RIGHT.replace("stdout", "stdot"));
    let run = cargo(slip.path(), &["test"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("did you mean `stdout`?") && run.stderr.contains("`counts`"),
        "{run:?}"
    );
    assert!(!run.stderr.contains("Compiling"), "{}", run.stderr);
}

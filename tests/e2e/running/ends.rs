//! Input, output and exit codes of programs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use super::{end_of, guest, guests, module, run, run_of, signal, spawn};
use crate::harness::Run;

#[test]
fn exit_codes_are_a_native_programs() {
    for (code, expected) in
        [("0", 0), ("3", 3), ("125", 125), ("126", 126), ("255", 255), ("256", 0), ("259", 3)]
    {
        let ended = run(&[], &["exit", code]);
        assert_eq!((ended.code, ended.stderr.as_str()), (expected, ""), "{code}");
    }
    assert_eq!(run(&[], &["exit", "-1"]).code, 255);
    assert_eq!(run(&["--timeout", "60s"], &["exit", "200"]).code, 200);
}

#[test]
fn a_trap_prints_the_backtrace_with_names() {
    let trapped = run(&[], &["trap"]);
    assert_eq!(trapped.code, 134, "{trapped:?}");
    assert_eq!(trapped.stdout, "");
    let at =
        |name: &str| trapped.stderr.find(name).unwrap_or_else(|| panic!("no {name}: {trapped:?}"));
    assert!(at("inner_function") < at("outer_function"));
    assert!(trapped.stderr.contains("unreachable"), "{trapped:?}");
    assert!(trapped.stderr.contains("guests.wasm` was stopped"), "{trapped:?}");
    // Cold or warm, it says the same.
    let again = run(&["--no-cache"], &["trap"]);
    assert_eq!(again.stderr, trapped.stderr);
    assert!(!trapped.stderr.contains("RUST_BACKTRACE"), "{trapped:?}");
    for (program, words) in [
        ("panic", "as it was told to"),
        ("abort", "unreachable"),
        ("overflow", "call stack exhausted"),
    ] {
        let ended = run(&[], &[program]);
        assert_eq!(ended.code, 134, "{ended:?}");
        assert!(ended.stderr.contains(words), "{ended:?}");
    }
}

#[test]
fn a_trap_without_names_says_where_it_was() {
    let (_folder, path) = module(r#"(module (func unreachable) (func (export "_start") call 0))"#);
    let trapped = Run::of(&mut run_of(&path, &[], &[]));
    assert_eq!(trapped.code, 134);
    assert!(trapped.stderr.contains("0x"), "{trapped:?}");
}

#[test]
fn arguments_arrive_as_they_are() {
    let args = ["args", "", " ", "a b", "--dir", "-", "ünï", "'\"`$x\\", "new\nline", "\u{1f980}"];
    let ended = run(&[], &args).success();
    assert_eq!(ended.stdout, format!("{args:?}\n"));
}

#[test]
fn only_the_given_variables_are_there() {
    let seen = |options: &[&str]| {
        let ended =
            Run::of(guest(options, &["env"]).env("HIDDEN", "1").env("HERE", "=2= ü\n")).success();
        assert!(!ended.stdout.contains("PATH"), "{ended:?}");
        ended.stdout
    };
    assert_eq!(seen(&[]), "");
    assert_eq!(
        seen(&["--env", "A=1", "--env", "EMPTY=", "--env", "B=x=y z"]),
        "A=1\nEMPTY=\nB=x=y z\n"
    );
    assert_eq!(seen(&["--env", "HERE"]), "HERE==2= ü\n\n");
    // The last one counts.
    assert_eq!(seen(&["--env", "A=1", "--env", "A=2"]), "A=2\n");
    let unset = run(&["--env", "NOT_SET_HERE"], &["env"]);
    assert_eq!(unset.code, 2);
    assert!(unset.stderr.contains("NOT_SET_HERE"), "{unset:?}");
    let nameless = run(&["--env", "=1"], &["env"]);
    assert_eq!((nameless.code, nameless.stdout.as_str()), (2, ""), "{nameless:?}");
}

#[test]
fn nothing_of_the_host_is_visible() {
    let _checked = run(&[], &["nothing-visible"]).success();
    assert!(!std::path::Path::new("/tmp/made-by-a-guest").exists());
}

#[test]
fn standard_input_from_a_pipe_a_file_and_nowhere() {
    assert_eq!(Run::with_stdin(&mut guest(&[], &["echo"]), "text\n").success().stdout, "text\n");
    let long = "0123456789\n".repeat(100_000);
    for options in [&[][..], &["--timeout", "100s"]] {
        assert_eq!(Run::with_stdin(&mut guest(options, &["echo"]), &long).success().stdout, long);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    fs::write(&file, &long).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(
        Run::with_stdin(&mut guest(&["--stdin", path], &["echo"]), "no").success().stdout,
        long
    );
    assert_eq!(run(&["--stdin", path], &["first-line"]).success().stdout, "0123456789\n");
    assert_eq!(run(&["--stdin", "/dev/null"], &["echo"]).success().stdout, "");
    let missing = run(&["--stdin", "not/there"], &["echo"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("`not/there`"), "{missing:?}");
    let output = guest(&[], &["echo"]).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert!(output.stdout == long.as_bytes());
}

#[test]
fn a_line_is_read_before_the_next_is_written() {
    let mut child = spawn(&mut guest(&[], &["first-line"]));
    child.stdin.as_mut().unwrap().write_all(b"first\n").unwrap();
    // The pipe stays open.
    let ended = end_of(child);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "first\n"));
}

#[test]
fn a_reader_that_goes_away_ends_a_program_as_it_ends_a_native_one() {
    let mut child = spawn(&mut guest(&[], &["lines", "100000000"]));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "line 0\n");
    let ended = end_of(child);
    // Rust's programs panic then, here as natively, and our own does not.
    assert_ne!(ended.code, 0);
    assert!(
        !ended.stderr.contains("src/main.rs:1") || ended.stderr.contains("guests"),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("core/src") && !ended.stderr.contains("app/src"), "{ended:?}");
    let closed = guest(&[], &["echo"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(closed.unwrap().success());
}

#[test]
fn large_outputs_arrive_whole() {
    let ended = run(&[], &["write", "30000000"]).success();
    assert_eq!((ended.stdout.len(), ended.stderr.as_str()), (30_000_000, "written\n"));
    let ended = run(&["--timeout", "100s"], &["lines", "200000"]).success();
    assert_eq!(ended.stdout.lines().count(), 200_000);
}

#[test]
fn signals_end_it_as_they_end_a_native_program() {
    for (program, name, code) in
        [("sleep", "INT", 130), ("sleep", "TERM", 143), ("loop", "TERM", 143), ("loop", "INT", 130)]
    {
        let args: &[&str] = if program == "sleep" { &["sleep", "60"] } else { &["loop"] };
        let mut child = spawn(&mut guest(&[], args));
        if program == "sleep" {
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 7]).unwrap();
        } else {
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        signal(&child, name);
        let ended = end_of(child);
        assert_eq!((ended.code, ended.stderr.as_str()), (code, ""), "{program}, {name}");
    }
}

/// As under `nohup tests/run &`: the tests that send signals pass, and what they start is no exception.
#[test]
fn signals_that_the_tests_ignore_end_what_they_start() {
    let mut tests = Command::new("env");
    tests.arg("--ignore-signal=HUP,INT,QUIT,TERM").arg(std::env::current_exe().unwrap());
    tests.args(["--exact", "running::ends::signals_end_it_as_they_end_a_native_program"]);
    let passed = Run::of(&mut tests).success();
    assert!(passed.stdout.contains("1 passed"), "{passed:?}");
}

#[test]
fn what_is_no_command_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    for (options, code) in [
        (&["--dir", "not/there"][..], 1),
        (&["--dir", "::/x"], 2),
        (&["--memory", "much"], 2),
        (&["--timeout", "soon"], 2),
        (&["--fuel", "-1"], 2),
    ] {
        let refused = run(options, &["exit", "0"]);
        assert_eq!((refused.code, refused.stdout.as_str()), (code, ""), "{refused:?}");
        assert!(refused.stderr.starts_with("error: "), "{refused:?}");
    }
    assert_eq!(run(&["--dir", &format!("{dir}::/x:ro")], &["exit", "0"]).code, 0);
    let file = run(&["--dir", &format!("{}::/x", guests().display())], &["exit", "0"]);
    assert_eq!(file.code, 1, "{file:?}");
    let folder =
        Run::of(Command::new(crate::harness::commands::program("wasm-oci")).args(["run", dir]));
    assert_ne!(folder.code, 0);
    assert!(
        folder.stderr.starts_with("error: ") && folder.stderr.lines().count() == 1,
        "{folder:?}"
    );
}

#[test]
fn what_could_not_be_started_did_not_trap() {
    // Too little address space is no fault of the program's.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -v 3000000; exec \"$@\"", "sh"]);
    limited
        .arg(crate::harness::commands::program("wasm-oci"))
        .args(["run", "--no-cache"])
        .arg(guests());
    let ended = Run::of(limited.args(["--", "exit", "0"]));
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains("ulimit -v"), "{ended:?}");
    // An entry point that wants arguments.
    let (_folder, path) = module(r#"(module (func (export "_start") (param i32)))"#);
    let ended = Run::of(&mut run_of(&path, &[], &[]));
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.starts_with("error: "), "{ended:?}");
}

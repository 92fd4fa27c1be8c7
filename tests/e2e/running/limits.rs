//! Each limit stops what runs into it, with a message and an exit code of its own.

use std::fs::{self, File};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::{end_of, guest, module, run, run_of, spawn};
use crate::harness::Run;

#[track_caller]
fn assert_stopped(ended: &Run, code: i32, words: &str) {
    assert_eq!(ended.code, code, "{ended:?}");
    let errors: Vec<&str> =
        ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(matches!(errors[..], [error] if error.contains(words)), "not {words:?}: {ended:?}");
    assert!(!ended.stderr.contains("hint:"), "{ended:?}");
}

#[test]
fn an_endless_loop_runs_until_its_time_or_its_fuel_is_up() {
    let start = Instant::now();
    assert_stopped(&run(&["--timeout", "300ms"], &["loop"]), 124, "it ran longer than 0.3 s");
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_stopped(
        &run(&["--fuel", "5000000"], &["loop"]),
        123,
        "it used up its 5000000 units of fuel",
    );
    // Whichever comes first.
    assert_stopped(&run(&["--fuel", "1000", "--timeout", "60s"], &["loop"]), 123, "1000 units");
    assert_stopped(
        &run(&["--fuel", "99999999999999", "--timeout", "200ms"], &["loop"]),
        124,
        "0.2 s",
    );
    let enough =
        run(&["--fuel", "99999999999999", "--timeout", "60s", "--memory", "1GiB"], &["exit", "5"]);
    assert_eq!((enough.code, enough.stderr.as_str()), (5, ""));
}

#[test]
fn a_loop_before_the_entry_point_is_stopped_too() {
    let wat = r#"(module (func $endless (loop (br 0))) (start $endless) (func (export "_start")))"#;
    let (_folder, path) = module(wat);
    assert_stopped(&Run::of(&mut run_of(&path, &["--timeout", "200ms"], &[])), 124, "0.2 s");
    assert_stopped(&Run::of(&mut run_of(&path, &["--fuel", "1000"], &[])), 123, "1000 units");
}

#[test]
fn time_that_is_spent_waiting_counts() {
    assert_stopped(
        &run(&["--timeout", "300ms"], &["sleep", "60"]),
        124,
        "it ran longer than 0.3 s",
    );
    // For something to read, from a pipe that stays open.
    let waiting = spawn(&mut guest(&["--timeout", "300ms"], &["echo"]));
    assert_stopped(&end_of(waiting), 124, "it ran longer than 0.3 s");
    let polling = spawn(&mut guest(&["--timeout", "100ms"], &["sleep", "60"]));
    assert_stopped(&end_of(polling), 124, "it ran longer than 0.1 s");
}

#[cfg(unix)]
#[test]
fn time_that_is_spent_waiting_for_a_pipe_of_the_users_counts() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let _made = Run::of(Command::new("mkfifo").arg(&pipe)).success();
    let options = ["--timeout", "300ms", "--stdin", pipe.to_str().unwrap()];
    let held = File::options().read(true).write(true).open(&pipe).unwrap();
    assert_stopped(
        &end_of(spawn(&mut guest(&options, &["echo"]))),
        124,
        "it ran longer than 0.3 s",
    );
    drop(held);
    // Without a timeout, what comes out of it is read as from a file.
    let child = spawn(&mut guest(&options[2..], &["echo"]));
    fs::write(&pipe, "text").unwrap();
    assert_eq!(end_of(child).success().stdout, "text");
}

#[test]
fn time_that_is_spent_waiting_for_a_reader_counts() {
    // Nobody reads the pipe, which is full after 64 KiB.
    let options = ["--timeout", "400ms"];
    assert_stopped(
        &end_of(spawn(&mut guest(&options, &["lines", "100000000"]))),
        124,
        "it ran longer",
    );
    assert_stopped(
        &end_of(spawn(&mut guest(&options, &["write", "10000000"]))),
        124,
        "it ran longer",
    );
}

#[test]
fn an_endless_allocation_is_stopped() {
    assert_stopped(
        &run(&["--memory", "32MiB"], &["allocate"]),
        120,
        "more than 33554432 bytes of memory",
    );
    // From the start, and by an instruction.
    let (_folder, path) = module(r#"(module (memory 100) (func (export "_start")))"#);
    assert_stopped(&Run::of(&mut run_of(&path, &["--memory", "1MiB"], &[])), 120, "1048576 bytes");
    assert_eq!(Run::of(&mut run_of(&path, &["--memory", "6400KiB"], &[])).code, 0);
    let grow = r#"(module (memory 1) (func (export "_start")
        (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable))))"#;
    // Beyond what it says of itself, it is only told that there is no more.
    let (_folder, path) = module(&grow.replace("(memory 1)", "(memory 1 10)"));
    assert_eq!(Run::of(&mut run_of(&path, &["--memory", "1MiB"], &[])).code, 0);
    let (_folder, path) = module(grow);
    assert_stopped(&Run::of(&mut run_of(&path, &["--memory", "1MiB"], &[])), 120, "1048576 bytes");
}

#[test]
fn shared_memory_is_no_way_around_the_limit() {
    let wat = r#"(module (memory (export "memory") 200 1000 shared) (func (export "_start")))"#;
    let (_folder, path) = module(wat);
    assert_ne!(Run::of(&mut run_of(&path, &["--memory", "1MiB"], &[])).code, 0);
}

#[test]
fn tables_have_a_limit() {
    let wat = r#"(module (table $t 10 funcref) (func (export "_start")
        (loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))))"#;
    let (_folder, path) = module(wat);
    let ended = Run::of(&mut run_of(&path, &["--max-table-elements", "5000"], &[]));
    assert_stopped(&ended, 121, "more than 5000 table elements");
    let large = module(r#"(module (table 100000 funcref) (func (export "_start")))"#);
    let ended = Run::of(&mut run_of(&large.1, &["--max-table-elements", "5000"], &[]));
    assert_stopped(&ended, 121, "more than 5000 table elements");
}

/// A component of so many instances.
fn instances(count: usize) -> String {
    let many = "(core instance (instantiate $m))".repeat(count - 1);
    format!(
        r#"(component
            (core module $m (memory 1) (func (export "run") (result i32) i32.const 0))
            (core instance $last (instantiate $m)) {many}
            (func $run (result (result)) (canon lift (core func $last "run")))
            (instance $exports (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    )
}

#[test]
fn a_fork_bomb_of_instances_is_stopped() {
    let (_folder, path) = module(&instances(60));
    assert_eq!(Run::of(&mut run_of(&path, &[], &[])).code, 0);
    assert_eq!(Run::of(&mut run_of(&path, &["--max-instances", "60"], &[])).code, 0);
    let ended = Run::of(&mut run_of(&path, &["--max-instances", "59"], &[]));
    assert_stopped(&ended, 122, "more than 59 instances");
}

#[test]
fn a_component_nested_in_components_is_stopped() {
    // Each level has ten of the one below: 10,000 in all.
    let mut wat = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=4 {
        let many = format!("(instance (instantiate $c{}))", level - 1).repeat(10);
        wat = format!("(component $c{level} {wat} {many})");
    }
    let outer = instances(1).replacen(
        "(component",
        &format!("(component {wat} (instance (instantiate $c4))"),
        1,
    );
    let (_folder, path) = module(&outer);
    assert_stopped(&Run::of(&mut run_of(&path, &[], &[])), 122, "more than 1000 instances");
}

#[test]
fn memory_is_counted_over_all_instances() {
    let (_folder, path) = module(&instances(60));
    assert_stopped(&Run::of(&mut run_of(&path, &["--memory", "3MiB"], &[])), 120, "3145728 bytes");
    assert_eq!(Run::of(&mut run_of(&path, &["--memory", "4MiB"], &[])).code, 0);
}

#[test]
fn a_program_that_fills_its_output_is_stopped() {
    let ended = run(&["--max-output", "10KiB"], &["lines", "100000000"]);
    assert_stopped(&ended, 125, "it wrote more than 10240 bytes");
    assert_eq!(ended.stdout.len(), 10_240);
    let ended = run(&["--max-output", "100KB"], &["write", "50000000"]);
    assert_stopped(&ended, 125, "it wrote more than 100000 bytes");
    assert_eq!(ended.stdout.len(), 100_000);
    let enough = run(&["--max-output", "10KiB"], &["write", "10000"]).success();
    assert_eq!(enough.stdout.len(), 10_000);
}

#[test]
fn a_limit_is_met_by_many_at_once() {
    let runs = (0..4).map(|_| thread::spawn(|| run(&["--timeout", "500ms"], &["loop"])));
    for ended in runs.collect::<Vec<_>>() {
        assert_stopped(&ended.join().unwrap(), 124, "0.5 s");
    }
}

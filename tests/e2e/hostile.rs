//! Modules that were made to do harm: they are refused, or taken, in bounded memory and time.

mod images;
mod registries;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::Run;
use crate::harness::commands::{program, wasm_oci_within};

/// Memory limit of a process: a fixed amount plus a multiple of the size of the module.
const MEMORY: u64 = 300 << 20;
const MEMORY_PER_BYTE: u64 = 20;
/// Far more than any of them takes, unless the time grows faster than the module does. Tests are not optimized.
const TIME: Duration = Duration::from_secs(60);

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Goes through all commands that read modules. Each must end by itself, and say the same.
#[track_caller]
fn assert_ends_with(code: i32, name: &str, module: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hostile.wasm"), module).unwrap();
    let memory = MEMORY + MEMORY_PER_BYTE * module.len() as u64;
    for arguments in ["validate", "inspect", "pack", "optimize -o out.wasm -O1"] {
        let mut command = wasm_oci_within(memory);
        command.args(arguments.split(' ')).arg("hostile.wasm").current_dir(folder.path());
        let start = Instant::now();
        let run = Run::of(&mut command);
        assert_eq!(run.code, code, "{name}: {arguments}: {}", run.stderr);
        assert!(start.elapsed() < TIME, "{name}: {arguments}: {:?}", start.elapsed());
        if code == 3 {
            assert_eq!(run.stdout, "", "{name}: {arguments}");
            let errors = run
                .stderr
                .lines()
                .filter(|line| line.starts_with("error: `hostile.wasm` "))
                .count();
            assert_eq!(errors, 1, "{name}: {arguments}: {}", run.stderr);
        }
    }
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, if code == 3 { 1 } else { 3 }, "{name}");
}

/// An unsigned number in LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// 2³² − 1, the largest number that a count or a size can be.
const LARGEST: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 0x0f];

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// A module with one function, of type `[] → []`.
fn with_function(body: &[u8]) -> Vec<u8> {
    let code = [&[1][..], &leb(body.len()), body].concat();
    [MODULE, &section(1, b"\x01\x60\0\0"), &section(3, b"\x01\0"), &section(10, &code)].concat()
}

#[test]
fn counts_and_sizes_that_are_not_there() {
    for id in 1..=13 {
        let counted = section(id, &[&LARGEST[..], &[0; 64]].concat());
        assert_ends_with(3, &format!("count of section {id}"), &[MODULE, &counted].concat());
        if id < 13 && ![1, 4, 9].contains(&id) {
            assert_ends_with(
                3,
                &format!("count of component section {id}"),
                &[COMPONENT, &counted].concat(),
            );
        }
    }
    for id in 0..=13 {
        let sized = [&[id][..], &LARGEST, &[0; 64]].concat();
        assert_ends_with(3, &format!("size of section {id}"), &[MODULE, &sized].concat());
        assert_ends_with(
            3,
            &format!("size of component section {id}"),
            &[COMPONENT, &sized].concat(),
        );
    }
}

#[test]
fn numbers_that_are_longer_than_they_need_to_be() {
    let types = |size: &[u8]| [MODULE, &[1], size, b"\x01\x60\0\0"].concat();
    // The standard allows as many bytes as the largest number needs, and no more.
    assert_ends_with(0, "five bytes", &types(b"\x84\x80\x80\x80\0"));
    assert_ends_with(3, "six bytes", &types(b"\x84\x80\x80\x80\x80\0"));
}

#[test]
fn functions_with_too_much() {
    let blocks =
        |count: usize| [&[0][..], &b"\x02\x40".repeat(count), &b"\x0b".repeat(count + 1)].concat();
    assert_ends_with(0, "a thousand blocks", &with_function(&blocks(1000)));
    assert_ends_with(3, "blocks without an end", &with_function(&b"\x02\x40".repeat(3_000_000)));
    let locals = |count: &[u8]| [&[1][..], count, b"\x7f\x0b"].concat();
    assert_ends_with(3, "4 billion locals", &with_function(&locals(&LARGEST)));
    assert_ends_with(3, "a million locals", &with_function(&locals(&leb(1_000_000))));
    let groups = [leb(1_000_000), b"\x01\x7f".repeat(1_000_000), vec![0x0b]].concat();
    assert_ends_with(3, "a million groups of locals", &with_function(&groups));
}

/// Modules that Binaryen would need far too much memory or time for stay unoptimized. Modules just below the limits are
/// optimized in bounded memory.
#[test]
fn what_is_too_much_to_optimize() {
    // Each function is exported and calls itself, so that nothing of it may be left out.
    let calls = |body: &[u8]| {
        let code = [&[1][..], &leb(body.len()), body].concat();
        let (types, export) =
            (section(1, b"\x01\x60\x01\x7f\x01\x7f"), section(7, b"\x01\x01f\0\0"));
        [MODULE, &types, &section(3, b"\x01\0"), &export, &section(10, &code)].concat()
    };
    // local.get 0, call 0
    let call = b"\x20\0\x10\0";
    let functions = |count: usize| {
        let code = [leb(count), b"\x02\0\x0b".repeat(count)].concat();
        let types = [leb(count), vec![0; count]].concat();
        [MODULE, &section(1, b"\x01\x60\0\0"), &section(3, &types), &section(10, &code)].concat()
    };
    let globals = |count: usize| {
        [MODULE, &section(6, &[leb(count), b"\x7f\0\x41\0\x0b".repeat(count)].concat())].concat()
    };
    let nops = |count: usize| calls(&[&[0][..], &b"\x01".repeat(count), b"\x20\0\x0b"].concat());
    // f(f(f(…)))
    let operands =
        |count: usize| calls(&[&b"\0\x20\0"[..], &b"\x10\0".repeat(count), b"\x0b"].concat());
    // A conditional jump out of each of many blocks in one another.
    let blocks = |count: usize| {
        let left = [&b"\x0b"[..], call, b"\x1a"].concat().repeat(count);
        calls(
            &[&[0][..], &b"\x02\x40".repeat(count), call, b"\x0d\0", &left, b"\x20\0\x0b"].concat(),
        )
    };
    let conditions = |count: usize| {
        let open = [call, &b"\x04\x40"[..]].concat().repeat(count);
        calls(&[&[0][..], &open, call, b"\x1a", &b"\x0b".repeat(count), b"\x20\0\x0b"].concat())
    };
    // Variables that live across branches.
    let alive = |variables: usize, branches: usize| {
        let each = |code: &dyn Fn(&[u8]) -> Vec<u8>| {
            (1..=variables).flat_map(|it| code(&leb(it))).collect::<Vec<u8>>()
        };
        let set = each(&|it| [call, &[0x21][..], it].concat());
        let used = each(&|it| [&[0x20][..], it, b"\x10\0\x1a"].concat());
        let jumps = [call, &b"\x0d\0"[..]].concat().repeat(branches);
        let locals = [&[1][..], &leb(variables), &[0x7f]].concat();
        calls(&[&locals[..], &set, b"\x02\x40", &jumps, b"\x0b", &used, b"\x20\0\x0b"].concat())
    };
    for (name, module) in [
        ("a million functions", functions(1_000_000)),
        ("a million globals", globals(1_000_000)),
        ("seven million instructions", nops(7_000_000)),
        ("a million operands", operands(1_000_000)),
        ("many blocks", blocks(500_000)),
        ("many conditions", conditions(500_000)),
        ("many variables", alive(40_000, 10)),
        ("many branches", alive(1_000, 500_000)),
    ] {
        assert_ends_with(0, name, &module);
        assert_eq!(optimized(name, &module), None, "{name}");
    }
    for (name, module) in [
        ("200,000 functions", functions(200_000)),
        ("a million instructions", nops(999_000)),
        ("3,000 operands", operands(2_900)),
        ("3,000 blocks", blocks(2_900)),
        ("3,000 conditions", conditions(2_900)),
        ("8,000 variables", alive(7_900, 1_200)),
        ("9,000 branches", alive(1_000, 9_000)),
    ] {
        assert_ends_with(0, name, &module);
        assert!(optimized(name, &module).is_some(), "{name}");
    }
}

/// Returns the optimized module, or `None` if a warning says that it is too complex for Binaryen.
#[track_caller]
fn optimized(name: &str, module: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("in.wasm"), module).unwrap();
    let mut command = Command::new(program("wasm-oci"));
    let arguments = ["optimize", "in.wasm", "-O1", "-o", "out.wasm"];
    let run = Run::of(command.args(arguments).current_dir(folder.path())).success();
    let made = fs::read(file("out.wasm")).unwrap();
    let skipped = run.stderr.contains("too much for Binaryen: ");
    // Some of the modules export nothing, which is a warning of its own.
    let is_other = |line: &str| line.contains("can be started or called");
    let warned = run.stderr.lines().any(|line| line.starts_with("warning: ") && !is_other(line));
    assert_eq!(skipped, warned, "{name}: {}", run.stderr);
    if skipped {
        assert_eq!(made, module, "{name}");
    }
    (!skipped).then_some(made)
}

#[test]
fn names_that_are_none() {
    let named = |names: &[u8]| {
        [with_function(b"\0\x0b"), section(0, &[b"\x04name", names].concat())].concat()
    };
    // The content of a custom section can't make a module invalid.
    assert_ends_with(0, "a huge subsection", &named(&[b"\x01", &LARGEST[..], b"\0\0"].concat()));
    assert_ends_with(0, "a huge count", &named(&[b"\x01\x06", &LARGEST[..], b"\0"].concat()));
    assert_ends_with(0, "a huge name", &named(&[b"\x01\x07\x01\0", &LARGEST[..]].concat()));
    assert_ends_with(0, "no text", &named(b"\x01\x04\x01\0\x01\xff"));
    assert_ends_with(0, "empty names", &[MODULE, &section(0, b"\0").repeat(10_000)].concat());
    assert_ends_with(3, "no name", &[MODULE, &section(0, b"")].concat());
}

#[test]
fn names_that_a_terminal_would_obey() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"(module (import "env" "\1b[2J\0aerror: x" (func)) (func (export "\1b]0;x\07")) (@custom "\1b[1m" "x"))"#;
    fs::write(folder.path().join("hostile.wasm"), wat::parse_str(text).unwrap()).unwrap();
    let run = |command: &str| {
        Run::of(
            Command::new(program("wasm-oci"))
                .args([command, "hostile.wasm"])
                .current_dir(folder.path()),
        )
    };
    let inspect = run("inspect").success().stdout;
    for shown in
        [r"env.\u{1b}[2J\nerror: x (function)", r"\u{1b}]0;x\u{7} (function)", r"\u{1b}[1m  "]
    {
        assert!(inspect.contains(shown), "no {shown} in {inspect}");
    }
    assert!(!inspect.contains('\x1b'), "{inspect:?}");
    let refused = run("validate");
    assert_eq!(
        (refused.code, refused.stderr.lines().filter(|line| line.starts_with("error: ")).count()),
        (3, 1)
    );
}

/// Components in components, so many deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut size = COMPONENT.len();
    let mut heads = Vec::new();
    for _ in 0..depth {
        let head = [&[4][..], &leb(size)].concat();
        size += head.len() + COMPONENT.len();
        heads.push(head);
    }
    let outer: Vec<u8> = heads.iter().rev().flat_map(|head| [COMPONENT, head].concat()).collect();
    [&outer, COMPONENT].concat()
}

#[test]
fn components_in_components() {
    assert_ends_with(0, "ten deep", &nested(10));
    assert_ends_with(3, "5,000 deep", &nested(5_000));
    assert_ends_with(3, "500,000 deep", &nested(500_000));
}

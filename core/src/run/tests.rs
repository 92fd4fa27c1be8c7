use std::time::Duration;

use super::*;
use crate::module::{BuiltModule, ValidateOptions};

fn run(engine: &Engine, program: &Program, options: &RunOptions) -> Result<Outcome, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(super::run(engine, program, options))
}

/// Compiles and runs `wat`, with what it writes captured.
fn outcome(wat: &str, options: RunOptions) -> Result<Outcome, Error> {
    let module = BuiltModule::new("test.wasm", wat::parse_str(wat).unwrap()).unwrap();
    let engine = Engine::new(&options.limits).unwrap();
    let program = engine.program(module, &ValidateOptions::default())?;
    run(&engine, &program, &RunOptions { streams: Streams::Capture, ..options })
}

fn exit_reason(wat: &str, limits: Limits) -> ExitReason {
    outcome(wat, RunOptions { limits, ..RunOptions::default() }).unwrap().exit_reason
}

const ENDLESS: &str =
    r#"(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))"#;

const GREEDY: &str = r#"(module (memory (export "memory") 1)
    (func (export "_start") (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))))"#;

/// Writes a text of five bytes until it is stopped.
const TALKATIVE: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\05\00\00\00") (data (i32.const 16) "text\n")
    (func (export "_start") (loop (br_if 0 (i32.eqz
        (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))))"#;

/// Waits for ten seconds in the host.
const ASLEEP: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 10000000000))
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#;

#[test]
fn a_component_for_another_host_is_named() {
    let error = |wat: &str| outcome(wat, RunOptions::default()).unwrap_err().to_string();
    let wasi = error(
        r#"(component (import "wasi:cli/stdout@0.3.0" (instance $i)) (export "wasi:cli/run@0.3.0" (instance $i)))"#,
    );
    assert!(wasi.contains("for WASI 0.3") && wasi.contains("wasmtime 46"), "{wasi}");
    let spin = error(r#"(component (import "fermyon:spin/key-value@2.0.0" (instance)))"#);
    assert!(spin.contains("Spin application") && spin.contains("`spin up`"), "{spin}");
}

#[test]
fn tables_of_host_references_need_no_garbage_collection() {
    let table = r#"(module (table $t 1 externref) (memory (export "memory") 1) (func (export "_start")
        (table.set $t (i32.const 0) (ref.null extern)) (drop (table.get $t (i32.const 0)))))"#;
    assert_eq!(exit_reason(table, Limits::default()), ExitReason::Exit(0));
    // Garbage collection itself stays off.
    let gc = "(module (type $t (struct)) (func (export \"_start\") (drop (struct.new $t))))";
    assert!(matches!(outcome(gc, RunOptions::default()), Err(Error::Module { .. })));
}

#[test]
fn the_exit_code_is_the_programs() {
    let exit = |code: i32| {
        let wat = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
                (memory (export "memory") 1) (func (export "_start") i32.const {code} call 0))"#
        );
        exit_reason(&wat, Limits::default())
    };
    assert_eq!(exit(3), ExitReason::Exit(3));
    assert_eq!(exit(0), ExitReason::Exit(0));
    let silent = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    assert_eq!(exit_reason(silent, Limits::default()), ExitReason::Exit(0));
}

#[test]
fn a_trap_says_where() {
    let wat = r#"(module (func $deep unreachable) (func $start (export "_start") call $deep))"#;
    let ExitReason::Trap(trap) = exit_reason(wat, Limits::default()) else { panic!("no trap") };
    let names: Vec<_> = trap.frames.iter().map(|frame| frame.name.as_deref()).collect();
    assert_eq!(names, [Some("deep"), Some("start")]);
    assert_eq!(trap.reason, "wasm `unreachable` instruction executed");
    let shown = trap.to_string();
    assert!(
        shown.starts_with("wasm `unreachable` instruction executed\n   0: deep (0x"),
        "{shown}"
    );
}

#[test]
fn only_commands_run() {
    let entry = |wat| match outcome(wat, RunOptions::default()) {
        Err(Error::NotACommand { entry, .. }) => entry,
        other => panic!("{other:?}"),
    };
    assert_eq!(entry(r#"(module (func (export "f")))"#), EntryKind::Library);
    assert_eq!(entry("(component)"), EntryKind::Library);
}

#[test]
fn a_missing_folder_is_an_error() {
    let dirs = vec!["does/not/exist::/data".parse().unwrap()];
    let wat = r#"(module (func (export "_start")))"#;
    let error = outcome(wat, RunOptions { dirs, ..RunOptions::default() }).unwrap_err();
    assert!(error.to_string().contains("does/not/exist"), "{error}");
}

#[test]
fn each_limit_stops_what_runs_into_it() {
    let timeout = Duration::from_millis(30);
    let limits = Limits { timeout: Some(timeout), ..Limits::default() };
    assert_eq!(exit_reason(ENDLESS, limits), ExitReason::Limit(Limit::Timeout(timeout)));
    assert_eq!(exit_reason(ASLEEP, limits), ExitReason::Limit(Limit::Timeout(timeout)));
    let limits = Limits { fuel: Some(10_000), ..Limits::default() };
    assert_eq!(exit_reason(ENDLESS, limits), ExitReason::Limit(Limit::Fuel(10_000)));
    let limits = Limits { memory: Some(10 << 20), ..Limits::default() };
    assert_eq!(exit_reason(GREEDY, limits), ExitReason::Limit(Limit::Memory(10 << 20)));
    let wat = r#"(module (table 100 funcref) (func (export "_start")))"#;
    let limits = Limits { table_elements: Some(99), ..Limits::default() };
    assert_eq!(exit_reason(wat, limits), ExitReason::Limit(Limit::TableElements(99)));
    let limits = Limits { instances: Some(0), ..Limits::default() };
    assert_eq!(exit_reason(wat, limits), ExitReason::Limit(Limit::Instances(0)));
    assert_eq!(exit_reason(wat, Limits::default()), ExitReason::Exit(0));
}

#[test]
fn what_is_written_is_captured_up_to_the_limit() {
    let limits = Limits { output: Some(12), ..Limits::default() };
    let outcome = outcome(TALKATIVE, RunOptions { limits, ..RunOptions::default() }).unwrap();
    assert_eq!(outcome.exit_reason, ExitReason::Limit(Limit::Output(12)));
    assert_eq!(outcome.stdout, b"text\ntext\nte");
}

#[test]
fn folders_as_users_write_them() {
    let dir = |text: &str| text.parse::<Dir>().unwrap();
    assert_eq!(dir("a"), Dir { host: "a".into(), guest: "a".into(), read_only: false });
    assert_eq!(dir("a::/b:ro"), Dir { host: "a".into(), guest: "/b".into(), read_only: true });
    assert!("::/b".parse::<Dir>().is_err());
}

mod caching {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    const WAT: &str = r#"(module (func (export "_start")))"#;

    fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
        let folders = fs::read_dir(dir.join("code")).unwrap().map(|folder| folder.unwrap().path());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
        let files = files.map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|it| it == extension)).collect()
    }

    fn engine(dir: &Path) -> Engine {
        Engine::new(&Limits::default()).unwrap().cached(Some(Cache::open(dir, None).unwrap()))
    }

    /// Compiles the program into the cache, and gives what it is remembered by.
    fn filled(dir: &Path, file: &Path) -> Identity {
        fs::write(file, wat::parse_str(WAT).unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let identity = Identity::of_file(file).unwrap();
        let engine = engine(dir);
        assert!(engine.recall(&identity, "a").is_none());
        let program =
            engine.program(BuiltModule::read(file).unwrap(), &ValidateOptions::default()).unwrap();
        engine.remember(&identity, &program);
        identity
    }

    #[test]
    fn a_program_is_compiled_once() {
        let temporary = tempfile::tempdir().unwrap();
        let (dir, file) = (temporary.path().join("cache"), temporary.path().join("a.wasm"));
        let identity = filled(&dir, &file);
        let engine = engine(&dir);
        let program = engine.recall(&identity, "b").unwrap();
        assert_eq!((program.name(), program.entry_kind()), ("b", EntryKind::Module));
        assert_eq!(
            run(&engine, &program, &RunOptions::default()).unwrap().exit_reason,
            ExitReason::Exit(0)
        );
        fs::write(&file, wat::parse_str("(module)").unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert!(engine.recall(&Identity::of_file(&file).unwrap(), "a").is_none());
    }

    #[test]
    fn what_was_just_changed_has_no_identity_yet() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("a.wasm");
        fs::write(&file, "").unwrap();
        assert_eq!(Identity::of_file(&file), None);
    }

    #[test]
    fn a_damaged_entry_is_ignored_and_a_touched_one_is_not() {
        let temporary = tempfile::tempdir().unwrap();
        let (dir, file) = (temporary.path().join("cache"), temporary.path().join("a.wasm"));
        let identity = filled(&dir, &file);
        let [code] = files(&dir, "code").try_into().unwrap();
        let bytes = fs::read(&code).unwrap();
        fs::write(&code, &bytes).unwrap();
        assert!(engine(&dir).recall(&identity, "a").is_some());
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 1;
        for damaged in [&damaged, &bytes[..bytes.len() / 2], &[]] {
            fs::write(&code, damaged).unwrap();
            assert!(engine(&dir).recall(&identity, "a").is_none());
        }
        filled(&temporary.path().join("cache"), &file);
    }

    #[test]
    fn code_without_a_record_does_not_count() {
        let temporary = tempfile::tempdir().unwrap();
        let (dir, file) = (temporary.path().join("cache"), temporary.path().join("a.wasm"));
        let identity = filled(&dir, &file);
        for record in files(&dir, "json") {
            if files(&dir, "code")[0].file_stem() == record.file_stem() {
                fs::remove_file(record).unwrap();
            }
        }
        assert!(engine(&dir).recall(&identity, "a").is_none());
    }

    #[test]
    fn the_oldest_go_when_it_gets_too_large() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("cache");
        let engine = Engine::new(&Limits::default())
            .unwrap()
            .cached(Some(Cache::open(&dir, Some(1)).unwrap()));
        let module = BuiltModule::new("a", wat::parse_str(WAT).unwrap()).unwrap();
        engine.program(module, &ValidateOptions::default()).unwrap();
        assert_eq!(files(&dir, "code"), Vec::<PathBuf>::new());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("cache");
        Cache::open(&dir, None).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        let error = Cache::open(&dir, None).unwrap_err().to_string();
        assert!(error.contains("other users can write"), "{error}");
        let link = temporary.path().join("link");
        std::os::unix::fs::symlink(temporary.path(), &link).unwrap();
        assert!(Cache::open(&link, None).is_err());
    }
}

#[test]
fn a_function_of_a_library_is_called_by_its_name() {
    // It ends with what `_initialize` has put there.
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (global $code (mut i32) (i32.const 1))
        (func (export "_initialize") (global.set $code (i32.const 7)))
        (func (export "run") (call $exit (global.get $code)))
        (func (export "add") (param i32 i32) (result i32) local.get 0))"#;
    let call = |export: &str| {
        let options = RunOptions { export: Some(export.to_owned()), ..RunOptions::default() };
        outcome(wat, options)
    };
    assert_eq!(call("run").unwrap().exit_reason, ExitReason::Exit(7));
    for export in ["none", "add"] {
        let error = call(export).unwrap_err().to_string();
        assert!(error.contains(export), "{error}");
    }
    let command = r#"(module (func (export "_start") unreachable) (func (export "f")))"#;
    let options = RunOptions { export: Some("f".to_owned()), ..RunOptions::default() };
    assert_eq!(outcome(command, options).unwrap().exit_reason, ExitReason::Exit(0));
}

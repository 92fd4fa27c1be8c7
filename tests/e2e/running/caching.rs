//! The cache of compiled code: many processes, killed ones, damaged entries, folders that are not ours, its size.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{end_of, guests, run_of, spawn};
use crate::harness::{Run, tools};

/// A cache, and a program beside it.
struct Cached(TempDir);

impl Cached {
    fn new() -> Cached {
        let cached = Cached(tempfile::tempdir().unwrap());
        fs::copy(guests(), cached.module()).unwrap();
        // Until then it has no identity.
        thread::sleep(Duration::from_millis(100));
        cached
    }

    fn module(&self) -> PathBuf {
        self.0.path().join("program.wasm")
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = run_of(&self.module(), options, &["exit", "7"]);
        command.env("WASM_OCI_CACHE_DIR", self.dir());
        command
    }

    /// The program runs as it should, and nothing else is said.
    #[track_caller]
    fn runs(&self) {
        let ended = Run::of(&mut self.command(&[]));
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (7, "", ""));
    }

    /// The program runs, and there is a warning with these words.
    #[track_caller]
    fn warns(&self, words: &str) {
        let ended = Run::of(&mut self.command(&[]));
        assert_eq!(ended.code, 7, "{ended:?}");
        assert!(ended.stderr.starts_with("warning: ") && ended.stderr.contains(words), "{ended:?}");
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files(&self.dir())
    }

    /// The only code in it.
    #[track_caller]
    fn code(&self) -> (PathBuf, Vec<u8>) {
        let code = self
            .files()
            .into_iter()
            .filter(|(path, _)| path.extension().is_some_and(|it| it == "code"));
        let [code] = code.collect::<Vec<_>>().try_into().unwrap();
        code
    }
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => drop(files.insert(path.clone(), fs::read(&path).unwrap_or_default())),
        }
    }
    files
}

#[test]
fn code_is_compiled_once_and_only_the_user_sees_it() {
    let cached = Cached::new();
    cached.runs();
    let before = cached.files();
    assert_eq!(before.len(), 3, "{:?}", before.keys());
    cached.runs();
    assert!(cached.files() == before);
    assert_eq!(fs::metadata(cached.dir()).unwrap().permissions().mode() & 0o777, 0o700);
    for file in before.keys() {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Other options are other code; another file with the same content is the same.
    let _timed = Run::of(&mut cached.command(&["--timeout", "60s"]));
    let code = |files: &BTreeMap<PathBuf, Vec<u8>>| {
        files.keys().filter(|file| file.extension().is_some_and(|it| it == "code")).count()
    };
    assert_eq!(code(&cached.files()), 2);
    fs::copy(guests(), cached.0.path().join("other.wasm")).unwrap();
    let other = cached.0.path().join("other.wasm");
    let ended =
        Run::of(run_of(&other, &[], &["exit", "7"]).env("WASM_OCI_CACHE_DIR", cached.dir()));
    assert_eq!(ended.code, 7);
    assert_eq!(code(&cached.files()), 2);
}

#[test]
fn what_the_file_says_now_is_what_runs() {
    let cached = Cached::new();
    cached.runs();
    let exit = |code: i32| {
        let wat = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {code}))))"#
        );
        fs::write(cached.module(), wat::parse_str(wat).unwrap()).unwrap();
        Run::of(&mut cached.command(&[])).code
    };
    // The same size each time, and at once.
    for code in [10, 11, 12, 10, 13, 11] {
        assert_eq!(exit(code), code);
    }
}

#[test]
fn without_a_cache_nothing_is_written() {
    let cached = Cached::new();
    assert_eq!(Run::of(&mut cached.command(&["--no-cache"])).code, 7);
    assert!(!cached.dir().exists());
}

#[test]
fn many_processes_share_it_from_the_start() {
    let cached = Cached::new();
    let children: Vec<Child> = (0..20).map(|_| spawn(&mut cached.command(&[]))).collect();
    for child in children {
        let ended = Run::from(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.stderr.as_str()), (7, ""));
    }
    assert_eq!(cached.files().len(), 3, "{:?}", cached.files().keys());
    let (_, code) = cached.code();
    // The last record may be of another process's file than the last code: the first to read it puts that right.
    cached.runs();
    let before = cached.files();
    cached.runs();
    assert!(cached.files() == before && cached.code().1 == code);
}

#[test]
fn a_process_that_is_killed_leaves_one_that_works() {
    let cached = Cached::new();
    for milliseconds in [5, 20, 40, 80, 120, 200, 300, 400] {
        let mut child = spawn(&mut cached.command(&[]));
        thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        let _killed = child.wait().unwrap();
        // Whatever has a record is whole.
        cached.runs();
        fs::remove_dir_all(cached.dir()).unwrap();
    }
    let mut child = spawn(&mut cached.command(&[]));
    thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    let _killed = child.wait().unwrap();
    cached.runs();
    cached.runs();
}

#[test]
fn a_damaged_entry_is_compiled_again() {
    let cached = Cached::new();
    cached.runs();
    let (path, good) = cached.code();
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 0xff;
        bytes
    };
    let zeros = vec![0; good.len()];
    let mut damaged: Vec<Vec<u8>> = (0..8).map(|part| flipped(part * good.len() / 8)).collect();
    damaged.extend([
        good[..good.len() / 2].to_vec(),
        Vec::new(),
        zeros,
        [&good[..], b"more"].concat(),
    ]);
    damaged.push(flipped(good.len() - 1));
    for bytes in damaged {
        // In place, so that it stays the same file.
        fs::write(&path, bytes).unwrap();
        cached.runs();
        assert!(cached.code().1 == good, "it was not repaired");
    }
    // Its record: not there, not JSON, of another entry.
    let record = path.with_extension("json");
    for text in ["", "{", "[]", "null", "{\"entry\":\"module\"}"] {
        fs::write(&record, text).unwrap();
        cached.runs();
    }
    fs::remove_file(&record).unwrap();
    cached.runs();
    for file in cached.files().into_keys() {
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
    }
    let ended = Run::of(&mut cached.command(&[]));
    assert_eq!((ended.code, ended.stderr.as_str()), (7, ""));
}

#[test]
fn an_entry_that_others_could_have_written_is_compiled_again() {
    let cached = Cached::new();
    cached.runs();
    let (path, good) = cached.code();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    cached.runs();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(cached.code().1 == good);
}

#[test]
fn a_folder_that_others_can_write_to_is_not_used() {
    let cached = Cached::new();
    cached.runs();
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap()
    };
    let before = cached.files();
    for open in [0o777, 0o720, 0o702, 0o1777] {
        mode(&cached.dir(), open);
        cached.warns("other users can write to it");
    }
    assert!(cached.files() == before);
    mode(&cached.dir(), 0o700);
    cached.runs();
    // The folder with the code, one below.
    let folder = cached.code().0.parent().unwrap().to_owned();
    mode(&folder, 0o777);
    fs::write(cached.code().0, "not code").unwrap();
    cached.runs();
}

#[test]
fn a_folder_of_another_user_is_not_used() {
    // Only the administrator can give folders away.
    if fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) != 0) {
        return;
    }
    const NOBODY: u32 = 65534;
    let cached = Cached::new();
    cached.runs();
    let before = cached.files();
    chown(cached.dir(), Some(NOBODY), None).unwrap();
    cached.warns("it belongs to another user");
    chown(cached.dir(), Some(0), None).unwrap();
    assert!(cached.files() == before);
    // A file of theirs in a folder of ours.
    let (code, good) = cached.code();
    chown(&code, Some(NOBODY), None).unwrap();
    cached.runs();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(&code).unwrap()), 0);
    assert!(cached.code().1 == good);
    // A folder of theirs in a folder of ours.
    let folder = code.parent().unwrap().to_owned();
    chown(&folder, Some(NOBODY), None).unwrap();
    cached.runs();
}

#[test]
fn a_link_in_place_of_the_folder_or_a_file_is_not_followed() {
    let cached = Cached::new();
    cached.runs();
    let elsewhere = cached.0.path().join("elsewhere");
    fs::rename(cached.dir(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, cached.dir()).unwrap();
    cached.warns("it is a symbolic link");
}

#[test]
fn a_folder_that_cannot_be_made_is_a_warning() {
    let cached = Cached::new();
    fs::write(cached.dir(), "a file").unwrap();
    cached.warns("cache");
    let ended = Run::of(cached.command(&[]).env("WASM_OCI_CACHE_DIR", "/proc/none/cache"));
    assert_eq!(ended.code, 7, "{ended:?}");
    assert!(
        ended.stderr.starts_with("warning: ") && ended.stderr.contains("/proc/none/cache"),
        "{ended:?}"
    );
}

#[test]
fn its_size_is_a_setting() {
    let cached = Cached::new();
    let with_size = |size: &str, options: &[&str]| {
        Run::of(cached.command(options).env("WASM_OCI_CACHE_SIZE", size))
    };
    for size in ["many", "-1", "1 potato"] {
        let refused = with_size(size, &[]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            refused.stderr.contains("WASM_OCI_CACHE_SIZE") && refused.stderr.contains(size),
            "{refused:?}"
        );
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    }
    let size = || cached.files().values().map(Vec::len).sum::<usize>();
    assert_eq!(with_size("1KiB", &[]).code, 7);
    assert!(size() <= 1024, "{}", size());
    // Room for one of them: the older one goes. What is not ours does not matter.
    fs::write(cached.dir().join("CACHEDIR.TAG"), "").unwrap();
    fs::create_dir_all(cached.dir().join("other/folder")).unwrap();
    let letter = cached.dir().join("other/letter.txt");
    fs::write(&letter, "dear").unwrap();
    assert_eq!(with_size("1GiB", &[]).code, 7);
    let limit = size() * 3 / 2;
    for options in
        [&["--timeout", "60s"][..], &["--fuel", "1000000000"], &["--timeout", "60s"], &[]]
    {
        assert_eq!(with_size(&limit.to_string(), options).code, 7);
        assert!(size() <= limit, "{} > {limit} after {options:?}", size());
        assert!(size() > limit / 3, "{options:?} is not there");
    }
    assert_eq!(fs::read_to_string(letter).unwrap(), "dear");
}

#[test]
fn without_a_home_it_just_compiles() {
    let cached = Cached::new();
    let mut command = cached.command(&[]);
    command.env_remove("WASM_OCI_CACHE_DIR").env("XDG_CACHE_HOME", cached.dir());
    assert_eq!(Run::of(&mut command).code, 7);
    assert_eq!(files(&cached.dir().join("wasm-oci/code")).len(), 3);
    command.env("XDG_CACHE_HOME", "relative/is/ignored").env("HOME", cached.0.path().join("home"));
    assert_eq!(Run::of(&mut command).code, 7);
    assert_eq!(files(&cached.0.path().join("home/.cache/wasm-oci/code")).len(), 3);
}

#[test]
fn another_user_can_run_the_same_module() {
    // With a home that they can't write to, as in many containers.
    if fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) != 0) {
        return;
    }
    let cached = Cached::new();
    fs::set_permissions(cached.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = cached.0.path().join("wasm-oci");
    fs::copy(crate::harness::commands::program("wasm-oci"), &program).unwrap();
    let mut command = Command::new(tools::program("setpriv"));
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(program)
        .arg("run");
    command
        .arg(cached.module())
        .args(["--", "exit", "7"])
        .env("HOME", "/nonexistent")
        .env_remove("XDG_CACHE_HOME");
    let ended = end_of(spawn(command.env_remove("WASM_OCI_CACHE_DIR").current_dir("/")));
    assert_eq!(ended.code, 7, "{ended:?}");
}

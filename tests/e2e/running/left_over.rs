//! Temporary files and processes after signals and kills, and caches that can't be used.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use super::{guests, spawn};
use crate::harness::{Registry, Run, cargo_wasm_oci, signal, wasm_oci};

/// A folder for temporary files, and an image with files, for which `run` needs one.
struct Machine(TempDir);

impl Machine {
    fn new() -> Machine {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        fs::write(folder.path().join("file"), "from the image").unwrap();
        let machine = Machine(folder);
        let mut pack = wasm_oci();
        pack.args(["pack", "--optimize", "0", "--include", "/data/file=file"]).arg(guests());
        pack.args(["--oci-layout-path", "image"]).current_dir(machine.0.path());
        let _packed = Run::of(&mut pack).success();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = wasm_oci();
        command.args(words).current_dir(self.0.path()).env("TMPDIR", self.path("tmp"));
        command
    }

    /// A program of the image that sleeps.
    fn sleep(&self) -> Command {
        self.command(&["run", "oci:image", "--", "sleep", "60"])
    }

    fn temporary(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("tmp")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// The program of [`Machine::sleep`], once it has begun to sleep.
#[track_caller]
fn asleep(command: &mut Command) -> Child {
    let mut child = spawn(command);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "asleep\n");
    child
}

fn end(child: Child) -> i32 {
    Run::from(child.wait_with_output().unwrap()).code
}

#[test]
fn a_signal_leaves_no_temporary_files() {
    let machine = Machine::new();
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let child = asleep(&mut machine.sleep());
        assert_eq!(machine.temporary().len(), 1);
        signal(&child, name);
        assert_eq!(end(child), code);
        assert!(machine.temporary().is_empty(), "after {name}: {:?}", machine.temporary());
    }
}

/// Whatever has this number and still runs. One that has ended may wait for a parent that looks at it.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// A supervisor sends its signal to the process that it has started, and a terminal to all of them.
#[test]
fn a_signal_to_us_ends_cargo_and_what_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let manifest = "[package]\nname = \"endless\"\nedition = \"2021\"\n[workspace]\n";
    write("Cargo.toml", manifest);
    fs::create_dir(folder.path().join("src")).unwrap();
    write("src/main.rs", "fn main() {}");
    write(
        "build.rs",
        r#"fn main() {
            let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
            let parent = std::os::unix::process::parent_id();
            let pids = format!("{parent} {} {}", std::process::id(), child.id());
            std::fs::write("pids.new", pids).unwrap();
            std::fs::rename("pids.new", "pids").unwrap();
            child.wait().unwrap();
        }"#,
    );
    for (name, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let mut command = cargo_wasm_oci();
        command.args(["wasm-oci", "build"]).current_dir(folder.path());
        let mut child = spawn(command.env("CARGO_TARGET_DIR", folder.path().join("target")));
        let pids = folder.path().join("pids");
        let start = Instant::now();
        while !pids.exists() && start.elapsed() < Duration::from_secs(120) {
            thread::sleep(Duration::from_millis(20));
        }
        let running = fs::read_to_string(&pids).unwrap();
        fs::remove_file(&pids).unwrap();
        assert!(running.split(' ').all(runs), "{running}");
        signal(&child, name);
        // Not until its output is closed: what goes on would hold that open.
        let status = child.wait().unwrap();
        assert_eq!(status.signal().map(|signal| 128 + signal), Some(code), "{status}");
        let start = Instant::now();
        while running.split(' ').any(runs) {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "after {name}, one of {running} runs"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let machine = Machine::new();
    let mut shell = Command::new("sh");
    // As `nohup` and background jobs of scripts.
    shell.args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\""]);
    let run = machine.sleep();
    shell.arg(run.get_program()).args(run.get_args()).current_dir(machine.0.path());
    shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = asleep(&mut shell);
    signal(&child, "HUP");
    signal(&child, "INT");
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "TERM");
    assert_eq!(end(child), 143);
    assert!(machine.temporary().is_empty());
}

#[test]
fn what_a_kill_left_is_swept_and_what_is_used_is_not() {
    let machine = Machine::new();
    let (mut killed, living) = (asleep(&mut machine.sleep()), asleep(&mut machine.sleep()));
    killed.kill().unwrap();
    let _code = end(killed);
    assert_eq!(machine.temporary().len(), 2);
    // Others may have just created theirs.
    let long_ago = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
    for folder in machine.temporary() {
        File::open(folder).unwrap().set_modified(long_ago).unwrap();
    }
    let run = machine.command(&["run", "oci:image", "--", "exit", "7"]).status().unwrap();
    assert_eq!(run.code(), Some(7));
    assert_eq!(machine.temporary().len(), 1);
    signal(&living, "TERM");
    end(living);
    assert!(machine.temporary().is_empty());
}

/// Files below a folder whose names begin with a dot, as those that are still being written.
fn hidden(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: PathBuf| match path.is_dir() {
        true => hidden(&path),
        false => vec![path],
    };
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes()[0] == b'.';
    entries.flat_map(|entry| below(entry.path())).filter(is_hidden).collect()
}

#[test]
fn signals_at_random_moments_leave_nothing() {
    let machine = Machine::new();
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    for number in 0..60 {
        let commands: [&[&str]; 3] = [
            &["copy", "oci:image", "oci:copied"],
            &["copy", "oci:image", "oci-archive:image.tar:1"],
            &["run", "oci:image", "--", "exit", "7"],
        ];
        let mut command = machine.command(commands[number % commands.len()]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(dice.u64(0..40_000)));
        signal(&child, if dice.bool() { "INT" } else { "TERM" });
        child.wait().unwrap();
        let left = [machine.temporary(), hidden(machine.0.path())].concat();
        assert!(left.is_empty(), "signal {number} of the seed {seed} left {left:?}");
    }
}

#[test]
fn an_image_runs_without_a_cache() {
    let (machine, registry) = (Machine::new(), Registry::start());
    let reference = format!("{}/app:1", registry.host());
    let _pushed = Run::of(&mut machine.command(&["push", "oci:image", &reference])).success();
    let other = machine.path("other");
    fs::create_dir(&other).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o777)).unwrap();
    for dir in [Path::new("/proc/none"), &other] {
        let mut run = machine.command(&["run", &reference, "--", "exit", "7"]);
        let run = Run::of(run.env("WASM_OCI_CACHE_DIR", dir));
        assert_eq!(run.code, 7, "{run:?}");
        assert_eq!(run.stderr.matches("warning: ").count(), 1, "{run:?}");
        assert!(run.stderr.contains(dir.to_str().unwrap()), "{run:?}");
    }
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
}

#[test]
fn a_module_that_is_written_again_at_once_is_not_the_old_one() {
    let machine = Machine::new();
    let start = Instant::now();
    let mut code = 0;
    while start.elapsed() < Duration::from_secs(2) {
        code = code % 100 + 1;
        let wat = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {}))))"#,
            code + 100
        );
        fs::write(machine.path("a.wasm"), wat::parse_str(wat).unwrap()).unwrap();
        // As a file system without fractions of seconds.
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options()
            .append(true)
            .open(machine.path("a.wasm"))
            .unwrap()
            .set_modified(whole)
            .unwrap();
        let run = machine.command(&["run", "a.wasm"]).status().unwrap();
        assert_eq!(run.code(), Some(code + 100));
    }
}

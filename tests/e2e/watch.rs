//! `cargo wasm-oci watch`: a change, and soon the program that follows from it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::commands::{lasting, root};
use crate::harness::{Run, cargo_wasm_oci};

/// Generous: it is waited for only where something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `watch` that runs, and what it and its program say.
struct Watch {
    folder: TempDir,
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    said: Vec<String>,
}

impl Watch {
    fn start(main: &str, args: &[&str]) -> Watch {
        let folder = tempfile::tempdir().unwrap();
        let manifest =
            "[package]\nname = \"app\"\nversion = \"1.2.3\"\nedition = \"2021\"\n[workspace]\n";
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/main.rs"), main).unwrap();
        Watch::start_in(folder, args)
    }

    fn start_in(folder: TempDir, args: &[&str]) -> Watch {
        let mut command = cargo_wasm_oci();
        command.args(["wasm-oci", "watch"]).args(args).current_dir(folder.path());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) =
            (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Watch { folder, child, stdout, stderr, said: Vec::new() }
    }

    fn write(&self, path: &str, content: &str) {
        fs::write(self.folder.path().join(path), content).unwrap();
    }

    /// Waits for a message with these words, and returns those that came before.
    #[track_caller]
    fn until(&mut self, words: &str) -> Vec<String> {
        let start = Instant::now();
        let mut before = Vec::new();
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            self.said.push(line.clone());
            if line.contains(words) {
                return before;
            }
            before.push(line);
        }
        panic!("no {words:?} after {PATIENCE:?}; there was:\n{}", self.said.join("\n"));
    }

    /// Waits for what the program writes next.
    #[track_caller]
    fn assert_output(&mut self, expected: &str) {
        let line = self.stdout.recv_timeout(PATIENCE).ok();
        let said: Vec<String> = self.stderr.try_iter().collect();
        assert_eq!(
            line.as_deref(),
            Some(expected),
            "{}\n{}",
            self.said.join("\n"),
            said.join("\n")
        );
        self.said.extend(said);
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits until nothing is left of it: of what it started, nothing writes to its pipes any more.
    #[track_caller]
    fn assert_ends(mut self) {
        for stream in [&self.stdout, &self.stderr] {
            let start = Instant::now();
            while stream.recv_timeout(PATIENCE).is_ok() {}
            assert!(start.elapsed() < PATIENCE, "something still runs");
        }
        assert_eq!(children_in(self.folder.path()), "");
        self.child.wait().unwrap();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The lines of a stream, until the last writer has ended.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        BufReader::new(stream)
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line).ok())
    });
    lines
}

/// The processes whose command line names the folder.
fn children_in(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap();
    let run = Run::of(Command::new("ps").args(["-eo", "args"]));
    run.stdout.lines().filter(|line| line.contains(folder.to_str().unwrap())).collect()
}

fn prints(text: &str) -> String {
    format!("fn main() {{ println!(\"{text}\") }}")
}

#[test]
fn a_change_is_seen_and_a_mistake_is_told() {
    let mut watch = Watch::start(&prints("first output"), &[]);
    let before = watch.until("Ended app with exit code 0").join("\n");
    watch.assert_output("first output");
    // Steps that only slow down a loop of edits.
    assert!(before.contains("Packed app") && !before.contains("Optimizing"), "{before}");

    watch.write("src/main.rs", &prints("second output"));
    watch.until("Changed src/main.rs");
    watch.until("Ended app");
    watch.assert_output("second output");

    watch.write("src/main.rs", "fn main() { nothing() }");
    watch.until("cannot find function `nothing`");
    watch.until("Waiting for a change");
    // A new file, without which the next one is a mistake as well.
    watch.write("src/part.rs", "pub const TEXT: &str = include_str!(\"../data.txt\");");
    watch.write("data.txt", "third output");
    watch.write("src/main.rs", "mod part; fn main() { println!(\"{}\", part::TEXT) }");
    watch.until("Ended app");
    watch.assert_output("third output");

    // A file that is in no folder of sources, but in the program.
    watch.write("data.txt", "fourth output");
    watch.until("Changed data.txt");
    watch.until("Ended app");
    watch.assert_output("fourth output");

    // Files outside the sources and temporary files of editors are not changes; a file that was only touched is still fresh.
    watch.write("output.txt", "");
    watch.write("src/.main.rs.swp", "");
    thread::sleep(Duration::from_millis(500));
    watch.write("src/part.rs", "pub const TEXT: &str = include_str!(\"../data.txt\");");
    let before = watch.until("Changed");
    assert!(before.is_empty(), "{before:?}");
    watch.until("Fresh app");
    watch.until("Ended app");
    watch.assert_output("fourth output");

    // A dependency that is not a member, by its manifest and then its source.
    fs::create_dir_all(watch.folder.path().join("dep/src")).unwrap();
    watch.write("dep/Cargo.toml", "[package]\nname = \"dep\"\nversion = \"0.1.0\"\n");
    watch.write("dep/src/lib.rs", "pub const TEXT: &str = \"fifth output\";");
    watch.write("src/main.rs", "fn main() { println!(\"{}\", dep::TEXT) }");
    watch.until("Waiting for a change");
    let manifest = "[package]\nname = \"app\"\nversion = \"1.2.3\"\nedition = \"2021\"\n[workspace]\n\
                    [dependencies]\ndep = { path = \"dep\" }\n";
    watch.write("Cargo.toml", manifest);
    watch.until("Ended app");
    watch.assert_output("fifth output");
    watch.write("dep/src/lib.rs", "pub const TEXT: &str = \"sixth output\";");
    watch.until("Ended app");
    watch.assert_output("sixth output");
    watch.signal("-TERM");
    watch.assert_ends();
}

const ENDLESS: &str = "fn main() {
    println!(\"started ARGS {:?}\", std::env::args().skip(1).collect::<Vec<_>>());
    loop { std::thread::sleep(std::time::Duration::from_secs(1)) }
}";

#[test]
fn a_program_that_runs_is_stopped_at_a_change_and_at_the_end() {
    for signal in ["-INT", "-KILL"] {
        let more = tempfile::tempdir().unwrap();
        let args = [
            "--watch",
            more.path().to_str().unwrap(),
            "--profile",
            "dev",
            "--timeout",
            "10m",
            "--",
            "--x",
        ];
        let mut watch = Watch::start(ENDLESS, &args);
        watch.assert_output("started ARGS [\"--x\"]");
        fs::write(more.path().join("input.txt"), "").unwrap();
        watch.until("Changed");
        watch.until("Fresh app");
        watch.assert_output("started ARGS [\"--x\"]");
        watch.write("src/main.rs", &ENDLESS.replace("ARGS", "AGAIN"));
        watch.assert_output("started AGAIN [\"--x\"]");
        assert_eq!(children_in(watch.folder.path()).matches("run-image").count(), 1);
        watch.signal(signal);
        watch.assert_ends();
    }
}

#[test]
fn a_server_is_started_again_at_a_change() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    let example = root().join("examples/http");
    for file in ["Cargo.toml", "Cargo.lock", "src/lib.rs"] {
        fs::copy(example.join(file), folder.path().join(file)).unwrap();
    }
    let target = lasting("watch-http").display().to_string();
    let mut watch = Watch::start_in(folder, &["--port", "0", "--target-dir", &target]);
    let answer = |watch: &Watch| {
        let url = watch.stdout.recv_timeout(PATIENCE).unwrap();
        Run::of(Command::new("curl").args(["--silent", "--show-error", &url])).success().stdout
    };
    assert_eq!(answer(&watch), "Hello, world!\n");
    let source = fs::read_to_string(example.join("src/lib.rs")).unwrap();
    watch.write("src/lib.rs", &source.replace("Hello, {}", "Good morning, {}"));
    watch.until("Changed src/lib.rs");
    assert_eq!(answer(&watch), "Good morning, world!\n");
}

#[test]
fn a_command_line_without_sense_ends_it() {
    let mut watch = Watch::start(&prints("x"), &["--bin", "nothing"]);
    watch.until("error: ");
    assert_eq!(watch.child.wait().unwrap().code(), Some(2));
}

//! `serve`, of both commands: asked by curl, with handlers that behave and handlers that don't.

mod clients;

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::commands::{cargo, example, lasting, root};
use crate::harness::{Run, Serving, cargo_wasm_oci, wasm_oci};

/// The component of a crate, built once.
fn component(built: &OnceLock<PathBuf>, name: &str, manifest: &Path) -> PathBuf {
    let build = || {
        let mut command = cargo();
        command.args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2"]);
        command.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(lasting(name));
        let _built = Run::of(&mut command).success();
        lasting(name).join(format!("wasm32-wasip2/release/{name}.wasm"))
    };
    built.get_or_init(build).clone()
}

pub(crate) fn http() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    component(&BUILT, "http", &example("http"))
}

fn handlers() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    component(&BUILT, "handlers", &root().join("tests/handlers/Cargo.toml"))
}

/// A server that ends with the test.
struct Served {
    serving: Serving,
    directory: TempDir,
}

impl Served {
    fn start(args: &[&str], source: &Path) -> Self {
        let mut command = wasm_oci();
        command.args(["serve", "--port", "0"]).args(args).arg(source);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let served = Self { serving: Serving::start(command.stderr(log)), directory };
        assert!(
            served.url().starts_with("http://127.0.0.1:"),
            "{}: {}",
            served.url(),
            served.log()
        );
        served
    }

    fn url(&self) -> &str {
        self.serving.address()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Waits for something to stand in the log: a request is reported when it is over, which may be after its answer.
    fn wait_for_log(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < Duration::from_secs(20), "no `{text}` in:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn curl(&self, path: &str, args: &[&str]) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60"]).args(args);
        curl.arg(format!("{}{path}", self.url()));
        curl
    }

    /// The body of an answer, and its status behind it.
    fn get(&self, path: &str) -> String {
        Run::of(&mut self.curl(path, &["--write-out", " %{http_code}"])).success().stdout
    }
}

#[test]
fn requests_are_answered_over_http_1_and_2() {
    let served = Served::start(&["--env", "NAME=Ferris"], &http());
    assert_eq!(served.get("/"), "Hello, Ferris!\n 200");
    assert_eq!(served.get("/?name=you"), "Hello, you!\n 200");
    assert_eq!(served.get("/else"), "There is nothing here.\n 404");
    let protocol = ["--write-out", "%{http_version}"];
    for (flag, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let run = Run::of(&mut served.curl("/", &[&[flag], &protocol[..]].concat())).success();
        assert_eq!(run.stdout, format!("Hello, Ferris!\n{version}"));
        let mut echo = served.curl("/echo", &[flag, "--data-binary", "@-"]);
        let text = "a line\n".repeat(100_000);
        assert!(Run::with_stdin(&mut echo, &text).success().stdout == text, "not what was sent");
        let head = Run::of(&mut served.curl("/", &[flag, "--head"])).success().stdout;
        assert!(head.contains("content-length: 15"), "{head}");
    }
    served.wait_for_log("HEAD / 200 0 ");
}

#[test]
fn every_request_has_an_instance_of_its_own() {
    let served = Served::start(&[], &handlers());
    for _ in 0..3 {
        assert_eq!(served.get("/calls"), "1 200");
    }
    let run = |_| {
        let mut curl = served.curl("/calls", &["--parallel", "--parallel-max", "20"]);
        curl.args(vec![format!("{}/calls", served.url()); 49]);
        thread::spawn(move || Run::of(&mut curl).success().stdout)
    };
    let runs: Vec<_> = (0..4).map(run).collect();
    for run in runs {
        assert_eq!(run.join().unwrap(), "1".repeat(50));
    }
}

#[test]
fn a_failure_is_the_requests_own() {
    let served = Served::start(&["--timeout", "500ms", "--memory", "64MiB"], &handlers());
    assert_eq!(served.get("/loop"), "the request took too long\n 504");
    assert_eq!(served.get("/memory"), "the request exceeded a limit\n 503");
    for path in ["/trap", "/nothing", "/error"] {
        assert_eq!(served.get(path), "the request could not be answered\n 500");
        assert_eq!(served.get("/"), "ok 200");
    }
    // More of them than there are threads: the others are served meanwhile.
    let loops: Vec<Child> = (0..8)
        .map(|_| {
            served.curl("/loop", &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    assert_eq!(served.get("/"), "ok 200");
    for mut child in loops {
        child.wait().unwrap();
    }
    for line in
        ["GET /loop 504", "GET /memory 503", "GET /trap 500", "GET /nothing 500", "GET /error 500"]
    {
        served.wait_for_log(line);
    }
    let log = served.log();
    for reason in ["it ran longer than 0.5 s", "memory", "unreachable", "it gave no answer"] {
        assert!(log.contains(reason), "no `{reason}` in:\n{log}");
    }
}

#[test]
fn every_limit_counts_for_each_request() {
    let served = Served::start(&["--fuel", "20000000", "--max-output", "1KiB"], &handlers());
    for _ in 0..3 {
        assert_eq!(served.get("/"), "ok 200");
        assert_eq!(served.get("/say"), "said 200");
        assert!(served.get("/loop").ends_with(" 503"));
        assert!(served.get("/flood").ends_with(" 503"));
    }
    served.wait_for_log("it wrote more than 1024 bytes");
    assert!(served.log().contains("units of fuel") && served.log().contains("said on stdout"));
}

#[test]
fn half_an_answer_does_not_look_like_a_whole_one() {
    let served = Served::start(&[], &handlers());
    for (flag, code) in [("--http1.1", 18), ("--http2-prior-knowledge", 92)] {
        let run = Run::of(&mut served.curl("/half", &[flag]));
        assert_eq!((run.code, run.stdout.as_str()), (code, "the first half"), "{}", run.stderr);
    }
    served.wait_for_log("GET /half 200 14");
}

#[test]
fn a_handler_sees_what_it_is_given_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "content").unwrap();
    let served = Served::start(&[], &handlers());
    assert!(served.get("/given").starts_with("||"));
    assert!(served.get("/send?127.0.0.1:1").contains("HttpRequestDenied"));
    served.wait_for_log("tried to send HTTP requests; grant it the network with --net");
    let dir = format!("{}::/data:ro", folder.path().display());
    let mut command = wasm_oci();
    command.args(["serve", "--port", "0", "--dir", &dir, "--env", "NAME=n"]).arg(handlers());
    let served = Served::of({
        command.args(["--", "one", "two"]);
        command
    });
    assert_eq!(served.get("/given"), "n|one two|content 200");
    assert_eq!(served.get("/write"), "false 200");
}

#[test]
fn with_the_network_programs_send_requests_themselves() {
    let other = Served::start(&[], &http());
    let authority = other.url().strip_prefix("http://").unwrap();
    let served = Served::start(&["--net"], &handlers());
    assert_eq!(served.get(&format!("/send?{authority}")), "Ok(\"Hello, handler!\\n\") 200");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(served.get(&format!("/send?{free}")).contains("ConnectionRefused"));

    let fetch = handlers().with_file_name("fetch.wasm");
    let run = |options: &[&str]| {
        let mut command = wasm_oci();
        command.arg("run").args(options).arg(&fetch).args(["--", authority, "/?name=fetch"]);
        Run::of(&mut command)
    };
    assert_eq!(run(&["--net"]).success().stdout, "Hello, fetch!\n");
    let refused = run(&[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.contains("HttpRequestDenied"), "{refused:?}");
    assert!(
        refused
            .stderr
            .ends_with("hint: the program has no access to the network; grant it with --net\n"),
        "{refused:?}"
    );
}

#[test]
fn a_signal_lets_requests_end_that_have_begun() {
    for signal in ["TERM", "INT"] {
        let mut served = Served::start(&[], &handlers());
        let mut curl = served.curl("/slow", &[]);
        let slow = thread::spawn(move || Run::of(&mut curl));
        thread::sleep(Duration::from_millis(500));
        // A connection that asks for nothing doesn't keep it.
        let idle = TcpStream::connect(served.url().strip_prefix("http://").unwrap()).unwrap();
        served.serving.signal(signal);
        served.wait_for_log("Stopping");
        let late = Run::of(&mut served.curl("/", &[]));
        assert_eq!(late.code, 7, "{late:?}");
        assert_eq!(slow.join().unwrap().success().stdout, "slow, but done");
        assert_eq!(served.serving.exit_code(), 0);
        drop(idle);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut served = Served::start(&[], &handlers());
    let mut curl = served.curl("/loop", &[]);
    let endless = thread::spawn(move || Run::of(&mut curl));
    thread::sleep(Duration::from_millis(500));
    served.serving.signal("TERM");
    served.wait_for_log("Stopping");
    let start = Instant::now();
    served.serving.signal("TERM");
    assert_eq!(served.serving.exit_code(), 0);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_ne!(endless.join().unwrap().code, 0);
}

#[test]
fn there_is_a_line_for_each_request_unless_it_is_to_be_quiet() {
    let served = Served::start(&[], &http());
    assert_eq!(served.get("/?name=secret"), "Hello, secret!\n 200");
    served.wait_for_log("GET / 200 15 ");
    assert!(!served.log().contains("secret"));
    let quiet = Served::start(&["--quiet"], &http());
    assert_eq!(quiet.get("/?name=you"), "Hello, you!\n 200");
    assert_eq!(quiet.log(), "");
}

#[test]
fn what_cannot_be_served_is_said() {
    let served = Served::start(&[], &http());
    let port = served.url().rsplit(':').next().unwrap();
    let taken = Run::of(wasm_oci().args(["serve", "--port", port]).arg(http()));
    assert_eq!(taken.code, 1);
    assert!(
        taken.stderr.contains(&format!("can't listen on 127.0.0.1:{port}")),
        "{}",
        taken.stderr
    );
    assert!(taken.stderr.contains("choose another port"), "{}", taken.stderr);
    let command = root().join("tests/e2e/golden/modules.in/small.wasm");
    let command = Run::of(wasm_oci().args(["serve", "--port", "0"]).arg(command));
    assert_eq!(command.code, 3, "{command:?}");
    assert!(command.stderr.contains("can't be run"), "{}", command.stderr);
    let dir = Run::of(wasm_oci().args(["serve", "--port", "0", "--dir", "not/there"]).arg(http()));
    assert_eq!(dir.code, 1);
    assert!(dir.stderr.contains("not/there"), "{}", dir.stderr);
}

#[test]
fn an_image_is_served_with_its_environment_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    fs::write(folder.path().join("file"), "from the image").unwrap();
    let mut pack = wasm_oci();
    pack.args([
        "pack",
        "--image-env",
        "NAME=image",
        "--arg",
        "first",
        "--include",
        "/data/file=file",
    ]);
    pack.arg("--oci-layout-path").arg(&layout).arg(handlers()).current_dir(folder.path());
    let location = Run::of(&mut pack).success().stdout;
    let served = Served::start(&[], Path::new(location.trim()));
    assert_eq!(served.get("/given"), "image|first|from the image 200");
    assert_eq!(served.get("/write"), "false 200");
}

#[test]
fn cargo_builds_a_crate_and_serves_it() {
    let mut command = cargo_wasm_oci();
    command
        .args(["wasm-oci", "serve", "--locked", "--port", "0", "--manifest-path"])
        .arg(example("http"));
    command.arg("--target-dir").arg(lasting("http-serve")).args(["--env", "NAME=cargo"]);
    let served = Served::of(command);
    assert_eq!(served.get("/"), "Hello, cargo!\n 200");
}

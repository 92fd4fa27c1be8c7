//! Runs the commands of a page in a shell, and says which of them failed.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use regex::Regex;

use super::crate_folder::CrateFolder;
use super::pages::Page;
use crate::harness::commands::{example, folder_with_runners, forget_this_test, lasting, root};
use crate::harness::{Registry, tools};

/// As long as a page may take.
const PATIENCE: &str = "600";

/// Ports that pages say, which may be taken on this machine.
const PORTS: [u16; 3] = [5000, 8000, 8080];

/// Commands that don't end on their own. The session starts each one, sends requests if it serves, and stops it; or stops it at
/// the end of the page if the page runs it in the background.
const SERVING: &[&str] = &[
    "(?:cargo )?wasm-oci (?:serve|watch|registry serve)",
    r"python3 -m http\.server",
    "npx workerd serve",
    "npx deno serve",
    r"node node\.mjs",
];

/// The crate in whose folder commands are run, and what is read for what they say.
pub(super) struct Session {
    crate_folder: CrateFolder,
    /// Free ones, for those of [`PORTS`].
    ports: Vec<u16>,
}

impl Session {
    pub(super) fn new() -> Session {
        let free = free_ports().take(PORTS.len()).collect();
        Session { crate_folder: CrateFolder::new(&lasting("book")), ports: free }
    }

    /// Runs all commands of a page, and returns what is to be said of those that failed.
    pub(super) fn run(&self, page: &Page) -> Vec<String> {
        let registry = Registry::start();
        self.crate_folder.restore(registry.host());
        for file in page.shown_files() {
            let name = file.rsplit('/').next().unwrap();
            let text = fs::read_to_string(root().join(&file)).unwrap();
            fs::write(self.crate_folder.path().join(name), self.other_ports(&text)).unwrap();
        }
        let work = tempfile::tempdir().unwrap();
        let script = page.script(|line| self.rewritten(line, registry.host()));
        assert!(script.starts_with('\n'), "{} begins with a command", page.path);
        let script = format!(". \"$WORK/session.sh\"{script}\nexit 0\n");
        fs::write(work.path().join("page.sh"), &script).unwrap();
        fs::write(work.path().join("session.sh"), include_str!("session.sh")).unwrap();

        let log = work.path().join("log");
        let output = File::create(&log).unwrap();
        let mut bash = Command::new("timeout");
        forget_this_test(&mut bash);
        bash.args([PATIENCE, "bash"]).arg(work.path().join("page.sh"));
        bash.current_dir(self.crate_folder.path()).envs(self.environment(registry.host()));
        bash.env("WORK", work.path()).env("DOCKER_CONFIG", work.path().join("docker"));
        bash.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let status = bash.status().unwrap();
        let log = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
        let mut failures = failures(page, &script, &log);
        if !status.success() {
            failures.push(format!(
                "{}: its commands as a script: {status}\n{}",
                page.path,
                end_of(&log)
            ));
        }
        failures
    }

    /// Environment of the commands: our programs, compilers, and packages without a network.
    fn environment(&self, host: &str) -> Vec<(&'static str, OsString)> {
        let folder = |program: PathBuf| program.parent().unwrap().to_owned();
        let more = [folder_with_runners(), tools::zig_directory(), folder(tools::go())];
        let path = env::join_paths(more.into_iter().chain(env::split_paths(&tools::search_path())))
            .unwrap();
        let http = folder(example("http"));
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let mut variables = vec![
            ("PATH", path),
            ("CRATE", self.crate_folder.path().into()),
            ("HTTP_CRATE", http.into()),
            ("PORTS", ports.join(" ").into()),
            ("CARGO_TARGET_DIR", self.crate_folder.target().into()),
            ("WASM_OCI_CACHE_DIR", lasting("cache").into()),
            ("WASM_OCI_REPOSITORY", format!("{host}/me/app").into()),
            ("TOKEN", "a token".into()),
            ("PYTHONUNBUFFERED", "1".into()),
            ("CARGO_TERM_COLOR", "never".into()),
            ("NO_COLOR", "1".into()),
            ("GOCACHE", lasting("go").into()),
            ("ZIG_GLOBAL_CACHE_DIR", lasting("zig").into()),
            ("ZIG_LOCAL_CACHE_DIR", lasting("zig").into()),
        ];
        variables.extend(tools::npm_settings());
        variables
    }

    /// A line as it is run.
    fn rewritten(&self, line: &str, host: &str) -> String {
        // The test's own registry.
        let line = Regex::new(r"\bghcr\.io\b").unwrap().replace_all(line, host).into_owned();
        // Ports that may be taken here, and those that commands take where none is said.
        let line = with_port(&line, r"wasm-oci registry serve \S+", PORTS[0]);
        let line = with_port(&line, r"wasm-oci serve", PORTS[2]);
        let line = self.other_ports(&line);
        // Commands that don't end on their own.
        let serving =
            Regex::new(&format!(r"^\s*((?:\w+=\S+ )*)((?:{})\b.*)$", SERVING.join("|"))).unwrap();
        let Some((_, [variables, command])) = serving.captures(&line).map(|found| found.extract())
        else {
            return line;
        };
        let in_background = Regex::new(r"^(.*?)\s*&\s*(#.*)?$")
            .unwrap()
            .captures(command)
            .map(|found| found[1].to_owned());
        match in_background {
            Some(command) => format!("{variables}background {command}"),
            None => format!("{variables}foreground {command}"),
        }
    }

    fn other_ports(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (port, free) in PORTS.iter().zip(&self.ports) {
            text = Regex::new(&format!(r"\b{port}\b"))
                .unwrap()
                .replace_all(&text, free.to_string())
                .into_owned();
        }
        text
    }
}

/// A command with the port that it takes by itself, if it says none.
fn with_port(line: &str, command: &str, port: u16) -> String {
    match ["--port", "--addr"].iter().any(|flag| line.contains(flag)) {
        true => line.to_owned(),
        false => {
            Regex::new(command).unwrap().replace(line, format!("$0 --port {port}")).into_owned()
        }
    }
}

/// Below those that the system gives to whoever asks for any.
fn free_ports() -> impl Iterator<Item = u16> {
    let mut random = fastrand::Rng::new();
    std::iter::repeat_with(move || random.u16(20_000..30_000))
        .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

/// Returns messages about failed commands. `session.sh` marks their output in the log.
fn failures(page: &Page, script: &str, log: &str) -> Vec<String> {
    let mut failures = Vec::new();
    let (mut number, mut said) = (0, String::new());
    for part in log.split('\u{1e}').skip(1) {
        let (mark, text) = part.split_once('\n').unwrap_or((part, ""));
        let of: usize = mark.parse().unwrap_or_default();
        if of != number {
            (number, said) = (of, String::new());
        }
        let (text, failed) =
            text.split_once('\u{1d}').map_or((text, None), |(text, code)| (text, Some(code)));
        said += text;
        let Some((_, code)) = failed.and_then(|text| text.lines().next()?.split_once(' ')) else {
            continue;
        };
        let (written, run) =
            (page.line(number), script.lines().nth(number - 1).unwrap_or_default().trim());
        let otherwise = if written == run { String::new() } else { format!("\n  run as: {run}") };
        let path = &page.path;
        failures.push(format!(
            "{path}:{number}: `{written}` ended with {code}:{otherwise}\n{}",
            end_of(&said)
        ));
    }
    failures
}

/// The last lines, with a margin.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let lines = &lines[lines.len().saturating_sub(20)..];
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

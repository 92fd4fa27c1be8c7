//! External programs, run with a time limit.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wait_timeout::ChildExt;
use wasm_oci_core::trace::OrTrace;

use crate::config::env_vars::{self, find_program};

pub const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Tool {
    pub path: PathBuf,
}

#[derive(Debug, Clone)]
pub struct CommandOutput {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Tool {
    /// Finds the program of this name on the `PATH`.
    pub fn find(name: &str) -> Option<Tool> {
        find_program(name, env_vars::search_path()).map(|path| Tool { path })
    }

    /// Runs the program. Returns `None` if it doesn't start, or doesn't end within [`LIMIT`].
    pub fn ask(&self, args: &[&str]) -> Option<CommandOutput> {
        let mut command = Command::new(&self.path);
        answer(command.args(args))
    }

    /// Returns the first line of standard output, or `None` if the program fails or prints nothing.
    pub fn line(&self, args: &[&str]) -> Option<String> {
        let output = self.ask(args).filter(|output| output.success)?;
        output
            .stdout
            .lines()
            .next()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
    }
}

/// Returns the line that a program on the `PATH` prints for `--version`.
pub fn version_of(name: &str) -> Option<String> {
    Tool::find(name)?.line(&["--version"])
}

/// Returns the first two numbers of a version, such as `v20.11.1` or `1.6.20~ds1`.
pub fn numbers(version: &str) -> Option<(u32, u32)> {
    let parts = version.trim_start_matches('v').split(['.', '~', '-', '+']);
    let mut numbers = parts.map_while(|number| number.parse().ok());
    numbers.next().zip(numbers.next())
}

impl CommandOutput {
    pub fn reason(&self) -> String {
        // Usage and warnings come first; the last line usually has the reason.
        let mut lines = self.stderr.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).unwrap_or("no error message").to_owned()
    }
}

/// Runs a command. Returns `None` if it doesn't start, or doesn't end within [`LIMIT`].
pub fn answer(command: &mut Command) -> Option<CommandOutput> {
    tracing::debug!(program = ?command.get_program(), "running");
    // Without standard input, a program that asks for a password fails at once instead of waiting.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().or_trace("start a tool")?;
    let deadline = Instant::now() + LIMIT;
    // Both pipes are read while the program runs: it would stop as soon as one of them is full.
    let (stdout, stderr) = (read(child.stdout.take()?), read(child.stderr.take()?));
    let Some(status) = child.wait_timeout(LIMIT).or_trace("wait for a tool")? else {
        child.kill().or_trace("stop a tool that takes too long");
        // Otherwise the process would remain as a zombie.
        child.wait().or_trace("wait for a tool that was stopped");
        return None;
    };
    // A process that it left behind may hold the pipes open.
    let rest = |text: mpsc::Receiver<String>| {
        text.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap_or_default()
    };
    Some(CommandOutput { success: status.success(), stdout: rest(stdout), stderr: rest(stderr) })
}

fn read(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // The part before an error is still worth showing.
        pipe.read_to_end(&mut bytes).or_trace("read the output of a tool");
        sender.send(String::from_utf8_lossy(&bytes).into_owned())
    });
    receiver
}

/// Returns the Wasm shims of containerd on the `PATH`: the runtime, such as `io.containerd.wasmtime.v1`, and the path.
pub fn shims() -> Vec<(String, PathBuf)> {
    let mut shims: Vec<(String, PathBuf)> = Vec::new();
    for folder in env_vars::search_path() {
        let files = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<_> = files.filter_map(|file| Some((runtime_of(&file)?, file))).collect();
        // A folder lists its files in any order.
        found.sort();
        for (runtime, file) in found {
            // The first folder on the PATH wins, as for any program.
            if !shims.iter().any(|(known, _)| *known == runtime) {
                shims.push((runtime, file));
            }
        }
    }
    shims
}

/// Names of WebAssembly runtimes in the file names of shims and in runtime types.
// Most are from runwasi and SpinKube; `slight`, `lunatic` and `wws` are older shims of Deis Labs.
const RUNTIMES: [&str; 9] =
    ["wasmtime", "wasmedge", "wasmer", "wamr", "wasm", "spin", "slight", "lunatic", "wws"];

/// Returns the runtime of a Wasm shim, from the name of its file.
fn runtime_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let (name, version) = name.strip_prefix("containerd-shim-")?.rsplit_once('-')?;
    is_wasm(name).then(|| format!("io.containerd.{name}.{version}"))
}

pub fn is_wasm(name: &str) -> bool {
    RUNTIMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_is_known_by_its_name() {
        let runtime = |name: &str| runtime_of(Path::new("/usr/bin").join(name).as_path());
        assert_eq!(
            runtime("containerd-shim-wasmtime-v1").as_deref(),
            Some("io.containerd.wasmtime.v1")
        );
        assert_eq!(runtime("containerd-shim-spin-v2").as_deref(), Some("io.containerd.spin.v2"));
        assert_eq!(runtime("containerd-shim-runc-v2"), None);
        assert_eq!(runtime("wasmtime"), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_doesnt_end_is_ended() {
        let start = Instant::now();
        assert!(answer(Command::new("sleep").arg("60")).is_none());
        assert!(start.elapsed() < LIMIT * 2);
        let output =
            answer(Command::new("sh").args(["-c", "echo out; echo why >&2; exit 3"])).unwrap();
        assert_eq!(
            (output.success, output.stdout.trim(), output.reason().as_str()),
            (false, "out", "why")
        );
    }
}

//! Programs that serve a test and end with it, whatever way it ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::signals;

/// Generous: it is waited for only where something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that runs until the value is dropped, and the temporary directory it works in.
pub(crate) struct Daemon {
    guard: Child,
    log_path: PathBuf,
    directory: PathBuf,
}

impl Daemon {
    /// Starts `command` under a guard that outlives us, see `guard.sh`: `shell` runs it, as the user that the command
    /// is to run as, and `stop` is what it does before it ends the command.
    pub(crate) fn start(
        directory: TempDir,
        mut shell: Command,
        stop: &str,
        command: &Command,
    ) -> Self {
        signals::reset_for_children();
        // The guard removes the directory, as what is in it may be another user's.
        let directory = directory.keep();
        let log_path = directory.join("log");
        let log = File::create(&log_path).expect("a temporary directory can be written");
        let guard = shell
            .args(["-c", include_str!("guard.sh"), "guard.sh"])
            .arg(&directory)
            .arg(stop)
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file can be opened twice"))
            .stderr(log.try_clone().expect("a file can be opened twice"))
            // A Ctrl-C is for us only, the guard then sees us end.
            .process_group(0)
            .spawn()
            .expect("a shell can be started");
        Self { guard, log_path, directory }
    }

    /// The directory that the program works in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the output of the program so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log_path).unwrap_or_default()).into_owned()
    }

    /// A test has failed, and the program may know why: the end of its log, in lines that fit.
    #[allow(clippy::print_stderr, reason = "the test runner shows it, below the panic")]
    fn show_log(&self) {
        let log = self.log();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        eprintln!("The end of {}:", self.log_path.display());
        for line in lines.iter().rev() {
            eprintln!("  {}", line.chars().take(300).collect::<String>());
        }
    }

    /// Asks again and again until there is an answer.
    #[track_caller]
    pub(crate) fn wait_for<T>(&self, what: &str, mut answer: impl FnMut(&Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = answer(self) {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            self.show_log();
        }
        // Closing standard input tells the program to end.
        drop(self.guard.stdin.take());
        self.guard.wait().ok();
    }
}

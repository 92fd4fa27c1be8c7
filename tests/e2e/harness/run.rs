//! The result of a process.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use super::signals;

/// The output and the exit code of a program that ended.
#[derive(Debug)]
#[must_use = "call `success` if you expect nothing else of it"]
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// 128 and the signal's number if a signal ended it, as in a shell.
    pub(crate) code: i32,
}

impl Run {
    /// Runs `command` to its end, with nothing to read.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::with_stdin(command, "")
    }

    /// Runs `command` to its end, with `stdin` to read.
    pub(crate) fn with_stdin(command: &mut Command, stdin: &str) -> Self {
        Self::with_bytes(command, stdin.as_bytes())
    }

    /// The same with bytes that may be no text.
    pub(crate) fn with_bytes(command: &mut Command, stdin: &[u8]) -> Self {
        signals::reset_for_children();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut pipe = child.stdin.take().expect("stdin is a pipe");
        let stdin = stdin.to_owned();
        // From a thread, as a program that writes before it reads would otherwise block us both. One that reads
        // nothing at all closes the pipe, which is no error.
        let writer = thread::spawn(move || pipe.write_all(&stdin).ok());
        let output = child.wait_with_output().expect("the program can be waited for");
        writer.join().expect("the writer does not panic");
        Self::from(output)
    }

    /// Itself, if the program exited with 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, 0, "the program failed:\n{}{}", self.stdout, self.stderr);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let signal = || 128 + output.status.signal().unwrap_or_default();
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or_else(signal),
        }
    }
}

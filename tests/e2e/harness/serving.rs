//! Our own commands that serve until they are told to end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::Run;

/// A command that prints where it listens, and ends with the test if not before.
pub(crate) struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    /// Starts it, and waits for the address. Where its standard error goes is up to `command`.
    pub(crate) fn start(command: &mut Command) -> Serving {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut address = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut address).expect("it can be read");
        Serving { child, address: address.trim_end().to_owned() }
    }

    /// Output so far.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends it a signal: `INT`, as Ctrl-C does, or `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until it has ended by itself.
    pub(crate) fn exit_code(&mut self) -> i32 {
        self.child.wait().expect("it can be waited for").code().expect("no signal ended it")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a process a signal.
pub(crate) fn signal(child: &Child, name: &str) {
    let _sent = Run::of(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]))
        .success();
}

//! Credential helpers: programs that keep logins
//! ([docker-credential-helpers](https://github.com/docker/docker-credential-helpers#development)).

use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use wait_timeout::ChildExt;

use super::credentials::{invalid, invalid_because};
use super::{Credentials, RegistryError, Secret};
use crate::trace::OrTrace;

// A minute, because some helpers ask the user.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest output that we read, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// What helpers print that have no login. Docker's protocol tells this from other failures by the text alone.
const UNKNOWN: [&str; 2] = ["credentials not found", "no credentials"];

/// The answer of a helper that was asked for a login.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Login(Credentials),
    Nothing,
    /// The helper can't be used, for this reason.
    Unusable(String),
}

enum Output {
    /// The program can't be started, for this reason.
    NotStarted(std::io::Error),
    Ended {
        success: bool,
        stdout: Vec<u8>,
    },
}

/// Asks a helper for the login of a registry, by each of its names. No error contains what the helper printed, which may
/// be a secret.
pub(super) fn get(host: &str, helper: &str, servers: &[String]) -> Result<Answer, RegistryError> {
    let mut answer = Answer::Nothing;
    for server in servers {
        answer = get_one(host, helper, server)?;
        if answer != Answer::Nothing {
            break;
        }
    }
    Ok(answer)
}

fn get_one(host: &str, helper: &str, server: &str) -> Result<Answer, RegistryError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    #[derive(Default)]
    struct Response {
        username: String,
        secret: String,
    }
    let program = program(helper);
    let (success, stdout) = match run(host, helper, "get", server)? {
        Output::NotStarted(error) => {
            let reason = match error.kind() {
                ErrorKind::NotFound => "is not installed".to_owned(),
                _ => format!("can't be run ({error})"),
            };
            return Ok(Answer::Unusable(format!("the credential helper `{program}` {reason}")));
        }
        Output::Ended { success, stdout } => (success, stdout),
    };
    if !success {
        let text = String::from_utf8_lossy(&stdout);
        return match UNKNOWN.iter().any(|unknown| text.contains(unknown)) {
            true => Ok(Answer::Nothing),
            false => Err(invalid(host, failed(&program))),
        };
    }
    let response: Response = match stdout.trim_ascii() {
        [] => Response::default(),
        // The parser's error may quote the secret, so it is dropped.
        json => serde_json::from_slice(json).map_err(|_| {
            invalid(host, format!("the response of the credential helper `{program}` is invalid"))
        })?,
    };
    if response.username.is_empty() || response.secret.is_empty() {
        let reason = format!("the credential helper `{program}` names no user");
        return Ok(Answer::Unusable(reason));
    }
    let secret = Secret::new(response.secret);
    Ok(Answer::Login(match response.username.as_str() {
        "<token>" => Credentials::IdentityToken(secret),
        _ => Credentials::Basic { username: response.username, password: secret },
    }))
}

/// Runs a helper that stores or erases a login.
pub(super) fn change(
    host: &str,
    helper: &str,
    action: &str,
    input: &str,
) -> Result<(), RegistryError> {
    let program = program(helper);
    match run(host, helper, action, input)? {
        Output::Ended { success: true, .. } => Ok(()),
        Output::Ended { .. } => Err(invalid(host, failed(&program))),
        Output::NotStarted(error) => {
            let reason = format!("the credential helper `{program}` can't be run");
            Err(invalid_because(host, reason, error))
        }
    }
}

fn program(helper: &str) -> String {
    format!("docker-credential-{helper}")
}

fn failed(program: &str) -> String {
    format!("the credential helper `{program}` failed; run it to see why")
}

fn run(host: &str, helper: &str, action: &str, input: &str) -> Result<Output, RegistryError> {
    let program = program(helper);
    let start = Instant::now();
    let child = Command::new(&program)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // The output may be a secret.
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Ok(Output::NotStarted(error)),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input reports with its status whether that is an error.
        stdin.write_all(input.as_bytes()).or_trace("write to the credential helper");
    }
    let stdout = read_later(child.stdout.take());
    let status = child.wait_timeout(TIMEOUT).map_err(|error| {
        let reason = format!("the credential helper `{program}` can't be waited for");
        invalid_because(host, reason, error)
    })?;
    tracing::debug!(program, action, ?status, ms = start.elapsed().as_millis(), "command");
    let Some(status) = status else {
        end(&mut child);
        let seconds = TIMEOUT.as_secs();
        let reason =
            format!("the credential helper `{program}` took longer than {seconds} seconds");
        return Err(invalid(host, reason));
    };
    Ok(Output::Ended { success: status.success(), stdout: collect(&stdout) })
}

/// Reads a pipe in another thread: a helper with much to say would otherwise wait for us while we wait for it.
fn read_later(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let Some(pipe) = pipe else { return };
        let (mut pipe, mut buffer) = (pipe.take(MAX_OUTPUT), vec![0; 1 << 12]);
        while let Some(read @ 1..) =
            pipe.read(&mut buffer).or_trace("read the credential helper's output")
        {
            // Nobody receives it after the time limit.
            if sender.send(buffer[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Returns the output of a helper that has ended.
fn collect(parts: &mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
    // A process that the helper left behind, such as an agent, may keep the pipe open. The helper itself has written
    // everything by now.
    let end = Instant::now() + Duration::from_secs(1);
    let mut output = Vec::new();
    while let Ok(part) = parts.recv_timeout(end.saturating_duration_since(Instant::now())) {
        output.extend(part);
    }
    output
}

fn end(child: &mut Child) {
    child.kill().or_trace("end the credential helper");
    child.wait().or_trace("wait for the credential helper");
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_a_helper_said_is_used_though_its_agent_keeps_the_pipe_open() {
        let script = "printf 1; printf 2; sleep 20 &";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = read_later(child.stdout.take());
        assert!(child.wait().unwrap().success());
        assert_eq!(collect(&stdout), b"12");
    }
}

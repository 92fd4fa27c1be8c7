//! What of this machine our images are built and run with, and what to do about what is missing.
//!
//! Each probe looks at one thing in a thread of its own and has a time limit, so that all of them together take no longer
//! than the slowest.

mod containerd;
mod docker;
mod kubernetes;
mod podman;
mod registry;
pub mod tool;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use wasm_oci_core::image::Reference;

use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::registry::connection::Connections;
use crate::ui::shell::Shell;
use tool::Tool;

/// What `doctor` looks at.
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Ask this registry, too, whether it can be reached and knows us: REGISTRY/REPOSITORY
    #[arg(value_name = "REFERENCE")]
    pub repository: Option<Reference>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// What was found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The thing.
    pub about: String,
    /// How it is.
    pub state: FindingState,
    /// What there is, or isn't.
    pub found: String,
    /// What to do, if something should be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Whether nothing can be built without it.
    pub needed: bool,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    /// As it should be.
    Ok,
    /// There, but something won't go.
    Warning,
    /// Not there.
    Missing,
}

impl Finding {
    /// It is as it should be.
    #[must_use]
    pub fn ok(about: &str, found: impl Into<String>) -> Finding {
        Finding {
            about: about.to_owned(),
            state: FindingState::Ok,
            found: found.into(),
            advice: None,
            needed: false,
        }
    }

    /// It is there, and something won't go.
    #[must_use]
    pub fn warning(about: &str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            state: FindingState::Warning,
            advice: Some(advice.into()),
            ..Finding::ok(about, found)
        }
    }

    /// It isn't there.
    #[must_use]
    pub fn missing(about: &str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { state: FindingState::Missing, ..Finding::warning(about, found, advice) }
    }

    /// The same of something without which nothing can be built.
    #[must_use]
    pub fn needed(self) -> Finding {
        Finding { needed: true, ..self }
    }
}

/// Something to look at.
pub struct Probe {
    name: &'static str,
    look: Box<dyn FnOnce() -> Vec<Finding> + Send>,
}

impl Probe {
    /// A probe of what messages call `name`.
    pub fn new(name: &'static str, look: impl FnOnce() -> Vec<Finding> + Send + 'static) -> Probe {
        Probe { name, look: Box::new(look) }
    }
}

/// How long all of it may take. Programs that a probe starts have [`tool::LIMIT`] for themselves.
const LIMIT: Duration = Duration::from_secs(10);

/// Carries all probes out at once. Their findings are in the order of the probes.
#[must_use]
pub fn examine(probes: Vec<Probe>) -> Vec<Finding> {
    let deadline = Instant::now() + LIMIT;
    let started: Vec<_> = probes
        .into_iter()
        .map(|Probe { name, look }| {
            let (sender, receiver) = mpsc::channel();
            // One that hangs is left behind, and ends with the process.
            thread::spawn(move || sender.send(look()));
            (name, receiver)
        })
        .collect();
    let finish = |(name, receiver): (&str, mpsc::Receiver<Vec<Finding>>)| {
        let left = deadline.saturating_duration_since(Instant::now());
        receiver.recv_timeout(left).unwrap_or_else(|_| {
            let found = format!("no answer within {} s", LIMIT.as_secs());
            vec![Finding::warning(name, found, "see what it does when it is called by hand")]
        })
    };
    started.into_iter().flat_map(finish).collect()
}

/// The probes of what images are pushed to and run with.
#[must_use]
pub fn probes(repositories: Vec<Reference>, connections: &Connections) -> Vec<Probe> {
    let mut probes: Vec<Probe> = Vec::new();
    for repository in repositories {
        let connections = connections.clone();
        probes
            .push(Probe::new("registry", move || vec![registry::look(&repository, &connections)]));
    }
    probes.extend([
        Probe::new("docker", docker::look),
        Probe::new("containerd", containerd::look),
        Probe::new("podman", podman::look),
        Probe::new("kubectl", kubernetes::look),
        Probe::new("node", || vec![node()]),
        Probe::new("wasmtime", || vec![wasmtime()]),
    ]);
    probes
}

/// The first with `node:wasi` that needs no flag.
const OLDEST_NODE: (u32, u32) = (18, 17);

fn node() -> Finding {
    let Some(version) = Tool::find("node").and_then(|node| node.line(&["--version"])) else {
        return Finding::missing(
            "node",
            "not on PATH",
            "only for running modules with `node:wasi`: install Node 20 or newer",
        );
    };
    let mut numbers =
        version.trim_start_matches('v').split('.').map_while(|number| number.parse().ok());
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match (major, minor) >= OLDEST_NODE {
        true => Finding::ok("node", format!("{version}, with node:wasi")),
        false => Finding::warning(
            "node",
            version,
            "`node:wasi` needs a flag before 18.17: install Node 20 or newer",
        ),
    }
}

fn wasmtime() -> Finding {
    match Tool::find("wasmtime").and_then(|wasmtime| wasmtime.line(&["--version"])) {
        Some(version) => Finding::ok("wasmtime", version),
        None => {
            Finding::missing("wasmtime", "not on PATH", "not needed: `wasm-oci run` has one inside")
        }
    }
}

/// Prints what was found, and returns the exit code: 1 when something is missing that is needed to build.
///
/// # Errors
/// [`Error::Stdout`].
pub fn show(findings: &[Finding], json: bool, shell: &Shell) -> Result<u8, Error> {
    match json {
        true => shell.print_json(&findings)?,
        false => shell.print(text(findings).trim_end())?,
    }
    let is_lacking = |finding: &Finding| finding.needed && finding.state == FindingState::Missing;
    match findings.iter().any(is_lacking) {
        true => Ok(ExitCode::Failure.code()),
        false => Ok(ExitCode::Success.code()),
    }
}

fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.about.len()).max().unwrap_or_default();
    let line = |Finding { about, state, found, advice, .. }: &Finding| {
        let state = match state {
            FindingState::Ok => "ok",
            FindingState::Warning => "warning",
            FindingState::Missing => "missing",
        };
        let advice = advice.as_deref().map_or(String::new(), |advice| format!(": {advice}"));
        format!("{about:width$}  {state:7}  {found}{advice}\n")
    };
    findings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_panics_is_one_warning() {
        let findings = examine(vec![
            Probe::new("first", || vec![Finding::ok("first", "there")]),
            Probe::new("second", || panic!("it is broken")),
        ]);
        assert_eq!(findings[0].state, FindingState::Ok);
        assert_eq!(
            (findings[1].about.as_str(), findings[1].state),
            ("second", FindingState::Warning)
        );
    }

    #[test]
    fn only_what_is_needed_fails() {
        let shell = Shell::new(crate::ui::shell::Verbosity::Quiet, crate::ui::shell::Color::Never);
        let code = |finding: Finding| show(&[finding], true, &shell).unwrap();
        assert_eq!(code(Finding::missing("docker", "not there", "install it")), 0);
        assert_eq!(code(Finding::warning("rust", "old", "update it").needed()), 0);
        assert_eq!(code(Finding::missing("rust", "not there", "install it").needed()), 1);
    }
}

//! `doctor`: probes the local toolchain and container engines and suggests fixes.
//!
//! Each probe runs in its own thread with a time limit, so that all probes together take no longer than the slowest one.

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
use tokio::runtime::Handle;
use wasm_oci_core::image::Reference;
use wasm_oci_core::text::visible;

use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::registry::connection::Connections;
use crate::ui::shell::Shell;
use tool::{numbers, version_of};

#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Also check access to this repository: REGISTRY/REPOSITORY
    #[arg(value_name = "REFERENCE")]
    pub repository: Option<Reference>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// The result of a check of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub about: String,
    pub state: FindingState,
    /// Details, such as the version.
    pub found: String,
    /// Suggested fix, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// True if nothing can be built without the component.
    pub needed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingState {
    Ok,
    /// Installed, but something will not work.
    Warning,
    Missing,
}

impl Finding {
    pub fn ok(about: &str, found: impl Into<String>) -> Finding {
        Finding {
            about: about.to_owned(),
            state: FindingState::Ok,
            found: found.into(),
            advice: None,
            needed: false,
        }
    }

    pub fn warning(about: &str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            state: FindingState::Warning,
            advice: Some(advice.into()),
            ..Finding::ok(about, found)
        }
    }

    pub fn missing(about: &str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { state: FindingState::Missing, ..Finding::warning(about, found, advice) }
    }

    /// Marks the component as necessary for building.
    pub fn needed(self) -> Finding {
        Finding { needed: true, ..self }
    }
}

/// A check of one component.
pub struct Probe {
    name: &'static str,
    look: Box<dyn FnOnce() -> Vec<Finding> + Send>,
}

impl Probe {
    pub fn new(name: &'static str, look: impl FnOnce() -> Vec<Finding> + Send + 'static) -> Probe {
        Probe { name, look: Box::new(look) }
    }
}

/// Time limit for all probes together.
// Twice `tool::LIMIT`, because a probe such as that of kubectl starts two programs in turn.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs all probes at the same time. Returns the findings in the order of the probes.
pub fn examine(probes: Vec<Probe>) -> Vec<Finding> {
    let deadline = Instant::now() + LIMIT;
    let started: Vec<_> = probes
        .into_iter()
        .map(|Probe { name, look }| {
            let (sender, receiver) = mpsc::channel();
            // A probe that hangs is not joined: it ends with the process.
            thread::spawn(move || sender.send(look()));
            (name, receiver)
        })
        .collect();
    let finish = |(name, receiver): (&str, mpsc::Receiver<Vec<Finding>>)| {
        // `recv_timeout` fails at once if the probe panicked: its sender is gone then.
        let left = deadline.saturating_duration_since(Instant::now());
        receiver.recv_timeout(left).unwrap_or_else(|_| {
            let found = format!("no answer within {} s", LIMIT.as_secs());
            vec![Finding::warning(name, found, "run it yourself to see where it hangs")]
        })
    };
    started.into_iter().flat_map(finish).collect()
}

pub fn probes(repositories: Vec<Reference>, connections: &Connections) -> Vec<Probe> {
    let mut probes: Vec<Probe> = Vec::new();
    for repository in repositories {
        let (connections, runtime) = (connections.clone(), Handle::current());
        probes.push(Probe::new("registry", move || {
            vec![runtime.block_on(registry::look(&repository, &connections))]
        }));
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

// Before this version, `node:wasi` needs the flag `--experimental-wasi-unstable-preview1`.
const OLDEST_NODE: (u32, u32) = (18, 17);

fn node() -> Finding {
    let Some(version) = version_of("node") else {
        return Finding::missing(
            "node",
            "not on PATH",
            "only for running modules with `node:wasi`: install Node 20 or newer",
        );
    };
    match numbers(&version).is_some_and(|version| version >= OLDEST_NODE) {
        true => Finding::ok("node", format!("{version}, with node:wasi")),
        false => Finding::warning(
            "node",
            version,
            "`node:wasi` needs a flag before 18.17: install Node 20 or newer",
        ),
    }
}

fn wasmtime() -> Finding {
    match version_of("wasmtime") {
        Some(version) => Finding::ok("wasmtime", version),
        None => {
            Finding::missing("wasmtime", "not on PATH", "not needed: `wasm-oci run` has its own")
        }
    }
}

/// Prints the findings, and returns the exit code.
pub fn show(findings: &[Finding], json: bool, shell: &Shell) -> Result<u8, Error> {
    match json {
        true => shell.print_json(&findings)?,
        false => shell.print(text(findings).trim_end())?,
    }
    // Everything that no build needs is optional, so its absence is not a failure.
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
        let said = visible(&format!("{found}{advice}"));
        format!("{about:width$}  {state:7}  {said}\n")
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
        let shell = Shell::new(crate::ui::shell::Verbosity::Quiet, clap::ColorChoice::Never);
        let code = |finding: Finding| show(&[finding], true, &shell).unwrap();
        assert_eq!(code(Finding::missing("docker", "not there", "install it")), 0);
        assert_eq!(code(Finding::warning("rust", "old", "update it").needed()), 0);
        assert_eq!(code(Finding::missing("rust", "not there", "install it").needed()), 1);
    }
}

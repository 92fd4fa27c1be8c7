//! What starts programs somewhere else: manifests for [Kubernetes](kubernetes), files for [Compose](compose).

pub mod compose;
pub mod kubernetes;

use std::collections::BTreeMap;

/// How a manifest names an image that has yet to be built and pushed: `wasm-oci://PACKAGE[/BIN]`, as `ko://` does.
pub const SCHEME: &str = "wasm-oci://";

/// The port on which the shims of [runwasi](https://github.com/containerd/runwasi/blob/main/docs/src/wasmtime.md) answer
/// for a component, unless the next variable says another one.
pub const DEFAULT_PORT: u16 = 8080;

/// The variable that says which address.
const PROXY_ADDRESS: &str = "WASMTIME_HTTP_PROXY_SOCKET_ADDR";

/// A program, as something that others start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// The package that it is one of several programs of.
    pub part_of: Option<String>,
    /// Its image: a reference, or one of [`SCHEME`].
    pub image: String,
    /// Arguments after the image's entrypoint.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// User (and group) of the process.
    pub user: Option<String>,
    /// What it does once it was started.
    pub behaviour: Behaviour,
}

/// What a program does once it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It runs to its end.
    RunsToCompletion,
    /// It answers HTTP requests that a shim gives it (`wasi:http`).
    ServesHttp,
    /// Nothing by itself: others call its functions.
    Library,
}

impl Workload {
    /// The port that it is asked on: `given`, or if it answers HTTP requests, the shim's.
    fn port(&self, given: Option<u16>) -> Option<u16> {
        given.or((self.behaviour == Behaviour::ServesHttp).then_some(DEFAULT_PORT))
    }

    /// Its variables, and the shim's, when that is to listen on another port than it does by itself.
    fn variables(&self, port: Option<u16>) -> BTreeMap<String, String> {
        let mut variables = self.env.clone();
        if let (Behaviour::ServesHttp, Some(port)) =
            (self.behaviour, port.filter(|&port| port != DEFAULT_PORT))
        {
            variables.entry(PROXY_ADDRESS.to_owned()).or_insert_with(|| format!("0.0.0.0:{port}"));
        }
        variables
    }
}

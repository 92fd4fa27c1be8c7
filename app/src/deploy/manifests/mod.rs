//! Manifests for [Kubernetes](kubernetes) and files for [Compose](compose).

pub mod compose;
pub mod kubernetes;

use std::collections::BTreeMap;

/// Scheme of placeholders for images that `resolve` will build and push: `wasm-oci://PACKAGE[/BIN]`, modelled on `ko://`.
pub const SCHEME: &str = "wasm-oci://";

/// Port on which the shims of [runwasi](https://github.com/containerd/runwasi/blob/main/docs/src/wasmtime.md) serve a
/// component, unless `PROXY_ADDRESS` sets another one.
pub const DEFAULT_PORT: u16 = 8080;

/// Environment variable of runwasi's shims with the address to listen on.
const PROXY_ADDRESS: &str = "WASMTIME_HTTP_PROXY_SOCKET_ADDR";

/// A program that a cluster or Compose starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub name: String,
    pub version: Option<String>,
    /// Package, if it has several programs.
    pub part_of: Option<String>,
    /// Image: a reference, or a placeholder with [`SCHEME`].
    pub image: String,
    /// Arguments after the entrypoint of the image.
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// User of the process, with an optional group: `USER[:GROUP]`.
    pub user: Option<String>,
    pub behaviour: Behaviour,
}

/// The behaviour of a program after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    RunsToCompletion,
    /// A shim listens and passes HTTP requests to it (`wasi:http`).
    ServesHttp,
    /// Does nothing on its own: other programs call its functions.
    Library,
}

impl Workload {
    /// Returns the `given` port, or the default of the shim for a program that serves HTTP.
    fn port(&self, given: Option<u16>) -> Option<u16> {
        given.or((self.behaviour == Behaviour::ServesHttp).then_some(DEFAULT_PORT))
    }

    /// Returns the environment variables, including that of the shim if needed.
    fn variables(&self, port: Option<u16>) -> BTreeMap<String, String> {
        let mut variables = self.env.clone();
        if let (Behaviour::ServesHttp, Some(port)) =
            (self.behaviour, port.filter(|&port| port != DEFAULT_PORT))
        {
            // All addresses, because requests come from outside the container. A value of the user stays.
            variables.entry(PROXY_ADDRESS.to_owned()).or_insert_with(|| format!("0.0.0.0:{port}"));
        }
        variables
    }
}

/// Returns the comment above manifests with placeholders: `command` builds and pushes the images.
fn head(workloads: &[Workload], command: &str) -> String {
    let is_open = workloads.iter().any(|workload| workload.image.starts_with(SCHEME));
    if is_open { format!("# To build and push the images: {command}\n") } else { String::new() }
}

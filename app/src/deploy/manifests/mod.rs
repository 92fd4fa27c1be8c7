//! Manifests for [Kubernetes](kubernetes) and files for [Compose](compose).

pub mod compose;
pub mod kubernetes;

use std::collections::BTreeMap;

use wasm_oci_core::image::Format;

/// Scheme of placeholders for images that `resolve` will build and push: `wasm-oci://PACKAGE[/BIN]`, modelled on `ko://`.
pub const SCHEME: &str = "wasm-oci://";

/// Port on which a component is served: by the shims of
/// [runwasi](https://github.com/containerd/runwasi/blob/main/docs/src/wasmtime.md), unless `PROXY_ADDRESS` sets another one, and by
/// the runner of standalone images, unless `PORT` does.
pub const DEFAULT_PORT: u16 = 8080;

/// Environment variable of runwasi's shims with the address to listen on.
const PROXY_ADDRESS: &str = "WASMTIME_HTTP_PROXY_SOCKET_ADDR";

/// Environment variable of the runner of standalone images with its port. Many native services have it, too.
const PORT: &str = "PORT";

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
    pub launch: Launch,
    /// Port that the image exposes.
    pub exposed_port: Option<u16>,
}

/// The program that a container engine starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// A Wasm shim, which runs the module.
    Shim,
    /// The runner in a standalone image. A shim can run its module, too.
    Runner,
    /// A native program that somebody else built.
    Native,
}

impl Launch {
    /// Returns how images of this format are started.
    pub fn of_format(format: Format) -> Launch {
        match format {
            Format::Standalone => Launch::Runner,
            Format::Universal
            | Format::Container
            | Format::Module
            | Format::Combined
            | Format::Artifact => Launch::Shim,
        }
    }
}

/// The behaviour of a program after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    RunsToCompletion,
    /// A shim or a runner listens and passes HTTP requests to it (`wasi:http`).
    ServesHttp,
    /// Does nothing on its own: other programs call its functions.
    Library,
}

impl Workload {
    /// Returns the `given` port, or the default of shims and runners for a program that serves HTTP.
    fn port(&self, given: Option<u16>) -> Option<u16> {
        given
            .or(self.exposed_port)
            .or((self.behaviour == Behaviour::ServesHttp).then_some(DEFAULT_PORT))
    }

    /// Returns the environment variables, including that of the shim or runner if needed.
    fn variables(&self, port: Option<u16>) -> BTreeMap<String, String> {
        let mut variables = self.env.clone();
        // The default of a native program is its own.
        let default = if self.launch == Launch::Native { 0 } else { DEFAULT_PORT };
        if let (Behaviour::ServesHttp, Some(port)) =
            (self.behaviour, port.filter(|&port| port != default))
        {
            let (name, value) = match self.launch {
                // All addresses, because requests come from outside the container.
                Launch::Shim => (PROXY_ADDRESS, format!("0.0.0.0:{port}")),
                Launch::Runner | Launch::Native => (PORT, port.to_string()),
            };
            // A value of the user stays.
            variables.entry(name.to_owned()).or_insert(value);
        }
        variables
    }
}

/// Returns the comment above manifests with placeholders: `command` builds and pushes the images.
fn head(workloads: &[Workload], command: &str) -> String {
    let is_open = workloads.iter().any(|workload| workload.image.starts_with(SCHEME));
    if is_open { format!("# To build and push the images: {command}\n") } else { String::new() }
}

#[cfg(test)]
impl Workload {
    /// A program that serves HTTP, with nothing else in its image.
    fn example(launch: Launch) -> Workload {
        Workload {
            name: "app".to_owned(),
            version: None,
            part_of: None,
            image: "ghcr.io/me/app".to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            user: None,
            behaviour: Behaviour::ServesHttp,
            launch,
            exposed_port: None,
        }
    }
}

//! `wasm-oci serve`: a component that answers HTTP requests, here and now.

use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::ServeArgs;
use wasm_oci_app::error::Error;
use wasm_oci_app::registry::connection::RegistryArgs;
use wasm_oci_app::run::run::pulled;
use wasm_oci_app::run::serve::{serve_file, serve_manifest};
use wasm_oci_app::runtime::block_on;
use wasm_oci_app::ui::shell::Shell;

/// Answer HTTP requests with a component: of a .wasm file, a layout, an archive or a registry
///
/// The component is one of the world wasi:http/proxy. Each request gets an instance of its own, which the limits
/// count for; it is stopped after 30 s unless --timeout says otherwise. Speaks HTTP/1.1 and HTTP/2 without TLS.
/// Prints http://IP:PORT on standard output once it listens; a line for each request goes to standard error. A
/// SIGTERM or Ctrl-C ends it when the requests that have begun are answered, or after 10 s; a second one at once.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// What to serve: a .wasm file, oci:DIR[:TAG], oci-archive:FILE[:TAG] or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten, next_help_heading = "Program")]
    serve: ServeArgs,
}

impl Serve {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        if let Location::File(path) = &self.source {
            return serve_file(path, &self.serve, shell);
        }
        let connections = self.registry.connections(shell)?;
        let manifest = block_on(pulled(&self.source, &connections, self.serve.no_cache))?;
        serve_manifest(&manifest, &self.serve, shell)
    }
}

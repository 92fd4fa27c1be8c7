use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::{ServeArgs, module_or_image_help};
use wasm_oci_app::error::Error;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::run::run::{Prepared, pull};
use wasm_oci_app::run::serve::serve;
use wasm_oci_app::ui::shell::Shell;

/// Serve HTTP requests with a component from a .wasm file or an image
///
/// The component must implement the world wasi:http/proxy. Each request runs in its own instance with its own limits, for 30 s
/// at most unless --timeout is set. The server supports HTTP/1.1 and HTTP/2 without TLS. It prints http://IP:PORT on standard
/// output when it is ready, and one line for each request on standard error. On SIGTERM or Ctrl-C it stops after the requests
/// in progress, or after 10 s; a second signal stops it at once.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Component or image to serve"))]
    source: Location,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten, next_help_heading = "Program")]
    serve: ServeArgs,
}

impl Serve {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        if let Location::File(path) = &self.source {
            return serve(|engine| Prepared::of_file(engine, path), &self.serve, shell).await;
        }
        let connections = self.read.connections(shell)?;
        let manifest = pull(&self.source, &connections, self.serve.sandbox.no_cache).await?;
        serve(|engine| Prepared::of_manifest(engine, &manifest), &self.serve, shell).await
    }
}

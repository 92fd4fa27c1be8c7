use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::{RunArgs, module_or_image_help};
use wasm_oci_app::error::Error;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::run::run::{pull, run_file, run_manifest};
use wasm_oci_app::ui::shell::Shell;

/// Run a .wasm file or an image
///
/// Entrypoint, arguments and environment of an image apply as in a container. The program can access only its standard streams
/// and what the flags grant. The exit code is that of the program.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-oci run app.wasm -- --verbose input.txt
  wasm-oci run ghcr.io/me/app:1.0
  wasm-oci run app.wasm --dir data::/data --env LEVEL=debug --timeout 10s")]
pub(crate) struct Run {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Module or image to run"))]
    source: Location,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    run: RunArgs,
}

impl Run {
    pub(crate) async fn run(self, shell: &Shell) -> Result<u8, Error> {
        if let Location::File(path) = &self.source {
            return run_file(path, &self.run, shell).await;
        }
        let connections = self.read.connections(shell)?;
        let manifest = pull(&self.source, &connections, self.run.given.sandbox.no_cache).await?;
        // Only `cargo wasm-oci` has a `NAME.debug.wasm` to take function names from.
        run_manifest(&manifest, None, &self.run, shell).await
    }
}

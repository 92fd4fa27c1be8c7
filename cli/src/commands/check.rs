use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::module_or_image_help;
use wasm_oci_app::error::Error;
use wasm_oci_app::inspect::check::{CheckArgs, check};
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::ui::shell::Shell;

/// Check which engines can run an image, and how to fix the ones that can't
///
/// Works for any image, even one that is incomplete or was not made by wasm-oci. For a .wasm file, lists the formats that each
/// engine can run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-oci check ghcr.io/me/app:1.0
  wasm-oci check oci:app.oci --for docker,kubernetes
  wasm-oci check app.wasm --json")]
pub(crate) struct Check {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Image or module to check"))]
    source: Location,
    #[command(flatten)]
    check: CheckArgs,
    #[command(flatten)]
    read: ReadArgs,
}

impl Check {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        check(&self.source, &self.check, &self.read.connections(shell)?, shell).await
    }
}

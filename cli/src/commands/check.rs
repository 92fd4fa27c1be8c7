//! `wasm-oci check`: who takes an image, or a module.

use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::error::Error;
use wasm_oci_app::inspect::check::{CheckArgs, check};
use wasm_oci_app::registry::connection::RegistryArgs;
use wasm_oci_app::ui::shell::Shell;

/// Say of each engine whether it runs an image, with which error it fails, and what to change
///
/// The image may be anybody's, and may be broken. Of a .wasm file, it says which formats each engine would take.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// What to check: a .wasm file, oci:DIR[:TAG], oci-archive:FILE[:TAG] or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    #[command(flatten)]
    check: CheckArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Check {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        check(&self.source, &self.check, &self.registry.connections(shell)?, shell)
    }
}

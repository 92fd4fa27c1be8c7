//! `wasm-oci run`: a module, here and now.

use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::RunArgs;
use wasm_oci_app::error::Error;
use wasm_oci_app::registry::connection::RegistryArgs;
use wasm_oci_app::run::run::{pulled, run_file, run_manifest};
use wasm_oci_app::runtime::block_on;
use wasm_oci_app::ui::shell::Shell;

/// Run a module: of a .wasm file, a layout, an archive or a registry
///
/// An image's entrypoint, arguments and environment count as in a container. The program sees nothing of this
/// machine but its standard streams and what is given. Its exit code becomes this command's.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What to run: a .wasm file, oci:DIR[:TAG], oci-archive:FILE[:TAG] or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    run: RunArgs,
}

impl Run {
    pub(crate) fn run(self, shell: &Shell) -> Result<u8, Error> {
        if let Location::File(path) = &self.source {
            return run_file(path, &self.run, shell);
        }
        let connections = self.registry.connections(shell)?;
        let manifest = block_on(pulled(&self.source, &connections, self.run.given.no_cache))?;
        run_manifest(&manifest, None, &self.run, shell)
    }
}

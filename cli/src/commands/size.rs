//! `wasm-oci size`: where each byte of a module went.

use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::error::Error;
use wasm_oci_app::inspect::size::{ModuleSizes, SizeArgs, report_at};
use wasm_oci_app::registry::connection::RegistryArgs;
use wasm_oci_app::ui::shell::Shell;

/// Show where each byte of a module went: sections, crates, functions
///
/// The module is taken as it is, so that names count, too, and crates can only be told where it has names. `cargo
/// wasm-oci size` knows them for modules that are shipped without.
#[derive(Debug, Args)]
pub(crate) struct Size {
    /// What to look at: a .wasm file, oci:DIR[:TAG], oci-archive:FILE[:TAG] or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    #[command(flatten)]
    size: SizeArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Size {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        let connections = self.registry.connections(shell)?;
        let report = report_at(&self.source, &connections)?;
        let name = self.source.to_string();
        ModuleSizes { package: None, name: &name, report }.show(&self.size, &connections, shell)
    }
}

use clap::Args;

use super::destination::{TransferArgs, registry_of};
use wasm_oci_app::error::Error;
use wasm_oci_app::registry::source::open;
use wasm_oci_app::runtime::until_interrupted;
use wasm_oci_app::ui::shell::Shell;

/// Copy an image between registries, layouts and archives, byte for byte
///
/// Transfers only missing blobs; within one registry, the registry itself copies them. Prints the location of the copy.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    #[command(flatten)]
    transfer: TransferArgs,
}

impl Copy {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let (connections, destination) = self.transfer.resolve(shell)?;
        let TransferArgs { source: location, json, .. } = self.transfer;
        let (source, name) = open(&location, &connections)?;
        shell.status("Copying", format_args!("{location} to {destination}"));
        let from = registry_of(&location);
        let digest =
            until_interrupted(destination.take(&source, &name, from, &connections, shell)).await?;
        destination.print(digest, json, shell)
    }
}

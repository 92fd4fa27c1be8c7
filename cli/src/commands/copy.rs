use clap::Args;
use wasm_oci_core::image::Tag;
use wasm_oci_core::store::Location;

use super::destination::{Destination, registry_of};
use wasm_oci_app::error::Error;
use wasm_oci_app::registry::connection::AccountArgs;
use wasm_oci_app::registry::read_limits::ReadLimitArgs;
use wasm_oci_app::registry::source::open;
use wasm_oci_app::runtime::until_interrupted;
use wasm_oci_app::ui::shell::Shell;

/// Copy an image between registries, layouts and archives, byte for byte
///
/// Transfers only missing blobs; within one registry, the registry itself copies them. Prints the location of the copy.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// Image to copy: oci:DIR[:TAG], oci-archive:FILE[:TAG], or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    /// Destination: oci:DIR[:TAG], oci-archive:FILE[:TAG], or REGISTRY/REPOSITORY[:TAG]
    #[arg(value_name = "DESTINATION")]
    destination: Location,
    /// Additional tag at the destination
    #[arg(short, long = "tag", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<Tag>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
    #[command(flatten)]
    limits: ReadLimitArgs,
}

impl Copy {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        // A login belongs to one registry: the one that the command writes to, otherwise the one it reads from.
        let account = registry_of(&self.destination).or(registry_of(&self.source));
        let connections = self.account.connections(account, shell)?.with_limits(&self.limits)?;
        let destination = Destination::of(self.destination, &self.source, self.tags)?;
        let (source, name) = open(&self.source, &connections)?;
        shell.status("Copying", format_args!("{} to {destination}", self.source));
        let from = registry_of(&self.source);
        let digest =
            until_interrupted(destination.take(&source, &name, from, &connections, shell)).await?;
        destination.print(digest, self.json, shell)
    }
}

use clap::Args;
use wasm_oci_core::image::Reference;
use wasm_oci_core::text::visible;

use wasm_oci_app::error::Error;
use wasm_oci_app::registry::connection::AccountArgs;
use wasm_oci_app::ui::shell::Shell;

/// List the tags of a repository in a registry
#[derive(Debug, Args)]
pub(crate) struct Tags {
    /// Repository: REGISTRY/REPOSITORY
    #[arg(value_name = "REPOSITORY")]
    repository: Reference,
    /// Print the tags as a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountArgs,
}

impl Tags {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let registry =
            self.account.connections(Some(&self.repository), shell)?.registry(&self.repository)?;
        let tags = registry.tags().await?;
        if self.json {
            return shell.print_json(&tags);
        }
        tags.iter().try_for_each(|tag| shell.print(visible(tag)))
    }
}

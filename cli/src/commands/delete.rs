use clap::Args;
use wasm_oci_core::image::Reference;
use wasm_oci_core::store::Name;

use wasm_oci_app::error::Error;
use wasm_oci_app::registry::connection::{LoginArgs, RegistryArgs};
use wasm_oci_app::ui::shell::Shell;

/// Delete a tag from a registry, or an image with all its tags
///
/// A tag is deleted by name, an image by digest. The registry decides when to free the space. Many registries delete only by
/// digest, and some don't delete at all.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Tag or image to delete: REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST
    #[arg(value_name = "REFERENCE", value_parser = named)]
    reference: Reference,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    login: LoginArgs,
}

/// Parses a reference. Requires a tag or a digest, so that nothing is deleted by default.
fn named(text: &str) -> Result<Reference, String> {
    let reference: Reference =
        text.parse().map_err(|e: wasm_oci_core::image::Error| e.to_string())?;
    match (reference.tag(), reference.digest()) {
        (None, None) => {
            Err("add the tag or digest to delete: REPOSITORY:TAG or REPOSITORY@DIGEST".to_owned())
        }
        _ => Ok(reference),
    }
}

impl Delete {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        // Without `--read-limit`, because deleting reads no image.
        let login = self.login.login(self.reference.registry())?;
        let connections = self.registry.connections(shell)?.with_login(login);
        let registry = connections.registry(&self.reference)?;
        registry.delete(&Name::from(&self.reference)).await?;
        shell.status("Deleted", &self.reference);
        Ok(())
    }
}

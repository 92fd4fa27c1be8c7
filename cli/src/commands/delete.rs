//! `wasm-oci delete`: a tag, or an image with all its tags.

use clap::Args;
use wasm_oci_core::image::Reference;
use wasm_oci_core::store::Name;

use wasm_oci_app::error::Error;
use wasm_oci_app::registry::connection::AccountArgs;
use wasm_oci_app::runtime::block_on;
use wasm_oci_app::ui::shell::Shell;

/// Delete a tag from a registry, or by its digest an image with all its tags
///
/// The registry frees the space when it likes. Many only delete by digest, and some nothing.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// What: REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST
    #[arg(value_name = "REFERENCE", value_parser = named)]
    reference: Reference,
    #[command(flatten)]
    account: AccountArgs,
}

/// A reference with a tag or a digest: nothing is deleted that isn't named.
fn named(text: &str) -> Result<Reference, String> {
    let reference: Reference =
        text.parse().map_err(|e: wasm_oci_core::image::Error| e.to_string())?;
    match (reference.tag(), reference.digest()) {
        (None, None) => Err("write which: REPOSITORY:TAG or REPOSITORY@DIGEST".to_owned()),
        _ => Ok(reference),
    }
}

impl Delete {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        let registry =
            self.account.connections(Some(&self.reference), shell)?.registry(&self.reference)?;
        block_on(registry.delete(&Name::from(&self.reference)))?;
        shell.status("Deleted", &self.reference);
        Ok(())
    }
}

//! `cargo wasm-oci schema`: what editors know settings by.

use clap::Args;
use wasm_oci_app::config::schema::cargo_toml;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;

/// Print the JSON Schema of a Cargo.toml with settings, for editors
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self, shell: &Shell) -> Result<(), Error> {
        Ok(shell.print_json(&cargo_toml())?)
    }
}

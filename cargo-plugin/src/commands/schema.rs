//! `cargo wasm-oci schema`: the JSON Schema of the settings.

use clap::Args;
use wasm_oci_app::config::schema::cargo_toml;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;

/// Print the JSON Schema of the settings in Cargo.toml, for editors
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self, shell: &Shell) -> Result<(), Error> {
        Ok(shell.print_json(&cargo_toml())?)
    }
}

//! `wasm-oci logout`: removes stored credentials.

use clap::Args;
use wasm_oci_core::store::{Error as StoreError, forget_login};

use super::login::{host, place};
use crate::error::Error;
use crate::ui::shell::Shell;

/// Log out of a registry by removing its stored credentials
#[derive(Debug, Args)]
pub struct Logout {
    /// Registry: HOST[:PORT]
    #[arg(value_name = "REGISTRY", value_parser = host)]
    registry: String,
}

impl Logout {
    pub fn run(self, shell: &Shell) -> Result<(), Error> {
        match forget_login(&self.registry).map_err(StoreError::from)? {
            Some(stored) => {
                shell.status(
                    "Logged out",
                    format_args!("of {}; the credentials were {}", self.registry, place(&stored)),
                );
            }
            None => shell.warn(format_args!("no credentials are stored for {}", self.registry)),
        }
        Ok(())
    }
}

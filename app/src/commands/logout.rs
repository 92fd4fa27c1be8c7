//! `wasm-oci logout`: what `login` kept is forgotten.

use clap::Args;
use wasm_oci_core::store::{Error as StoreError, forget_login};

use super::login::{host, place};
use crate::error::Error;
use crate::ui::shell::Shell;

/// Forget what `login` has kept for a registry
#[derive(Debug, Args)]
pub struct Logout {
    /// The registry: HOST[:PORT]
    #[arg(value_name = "REGISTRY", value_parser = host)]
    registry: String,
}

impl Logout {
    /// Forgets it.
    ///
    /// # Errors
    /// When the file can't be read or written, or the helper fails.
    pub fn run(self, shell: &Shell) -> Result<(), Error> {
        match forget_login(&self.registry).map_err(StoreError::from)? {
            Some(stored) => {
                shell.status(
                    "Logged out",
                    format_args!("of {}: it was kept {}", self.registry, place(&stored)),
                );
            }
            None => shell.warn(format_args!("nothing was kept for {}", self.registry)),
        }
        Ok(())
    }
}

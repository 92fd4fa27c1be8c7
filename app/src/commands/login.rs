//! `wasm-oci login`: a user's name and password, checked and kept.

use clap::Args;
use wasm_oci_core::store::{Error as StoreError, Stored, log_in, store_login};

use crate::error::Error;
use crate::registry::connection::{LoginArgs, RegistryArgs};
use crate::runtime::block_on;
use crate::ui::shell::Shell;

/// Log in to a registry, and keep that where docker, podman, skopeo and others find it too
///
/// Uses the credential helper that Docker's configuration names, else writes to that file, or to $REGISTRY_AUTH_FILE.
#[derive(Debug, Args)]
pub struct Login {
    /// The registry: HOST[:PORT]
    #[arg(value_name = "REGISTRY", value_parser = host)]
    registry: String,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    connection: RegistryArgs,
}

/// The host of a registry, and its port: what a reference begins with.
pub(super) fn host(text: &str) -> Result<String, String> {
    let reference = format!("{text}/any");
    let parsed: wasm_oci_core::image::Reference = reference
        .parse()
        .map_err(|_| "write HOST or HOST:PORT, without https:// and without a path")?;
    // A name without a dot or a port would be taken for the start of a repository.
    if parsed.repository() == "any" || (text == "docker.io") {
        Ok(text.to_owned())
    } else {
        Err("write HOST or HOST:PORT, as ghcr.io or localhost:5000".to_owned())
    }
}

impl Login {
    /// Logs in.
    ///
    /// # Errors
    /// When the registry doesn't know the user, or the login can't be kept.
    pub fn run(self, shell: &Shell) -> Result<(), Error> {
        let Some(login) = self.login.login(&self.registry)? else {
            return Err(Error::Usage(format!(
                "say who: --username NAME --password-stdin, as `echo $TOKEN | wasm-oci login {} -u NAME \
                 --password-stdin`",
                self.registry
            )));
        };
        let connections = self.connection.connections(shell)?.with_login(Some(login.clone()));
        block_on(log_in(&self.registry, connections.options(&self.registry, "")?))?;
        let stored = store_login(&self.registry, &login.username, &login.password)
            .map_err(StoreError::from)?;
        shell.status(
            "Logged in",
            format_args!("to {} as {}, kept {}", self.registry, login.username, place(&stored)),
        );
        if let Stored::File(path) = stored {
            shell.warn(format_args!(
                "the password is in `{}`, for all who can read that to decode: a credential helper keeps it safer",
                path.display()
            ));
        }
        Ok(())
    }
}

/// Where a login is kept, for people.
pub(super) fn place(stored: &Stored) -> String {
    match stored {
        Stored::File(path) => format!("in `{}`", path.display()),
        Stored::Helper(helper) => format!("by the credential helper `{helper}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn registries_are_named_by_host_and_port() {
        for text in ["ghcr.io", "localhost:5000", "127.0.0.1:5000", "docker.io", "localhost"] {
            assert_eq!(host(text).as_deref(), Ok(text));
        }
        for text in ["https://ghcr.io", "ghcr.io/owner", "ghcr", "", "a b"] {
            assert!(host(text).is_err(), "{text}");
        }
    }
}

//! `wasm-oci login`: checks and stores a user's credentials.

use clap::Args;
use wasm_oci_core::store::{Error as StoreError, Stored, log_in, store_login};

use crate::error::{Error, UsageError};
use crate::registry::connection::{LoginArgs, RegistryArgs};
use crate::ui::shell::Shell;

/// Log in to a registry
///
/// Stores the credentials where docker, podman, skopeo and others find them too: in the credential helper of Docker's
/// configuration, otherwise in that file or in $REGISTRY_AUTH_FILE.
#[derive(Debug, Args)]
pub struct Login {
    /// Registry: HOST[:PORT]
    #[arg(value_name = "REGISTRY", value_parser = host)]
    registry: String,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    connection: RegistryArgs,
}

/// Parses the host of a registry and its optional port.
pub(super) fn host(text: &str) -> Result<String, String> {
    let reference = format!("{text}/any");
    let parsed: wasm_oci_core::image::Reference = reference
        .parse()
        .map_err(|_| "use HOST or HOST:PORT, without https:// and without a path")?;
    // In a reference, a name without a dot or a port is the start of a repository.
    if parsed.repository() == "any" || (text == "docker.io") {
        Ok(text.to_owned())
    } else {
        Err("use HOST or HOST:PORT, such as ghcr.io or localhost:5000".to_owned())
    }
}

impl Login {
    pub async fn run(self, shell: &Shell) -> Result<(), Error> {
        let Some(login) = self.login.login(&self.registry)? else {
            return Err(UsageError::NoCredentials { registry: self.registry }.into());
        };
        let connections = self.connection.connections(shell)?.with_login(Some(login.clone()));
        // Before storing: a wrong password would otherwise stay unnoticed until the next push.
        log_in(&self.registry, connections.options(&self.registry, "")?).await?;
        let stored = store_login(&self.registry, &login.username, &login.password)
            .map_err(StoreError::from)?;
        shell.status(
            "Logged in",
            format_args!("to {} as {}, stored {}", self.registry, login.username, place(&stored)),
        );
        if let Stored::File(path) = stored {
            shell.warn(format_args!(
                "anyone who can read `{}` can decode the password in it; a credential helper is safer",
                path.display()
            ));
        }
        Ok(())
    }
}

/// Returns the place where credentials are stored, for messages.
pub(super) fn place(stored: &Stored) -> String {
    match stored {
        Stored::File(path) => format!("in `{}`", path.display()),
        Stored::Helper(helper) => format!("in the credential helper `{helper}`"),
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

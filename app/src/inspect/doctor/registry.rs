//! Access to a registry.

use std::time::Duration;

use wasm_oci_core::error_chain;
use wasm_oci_core::image::Reference;
use wasm_oci_core::store::{
    Credentials, Error as StoreError, RegistryOptions, RetryPolicy, log_in,
};

use super::{Finding, tool};
use crate::error::Error;
use crate::registry::connection::Connections;

/// Reports the account that the registry accepts, without any secrets.
pub(super) async fn look(repository: &Reference, connections: &Connections) -> Finding {
    let host = repository.registry();
    let about = format!("registry {host}");
    let log_in_first = format!("log in: `cargo wasm-oci login {host}`, or `wasm-oci login {host}`");
    let options = match connections.options(host, repository.repository()) {
        Ok(options) => options,
        Err(error) => return Finding::warning(&about, error_chain(&error), log_in_first),
    };
    // The report contains the user name, but never a secret. An identity token has no user name.
    let who = match &options.credentials {
        Credentials::Basic { username, .. } => Some(format!("as {username}")),
        Credentials::IdentityToken(_) => Some("with an identity token".to_owned()),
        _ => None,
    };
    match (log_in(host, quick(options)).await.map_err(Error::from), who) {
        (Ok(()), Some(who)) => Finding::ok(&about, format!("reachable, logged in {who}")),
        (Ok(()), None) => Finding::ok(&about, "reachable, needs no login"),
        // A registry that refuses a login is up, so the network is not the problem.
        (Err(error), who) if is_authentication(&error) => {
            let found = match who {
                Some(who) => format!("reachable, but refuses the login {who}"),
                None => "reachable; no login is stored".to_owned(),
            };
            Finding::warning(&about, found, log_in_first)
        }
        (Err(error), _) => {
            Finding::warning(&about, error_chain(&error), "needed only to push and pull")
        }
    }
}

fn is_authentication(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::Registry(error)) if error.is_authentication())
}

// The user is waiting for the report, so time limits are short and there are no retries.
fn quick(options: RegistryOptions) -> RegistryOptions {
    RegistryOptions {
        retry: RetryPolicy {
            max_attempts: 1,
            max_retry_after: Duration::ZERO,
            ..RetryPolicy::default()
        },
        connect_timeout: tool::LIMIT,
        read_timeout: tool::LIMIT,
        on_retry: None,
        ..options
    }
}

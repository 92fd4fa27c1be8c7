//! Errors of registries, as users see them.

use std::error::Error as StdError;
use std::time::Duration;

use crate::image::Digest;

/// A registry that can't be read or written. No variant contains a secret.
///
/// The field `action` is the failed operation, as it follows "can't"; `registry` is a host with its port, as users
/// write it; `message` is the registry's own message in parentheses, or empty.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are explained above, or by the message that they are part of"
)]
pub enum RegistryError {
    // Advice is in parentheses where the text of a cause follows it, joined by `: `.
    /// No connection: an unknown host, a closed port, a time-out, or a failed TLS handshake.
    #[error("can't {action}: {origin} can't be reached ({})", connection_advice(origin))]
    Unreachable {
        action: String,
        /// Scheme, host and port.
        origin: String,
        // Boxed, because no type of a dependency is in our API.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The connection broke before the response was complete.
    #[error("can't {action}: the connection broke (try again)")]
    Interrupted {
        action: String,
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The registry sent or accepted nothing for too long.
    #[error("can't {action}: the registry made no progress for {seconds} seconds; try again later")]
    TimedOut { action: String, seconds: u64 },
    /// The registry's certificate is not trusted here.
    #[error(
        "can't {action}: the TLS certificate of {registry} is not trusted (pass its authority with `--ca FILE`, or \
         copy that to /etc/docker/certs.d/{registry}/ca.crt)"
    )]
    Untrusted {
        action: String,
        registry: String,
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The registry ended the TLS handshake with an alert.
    #[error(
        "can't {action}: {registry} refused the TLS connection (if it requires a client certificate, pass \
         `--client-cert FILE --client-key FILE`)"
    )]
    TlsRefused {
        action: String,
        registry: String,
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The registry's token server must not see the credentials.
    #[error("can't {action}: {registry} asks for the credentials to be sent to {host}, {}", token_server_advice(host, *safe))]
    UntrustedTokenServer {
        action: String,
        registry: String,
        /// Host of the token server.
        host: String,
        /// True if the connection to it is as safe as the one to the registry.
        safe: bool,
    },
    /// The registry does not support deleting this.
    #[error("can't {action}: {reason}")]
    Undeletable { action: String, reason: String },
    /// No credentials, or credentials that the registry rejects (401).
    #[error(
        "can't {action}: {registry} {}{message}; log in with `wasm-oci login {registry}` or `docker login {registry}`",
        login_state(user.as_deref())
    )]
    Unauthorized {
        action: String,
        registry: String,
        /// User name of the rejected credentials.
        user: Option<String>,
        message: String,
    },
    /// A realm, redirect or location to a host that only this machine or its network can reach.
    #[error(
        "can't {action}: {registry} leads to {host}, which has no public address; nothing was sent there. If you trust \
         it, pass `--private-host {host}`"
    )]
    PrivateAddress {
        action: String,
        registry: String,
        /// Host, and its port unless that is the usual one.
        host: String,
    },
    /// The user lacks the permission (403).
    #[error(
        "can't {action}: {registry} denies access{message}; ask for access to the repository, or log in as another \
         user with `wasm-oci login {registry}` or `docker login {registry}`"
    )]
    Denied { action: String, registry: String, message: String },
    /// A repository, tag or digest to be read does not exist (404).
    #[error("{place} has no `{name}`; check the repository and the tag")]
    Missing {
        /// Registry and repository.
        place: String,
        /// Tag or digest.
        name: String,
    },
    /// The repository to be written does not exist (404).
    #[error(
        "can't {action}: the registry has no such repository{message}; check the name (some registries require that \
         you create a repository before you push to it)"
    )]
    NotFound { action: String, message: String },
    /// Any other error status.
    #[error("can't {action}: the registry answered {status}{message}{}", status_advice(*status, *wait))]
    Rejected {
        action: String,
        status: u16,
        /// Code of the first error in the response
        /// ([distribution-spec, error codes](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes)).
        code: Option<String>,
        message: String,
        /// `Retry-After`, if it is longer than the retry policy allows.
        wait: Option<Duration>,
    },
    /// More bytes than the descriptor declares, or than we read into memory.
    #[error("can't {action}: the registry sent more than the expected {limit} bytes")]
    TooLarge { action: String, limit: u64 },
    /// A manifest with another digest than the one that was requested, sent, or reported by the registry itself.
    #[error(
        "can't {action}: expected {expected}, but found {found}; the content was changed in the registry or on the way, \
         and nothing of it was used"
    )]
    WrongDigest { action: String, expected: Digest, found: Digest },
    /// A response that violates the specification.
    #[error(
        "can't {action}: {registry} does not respond as a registry does: {reason} (check the address)"
    )]
    Protocol {
        action: String,
        registry: String,
        reason: String,
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// Credentials that can't be read, stored or sent.
    #[error("can't use the credentials for {registry}: {reason}")]
    InvalidCredentials {
        registry: String,
        reason: String,
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// A setup that allows no connection at all, such as an unreadable certificate.
    #[error("can't set up connections to registries: {reason}")]
    Client {
        reason: String,
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
}

impl RegistryError {
    /// Returns true if a login, or one as another user, may help.
    #[must_use]
    pub fn is_authentication(&self) -> bool {
        matches!(
            self,
            RegistryError::Unauthorized { .. }
                | RegistryError::UntrustedTokenServer { .. }
                | RegistryError::Denied { .. }
                | RegistryError::InvalidCredentials { .. }
        )
    }
}

fn connection_advice(origin: &str) -> String {
    match origin.strip_prefix("https://") {
        // To us, a registry without TLS looks like one that is down.
        Some(host) => {
            format!("check the address; for plain HTTP, pass `--insecure-registry {host}`")
        }
        None => "check the address, and that the registry is running".to_owned(),
    }
}

fn login_state(user: Option<&str>) -> String {
    match user {
        Some(user) => format!("rejected the credentials of `{user}`"),
        None => "requires a login".to_owned(),
    }
}

fn token_server_advice(host: &str, safe: bool) -> String {
    if safe {
        format!(
            "which is on a different domain; nothing was sent. If you trust {host}, pass `--token-server {host}`"
        )
    } else {
        "over plain HTTP; nothing was sent, because it must be HTTPS".to_owned()
    }
}

fn status_advice(status: u16, wait: Option<Duration>) -> String {
    if let Some(wait) = wait {
        // Longer than the retry policy allows, which is 2 minutes by default: seconds do not matter.
        let (hours, minutes) = (wait.as_secs() / 3_600, wait.as_secs() / 60 % 60);
        let wait = match (hours, minutes) {
            (0, minutes) => format!("{minutes}m"),
            (hours, 0) => format!("{hours}h"),
            (hours, minutes) => format!("{hours}h {minutes}m"),
        };
        return format!("; it asks to wait for {wait}");
    }
    match status {
        413 => "; the upload is larger than this registry accepts",
        408 | 429 => "; wait a while, then try again",
        500.. => "; the registry has a problem, try again later",
        _ => "",
    }
    .to_owned()
}

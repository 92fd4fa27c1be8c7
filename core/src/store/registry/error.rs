//! What can go wrong with a registry.

use std::time::Duration;

use crate::image::Digest;

/// Why a registry can't be read or written. Each variant says what was being done and what to do next; none
/// holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No connection: no such host, nobody listens, or no TLS session.
    #[error("can't {action}: {origin} can't be reached ({reason}): {}", connection_advice(origin))]
    Unreachable {
        /// What was being done.
        action: String,
        /// The registry's address, with `http` or `https`.
        origin: String,
        /// What happened.
        reason: String,
    },
    /// A connection that broke before the answer was complete.
    #[error("can't {action}: the connection broke ({reason}): try again")]
    Interrupted {
        /// What was being done.
        action: String,
        /// What happened.
        reason: String,
    },
    /// A registry that doesn't answer, or takes or sends nothing more.
    #[error("can't {action}: the registry did nothing for {seconds} seconds: try again later")]
    TimedOut {
        /// What was being done.
        action: String,
        /// How long we waited.
        seconds: u64,
    },
    /// The registry's certificate is not one that is trusted here, or ours is not one that it trusts.
    #[error(
        "can't {action}: no secure connection to {registry} ({reason}): {}",
        trust_advice(registry, reason)
    )]
    Untrusted {
        /// What was being done.
        action: String,
        /// Host and port of the registry.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry sends us for a token to a host that its credentials don't belong to.
    #[error("can't {action}: {registry} wants the credentials to be sent to {host}, {}", realm_advice(host, *safe))]
    UntrustedTokenServer {
        /// What was being done.
        action: String,
        /// Host and port of the registry.
        registry: String,
        /// Where it wants them to be sent.
        host: String,
        /// Whether that is over TLS, as the way to the registry.
        safe: bool,
    },
    /// The registry doesn't let anybody delete this.
    #[error("can't {action}: {reason}")]
    Undeletable {
        /// What was being done.
        action: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The registry wants to know who we are, or doesn't believe it (401).
    #[error("can't {action}: {registry} {}{message}: log in with `wasm-oci login {registry}` or `docker login {registry}`", wants(user.as_deref()))]
    Unauthorized {
        /// What was being done.
        action: String,
        /// Host and port of the registry.
        registry: String,
        /// As whom.
        user: Option<String>,
        /// What the registry said, in parentheses, or nothing.
        message: String,
    },
    /// The registry doesn't allow it to this user (403).
    #[error(
        "can't {action}: {registry} doesn't allow it{message}: ask for access to the repository, or log in as \
         another user with `wasm-oci login {registry}` or `docker login {registry}`"
    )]
    Denied {
        /// What was being done.
        action: String,
        /// Host and port of the registry.
        registry: String,
        /// What the registry said, in parentheses, or nothing.
        message: String,
    },
    /// The repository, or what was to be read from it, is not there (404).
    #[error("{place} has no `{name}`: check the repository and the tag")]
    Missing {
        /// Registry and repository.
        place: String,
        /// The tag or digest.
        name: String,
    },
    /// The registry knows no such repository when it is written to (404).
    #[error(
        "can't {action}: the registry knows no such thing{message}: check the name; some registries want a \
         repository to be created before it is pushed to"
    )]
    NotFound {
        /// What was being done.
        action: String,
        /// What the registry said, in parentheses, or nothing.
        message: String,
    },
    /// The registry said no for another reason.
    #[error("can't {action}: the registry answered {status}{message}{}", status_advice(*status, *wait))]
    Rejected {
        /// What was being done.
        action: String,
        /// The HTTP status.
        status: u16,
        /// The error's code
        /// ([distribution-spec, error codes](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes)).
        code: Option<String>,
        /// What the registry said, in parentheses, or nothing.
        message: String,
        /// How long it asks to wait, when that is too long.
        wait: Option<Duration>,
    },
    /// More bytes than the descriptor says, or than we read into memory.
    #[error(
        "can't {action}: the registry sent more than {limit} bytes, so that it is not what was asked for"
    )]
    TooLarge {
        /// What was being done.
        action: String,
        /// How many there may be.
        limit: u64,
    },
    /// A manifest of another digest than the one that was asked for, sent, or reported by the registry itself.
    #[error(
        "can't {action}: expected {expected}, but found {found}: somebody or something between here and the \
         registry's storage changed it; nothing of it was used"
    )]
    WrongDigest {
        /// What was being done.
        action: String,
        /// The digest it should have.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// Answers that are not those of a registry.
    #[error(
        "can't {action}: {registry} doesn't answer as a registry does ({reason}): is the address right?"
    )]
    Protocol {
        /// What was being done.
        action: String,
        /// Host and port of the registry.
        registry: String,
        /// What is wrong.
        reason: String,
    },
    /// Credentials that can't be read or sent.
    #[error("the credentials for {registry} can't be used: {reason}")]
    InvalidCredentials {
        /// Host and port of the registry.
        registry: String,
        /// What is wrong with them.
        reason: String,
    },
    /// This machine can't make connections: usually its TLS certificates can't be read.
    #[error("can't prepare connections to registries: {reason}")]
    Client {
        /// What happened.
        reason: String,
    },
}

impl RegistryError {
    /// Whether logging in, or as somebody else, is what would help.
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
        Some(host) => {
            format!("is the address right? plain http needs `--insecure-registry {host}`")
        }
        None => "is the address right, and is the registry running?".to_owned(),
    }
}

fn trust_advice(registry: &str, reason: &str) -> String {
    // What it didn't like about us, a server says by an alert.
    match reason.contains("alert") {
        true => "if it wants a certificate of yours, show it with `--client-cert FILE --client-key FILE`"
            .to_owned(),
        false => format!(
            "name the authority that vouches for it with `--ca FILE`, or put that into \
             /etc/docker/certs.d/{registry}/ca.crt"
        ),
    }
}

fn wants(user: Option<&str>) -> String {
    match user {
        Some(user) => format!("didn't accept the credentials of `{user}`"),
        None => "wants to know who you are".to_owned(),
    }
}

fn realm_advice(host: &str, safe: bool) -> String {
    if safe {
        format!(
            "another owner's by its name; nothing was sent there: if it should be, say `--token-server {host}`"
        )
    } else {
        "over plain http; nothing was sent there: it has to be https".to_owned()
    }
}

fn status_advice(status: u16, wait: Option<Duration>) -> String {
    if let Some(wait) = wait {
        let seconds = wait.as_secs();
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        let wait = match (hours, minutes) {
            (0, minutes) => format!("{minutes}m"),
            (hours, 0) => format!("{hours}h"),
            (hours, minutes) => format!("{hours}h {minutes}m"),
        };
        return format!(": it asks to wait for {wait}");
    }
    match status {
        413 => ": it is larger than this registry takes",
        408 | 429 => ": wait a while, and try again",
        500.. => ": that is the registry's own trouble, try again later",
        _ => "",
    }
    .to_owned()
}

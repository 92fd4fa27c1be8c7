//! Errors of single requests, before they become a [`RegistryError`] for users.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::super::Error;
use super::address::PrivateAddress;
use super::error_response::{ErrorResponse, printable};
use super::sent_secrets::SentSecrets;
use super::{Credentials, RegistryError, RegistryOptions};
use crate::image::{Digest, Error as ImageError};

pub(super) enum RequestError {
    /// No response, or an incomplete one.
    Connection(reqwest::Error),
    /// A response with an error status.
    Status(ErrorResponse),
    /// No progress for this long.
    Stalled(Duration),
    /// A body longer than allowed.
    TooLarge { limit: u64 },
    /// A manifest, or the digest that the registry reports for it, is not the expected one.
    WrongDigest { expected: Digest, found: Digest },
    /// A response that violates the specification. If it is transient, the next one may be correct.
    Protocol { reason: String, source: Option<Box<dyn StdError + Send + Sync>>, is_transient: bool },
    /// A token server that must not see the credentials.
    UntrustedRealm { host: String, safe: bool },
    /// A host that the registry sends us to, whose address is not public.
    PrivateAddress { host: String },
    /// Credentials that can't be sent in a header.
    Credentials(&'static str),
    /// An error on this machine: unreadable content, or no space for it.
    Local(Error),
}

pub(super) struct Context<'a> {
    /// Operation, as it follows "can't".
    pub(super) action: &'a str,
    pub(super) registry: &'a str,
    /// Scheme, host and port.
    pub(super) origin: &'a str,
    pub(super) options: &'a RegistryOptions,
    pub(super) secrets: &'a SentSecrets,
}

impl RequestError {
    pub(super) fn explain(self, context: &Context<'_>) -> Error {
        let action = context.action.to_owned();
        let registry = context.registry.to_owned();
        let error = match self {
            RequestError::Local(error) => return error,
            RequestError::Connection(error) => return connection_error(error, context).into(),
            RequestError::Status(response) => status_error(&response, context),
            RequestError::Stalled(limit) => {
                RegistryError::TimedOut { action, seconds: limit.as_secs() }
            }
            RequestError::TooLarge { limit } => RegistryError::TooLarge { action, limit },
            RequestError::WrongDigest { expected, found } => {
                RegistryError::WrongDigest { action, expected, found }
            }
            RequestError::Protocol { reason, source, .. } => {
                let reason = context.secrets.mask(&reason);
                let source = source.map(|source| context.secrets.mask_error(source));
                RegistryError::Protocol { action, registry, reason, source }
            }
            RequestError::UntrustedRealm { host, safe } => {
                RegistryError::UntrustedTokenServer { action, registry, host, safe }
            }
            RequestError::PrivateAddress { host } => {
                RegistryError::PrivateAddress { action, registry, host }
            }
            RequestError::Credentials(reason) => {
                let reason = reason.to_owned();
                RegistryError::InvalidCredentials { registry, reason, source: None }
            }
        };
        error.into()
    }

    pub(super) fn protocol(reason: impl Into<String>) -> RequestError {
        RequestError::Protocol { reason: reason.into(), source: None, is_transient: false }
    }

    pub(super) fn malformed(
        reason: &str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> RequestError {
        let source = Some(source.into());
        RequestError::Protocol { reason: reason.to_owned(), source, is_transient: false }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            RequestError::Status(response) => Some(response.status),
            _ => None,
        }
    }

    /// Returns true if the response has an error with one of these codes.
    pub(super) fn has_code(&self, codes: &[&str]) -> bool {
        let RequestError::Status(response) = self else { return false };
        response.errors().iter().any(|error| codes.contains(&error.code.as_str()))
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Returns true for a status with which registries and proxies refuse the method HEAD, even of what exists.
    pub(super) fn refuses_head(&self) -> bool {
        matches!(self.status(), Some(403 | 405 | 501))
    }

    pub(super) fn is_connect(&self) -> bool {
        matches!(self, RequestError::Connection(error) if error.is_connect())
    }

    /// Returns true if the same request may succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            RequestError::Connection(error) => {
                // These fail again: the request, the redirect and the certificate stay the same.
                !(error.is_builder() || error.is_redirect() || tls_failure(error).is_some())
            }
            RequestError::Status(response) => {
                matches!(response.status, 408 | 429 | 500 | 502 | 503 | 504)
                    || response.lacks_a_blob()
            }
            RequestError::Stalled(_) => true,
            RequestError::Protocol { is_transient, .. } => *is_transient,
            _ => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            RequestError::Status(response) => response.retry_after,
            _ => None,
        }
    }
}

impl From<reqwest::Error> for RequestError {
    fn from(error: reqwest::Error) -> RequestError {
        // The resolver's error is inside of reqwest's.
        if let Some(private) = find::<PrivateAddress>(&error) {
            return private.clone().into();
        }
        // The query of an upload's or a redirect's URL may contain secrets.
        RequestError::Connection(error.without_url())
    }
}

impl From<PrivateAddress> for RequestError {
    fn from(PrivateAddress { host }: PrivateAddress) -> RequestError {
        RequestError::PrivateAddress { host }
    }
}

impl From<Error> for RequestError {
    fn from(error: Error) -> RequestError {
        RequestError::Local(error)
    }
}

impl From<ImageError> for RequestError {
    fn from(error: ImageError) -> RequestError {
        RequestError::Local(error.into())
    }
}

enum TlsFailure {
    Untrusted,
    /// The server sent an alert.
    Refused,
}

fn tls_failure(error: &reqwest::Error) -> Option<TlsFailure> {
    match find::<rustls::Error>(error)? {
        rustls::Error::InvalidCertificate(_) => Some(TlsFailure::Untrusted),
        rustls::Error::AlertReceived(_) => Some(TlsFailure::Refused),
        _ => None,
    }
}

/// Returns the cause of this type.
fn find<T: StdError + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `io::Error::source` skips the error inside: it returns the source of that one.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        source = inner.map_or_else(|| error.source(), |inner| Some(inner));
    }
    None
}

fn connection_error(error: reqwest::Error, context: &Context<'_>) -> RegistryError {
    let action = context.action.to_owned();
    let registry = context.registry.to_owned();
    let (connect, read) = (context.options.connect_timeout, context.options.read_timeout);
    match tls_failure(&error) {
        Some(TlsFailure::Untrusted) => {
            return RegistryError::Untrusted { action, registry, source: root_cause(error) };
        }
        Some(TlsFailure::Refused) => {
            return RegistryError::TlsRefused { action, registry, source: root_cause(error) };
        }
        None => {}
    }
    if error.is_connect() {
        // reqwest's text does not say how long it waited.
        let source = match error.is_timeout() {
            true => format!("no connection within {} seconds", connect.as_secs()).into(),
            false => root_cause(error),
        };
        RegistryError::Unreachable { action, origin: context.origin.to_owned(), source }
    } else if error.is_timeout() {
        RegistryError::TimedOut { action, seconds: read.as_secs() }
    } else if error.is_builder() || error.is_redirect() {
        let (reason, source) = ("a request can't be made".to_owned(), Some(root_cause(error)));
        RegistryError::Protocol { action, registry, reason, source }
    } else {
        RegistryError::Interrupted { action, source: root_cause(error) }
    }
}

fn status_error(response: &ErrorResponse, context: &Context<'_>) -> RegistryError {
    let status = response.status;
    let errors = response.errors();
    // A registry may send any number of errors.
    let texts: Vec<String> = errors
        .iter()
        .map(|error| error.text(context.secrets))
        .filter(|text| !text.is_empty())
        .take(3)
        .collect();
    let message = if texts.is_empty() { String::new() } else { format!(" ({})", texts.join("; ")) };
    let action = context.action.to_owned();
    let registry = context.registry.to_owned();
    match status {
        401 => {
            let user = match &context.options.credentials {
                Credentials::Basic { username, .. } => Some(username.clone()),
                // An identity token has no user name to show.
                Credentials::Anonymous | Credentials::IdentityToken(_) => None,
            };
            RegistryError::Unauthorized { action, registry, user, message }
        }
        403 => RegistryError::Denied { action, registry, message },
        404 => RegistryError::NotFound { action, message },
        _ => {
            let code = errors
                .into_iter()
                .next()
                .map(|error| printable(&context.secrets.mask(&error.code)));
            let code = code.filter(|code| !code.is_empty());
            // A shorter wait was obeyed, so it is not the reason that we gave up.
            let max = context.options.retry.max_retry_after;
            let wait = response.retry_after.filter(|wait| *wait > max);
            RegistryError::Rejected { action, status, code, message, wait }
        }
    }
}

/// Root cause of a failed request, as the only level of an error's causes.
#[derive(Debug)]
struct RootCause(reqwest::Error);

impl fmt::Display for RootCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The levels above only say "error sending request". The debug log has them.
        let mut bottom: &dyn StdError = &self.0;
        while let Some(source) = bottom.source() {
            bottom = source;
        }
        f.write_str(&printable(&bottom.to_string()))
    }
}

impl StdError for RootCause {}

pub(super) fn root_cause(error: reqwest::Error) -> Box<dyn StdError + Send + Sync> {
    Box::new(RootCause(error))
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    fn explained(error: RequestError) -> RegistryError {
        let credentials =
            Credentials::Basic { username: "me".to_owned(), password: Secret::new("hunter2") };
        let options = &RegistryOptions { credentials, ..RegistryOptions::default() };
        let secrets = &SentSecrets::new(&options.credentials);
        secrets.add(&Secret::new("SECRETTOK"));
        let (action, registry, origin) = ("push", "ghcr.io", "https://ghcr.io");
        let context = Context { action, registry, origin, options, secrets };
        match error.explain(&context) {
            Error::Registry(error) => error,
            error => panic!("{error}"),
        }
    }

    fn answer(status: u16, body: &str) -> RegistryError {
        explained(RequestError::Status(ErrorResponse {
            status,
            body: body.as_bytes().to_vec(),
            retry_after: None,
        }))
    }

    #[test]
    fn each_status_has_its_error() {
        assert!(matches!(answer(401, ""), RegistryError::Unauthorized { .. }));
        assert!(answer(401, "").is_authentication() && answer(403, "").is_authentication());
        assert!(matches!(answer(404, ""), RegistryError::NotFound { .. }));
        let error = answer(413, "<html>nginx</html>");
        assert_eq!(
            error.to_string(),
            "can't push: the registry answered 413; the upload is larger than this registry accepts"
        );
        assert!(!error.is_authentication());
    }

    #[test]
    fn what_the_registry_said_is_repeated() {
        let body = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"bad\u001b[31m thing","detail":{}}]}"#;
        let RegistryError::Rejected { status, code, message, .. } = answer(400, body) else {
            panic!()
        };
        assert_eq!((status, code.as_deref()), (400, Some("MANIFEST_INVALID")));
        assert_eq!(message, " (MANIFEST_INVALID: bad [31m thing)");
        let unknown = r#"{"errors":[{"code":"NOT_IN_THE_SPEC"}]}"#;
        assert!(answer(409, unknown).to_string().contains("409 (NOT_IN_THE_SPEC)"));
    }

    #[test]
    fn an_echoed_secret_is_not_repeated() {
        // Before the text is cut off, which would leave a part of the secret.
        let long = "x".repeat(195);
        for status in [400, 401, 403, 404, 500] {
            for secret in ["hunter2", "bWU6aHVudGVyMg==", "SECRETTOK"] {
                let text = format!("you sent {secret}");
                let long = format!("{long}{secret}");
                for (code, message) in [("DENIED", text.as_str()), (secret, ""), ("", &long)] {
                    let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
                    let error = answer(status, &body.to_string());
                    let shown = format!("{error} {error:?}");
                    assert!(!shown.contains(&secret[..3]), "{shown}");
                }
            }
        }
        let source = serde_json::from_str::<u8>("\"hunter2\"").unwrap_err();
        let error = explained(RequestError::malformed("bad", source));
        assert_eq!(error.source().unwrap().to_string().matches("hunter2").count(), 0);
    }

    #[test]
    fn a_refused_login_names_the_user() {
        let text = answer(401, "").to_string();
        assert!(text.contains("`me`") && text.contains("docker login ghcr.io"), "{text}");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let passes = |status| {
            RequestError::Status(ErrorResponse { status, body: Vec::new(), retry_after: None })
                .is_transient()
        };
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(passes(status), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 405, 409, 413, 416, 501] {
            assert!(!passes(status), "{status}");
        }
        let body = br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#.to_vec();
        assert!(
            RequestError::Status(ErrorResponse { status: 400, body, retry_after: None })
                .is_transient()
        );
        assert!(RequestError::Stalled(Duration::ZERO).is_transient());
        assert!(
            !RequestError::protocol("x").is_transient()
                && !RequestError::TooLarge { limit: 1 }.is_transient()
        );
    }

    #[test]
    fn a_wait_that_is_too_long_is_the_error() {
        let hour = Some(Duration::from_secs(3_600));
        let error = explained(RequestError::Status(ErrorResponse {
            status: 429,
            body: Vec::new(),
            retry_after: hour,
        }));
        assert!(error.to_string().contains("asks to wait for 1h"), "{error}");
    }
}

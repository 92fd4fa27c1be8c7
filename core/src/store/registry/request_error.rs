//! What goes wrong in a single request, before it is known to users as a [`RegistryError`].

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;

use super::super::Error;
use super::retry::retry_after;
use super::{Credentials, RegistryError, RegistryOptions};
use crate::image::{Digest, Error as ImageError};

/// How much of an answer that says no is read.
const MAX_ERROR_BODY: usize = 1 << 16;

/// Why one request failed.
pub(super) enum RequestError {
    /// No answer, or half of one.
    Connection(reqwest::Error),
    /// An answer that says no.
    Status(ErrorResponse),
    /// Nothing happened for so long.
    Stalled(Duration),
    /// More came than there may be.
    TooLarge { limit: u64 },
    /// A manifest, or what the registry says of one, has another digest.
    WrongDigest { expected: Digest, found: Digest },
    /// Not the answer of a registry; the next one may be one.
    Protocol { reason: String, is_transient: bool },
    /// The registry wants a token from where the credentials don't belong.
    UntrustedRealm { host: String, safe: bool },
    /// Credentials that can't be put into a header.
    Credentials(&'static str),
    /// What is sent can't be read, or what is received can't be stored, on this machine.
    Local(Error),
}

/// An answer that says no, with the start of its body.
#[derive(Debug)]
pub(super) struct ErrorResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// How long it asks to wait.
    pub(super) retry_after: Option<Duration>,
}

impl ErrorResponse {
    /// Whether a manifest was refused for a blob that isn't there. We only send one when the registry has said that all
    /// are: while somebody else sends the same blob, some say so a little early.
    fn lacks_a_blob(&self) -> bool {
        let (_, text) = said(&self.body);
        matches!(self.status, 400 | 404)
            && text.is_some_and(|text| text.contains("MANIFEST_BLOB_UNKNOWN"))
    }

    pub(super) async fn of(mut response: Response) -> ErrorResponse {
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let mut body = Vec::new();
        // The status says enough when the rest doesn't come.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ERROR_BODY {
                body.truncate(MAX_ERROR_BODY);
                break;
            }
        }
        ErrorResponse { status, body, retry_after }
    }
}

/// Who was asked for what.
pub(super) struct Context<'a> {
    /// What was being done, as it follows "can't".
    pub(super) action: &'a str,
    /// Host and port as users write them.
    pub(super) registry: &'a str,
    /// Scheme, host and port.
    pub(super) origin: &'a str,
    pub(super) options: &'a RegistryOptions,
}

impl RequestError {
    /// The error for users.
    pub(super) fn explain(self, context: &Context<'_>) -> Error {
        let action = context.action.to_owned();
        let registry = context.registry.to_owned();
        let error = match self {
            RequestError::Local(error) => return error,
            RequestError::Connection(error) if is_untrusted(&error) => {
                RegistryError::Untrusted { action, registry, reason: cause(&error) }
            }
            RequestError::Connection(error) if error.is_connect() => {
                let limit = context.options.connect_timeout.as_secs();
                let too_slow = || format!("no connection within {limit} seconds");
                let reason = if error.is_timeout() { too_slow() } else { cause(&error) };
                RegistryError::Unreachable { action, origin: context.origin.to_owned(), reason }
            }
            RequestError::Connection(error) if error.is_timeout() => {
                RegistryError::TimedOut { action, seconds: context.options.read_timeout.as_secs() }
            }
            RequestError::Connection(error) if error.is_builder() || error.is_redirect() => {
                RegistryError::Protocol { action, registry, reason: cause(&error) }
            }
            RequestError::Connection(error) => {
                RegistryError::Interrupted { action, reason: cause(&error) }
            }
            RequestError::Status(answer) => rejected(&answer, context),
            RequestError::Stalled(limit) => {
                RegistryError::TimedOut { action, seconds: limit.as_secs() }
            }
            RequestError::TooLarge { limit } => RegistryError::TooLarge { action, limit },
            RequestError::WrongDigest { expected, found } => {
                RegistryError::WrongDigest { action, expected, found }
            }
            RequestError::Protocol { reason, .. } => {
                RegistryError::Protocol { action, registry, reason }
            }
            RequestError::UntrustedRealm { host, safe } => {
                RegistryError::UntrustedTokenServer { action, registry, host, safe }
            }
            RequestError::Credentials(reason) => {
                RegistryError::InvalidCredentials { registry, reason: reason.to_owned() }
            }
        };
        error.into()
    }

    /// Not the answer of a registry.
    pub(super) fn protocol(reason: impl Into<String>) -> RequestError {
        RequestError::Protocol { reason: reason.into(), is_transient: false }
    }

    /// The status of an answer that says no.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            RequestError::Status(answer) => Some(answer.status),
            _ => None,
        }
    }

    /// Whether the registry doesn't have what was asked for.
    pub(super) fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether there was nobody to ask.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self, RequestError::Connection(error) if error.is_connect())
    }

    /// Whether the same request may succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            RequestError::Connection(error) => {
                !(error.is_builder() || error.is_redirect() || is_untrusted(error))
            }
            RequestError::Status(answer) => {
                matches!(answer.status, 408 | 429 | 500 | 502 | 503 | 504) || answer.lacks_a_blob()
            }
            RequestError::Stalled(_) => true,
            RequestError::Protocol { is_transient, .. } => *is_transient,
            _ => false,
        }
    }

    /// How long the registry asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            RequestError::Status(answer) => answer.retry_after,
            _ => None,
        }
    }
}

impl From<reqwest::Error> for RequestError {
    fn from(error: reqwest::Error) -> RequestError {
        // Its address may have an upload's or a redirect's secrets in the query.
        RequestError::Connection(error.without_url())
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

/// Whether the registry's certificate, or ours, was not accepted.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return matches!(
                error,
                rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)
            );
        }
        // An I/O error passes over the error that it is made of, and names what lies below that.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        source = inner.map_or_else(|| error.source(), |inner| Some(inner));
    }
    false
}

fn rejected(answer: &ErrorResponse, context: &Context<'_>) -> RegistryError {
    let status = answer.status;
    let (code, text) = said(&answer.body);
    let message = text.map(|text| format!(" ({text})")).unwrap_or_default();
    let action = context.action.to_owned();
    let registry = context.registry.to_owned();
    match status {
        401 => {
            let user = user(&context.options.credentials);
            RegistryError::Unauthorized { action, registry, user, message }
        }
        403 => RegistryError::Denied { action, registry, message },
        404 => RegistryError::NotFound { action, message },
        _ => {
            let wait =
                answer.retry_after.filter(|wait| *wait > context.options.retry.max_retry_after);
            RegistryError::Rejected { action, status, code, message, wait }
        }
    }
}

fn user(credentials: &Credentials) -> Option<String> {
    match credentials {
        Credentials::Basic { username, .. } => Some(username.clone()),
        Credentials::Anonymous | Credentials::IdentityToken(_) => None,
    }
}

/// The code of the first error in a body, and all of them for people. Nothing is taken from a body that is not
/// what the specification describes, as the page of a proxy.
fn said(body: &[u8]) -> (Option<String>, Option<String>) {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: Option<String>,
    }
    let Ok(Envelope { errors }) = serde_json::from_slice(body) else { return (None, None) };
    let texts = errors.iter().filter_map(|error| {
        let parts =
            [printable(&error.code), printable(error.message.as_deref().unwrap_or_default())];
        let text = parts
            .iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(": ");
        (!text.is_empty()).then_some(text)
    });
    let text = texts.take(3).collect::<Vec<_>>().join("; ");
    let code = errors.first().map(|error| printable(&error.code)).filter(|code| !code.is_empty());
    (code, (!text.is_empty()).then_some(text))
}

/// The start of a text from elsewhere, without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    const LONGEST: usize = 200;
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// What lies at the bottom of an error: the layers above say "error sending request".
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut bottom = error;
    while let Some(source) = bottom.source() {
        bottom = source;
    }
    printable(&bottom.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Secret;
    use super::*;

    fn explained(error: RequestError) -> RegistryError {
        let credentials =
            Credentials::Basic { username: "me".to_owned(), password: Secret::new("hunter2") };
        let options = &RegistryOptions { credentials, ..RegistryOptions::default() };
        let context =
            Context { action: "push", registry: "ghcr.io", origin: "https://ghcr.io", options };
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
            "can't push: the registry answered 413: it is larger than this registry takes"
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

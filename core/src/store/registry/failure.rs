//! What goes wrong in a single request, before it is known to users as a [`RegistryError`].

use std::time::Duration;

use oci_client::errors::{OciDistributionError, OciError};
use serde::Deserialize;

use super::super::Error;
use super::{Credentials, RegistryError, RegistryOptions};
use crate::image::{Digest, Error as ImageError};

/// Why one request failed.
pub(super) enum Failure {
    /// No answer, or half of one.
    Transport(reqwest::Error),
    /// An answer that says no, with the start of its body.
    Answer { status: u16, body: Vec<u8> },
    /// Nothing happened for so long.
    Stalled(Duration),
    /// More came than there may be.
    TooLarge { limit: u64 },
    /// A manifest, or what the registry says of one, has another digest.
    WrongDigest { expected: Digest, found: Digest },
    /// Not the answer of a registry.
    Protocol(String),
    /// Credentials that can't be put into a header.
    Credentials(&'static str),
    /// No client can be made.
    Client(String),
    /// What is sent can't be read, or what is received can't be stored, on this machine.
    Local(Error),
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

impl Failure {
    /// The error for users.
    pub(super) fn explain(self, context: &Context<'_>) -> Error {
        let action = context.action.to_owned();
        let registry = context.registry.to_owned();
        let error = match self {
            Failure::Local(error) => return error,
            Failure::Transport(error) if error.is_connect() => {
                let limit = context.options.connect_timeout.as_secs();
                let too_slow = || format!("no connection within {limit} seconds");
                let reason = if error.is_timeout() { too_slow() } else { cause(&error) };
                RegistryError::Unreachable { action, origin: context.origin.to_owned(), reason }
            }
            Failure::Transport(error) if error.is_timeout() => {
                RegistryError::TimedOut { action, seconds: context.options.read_timeout.as_secs() }
            }
            Failure::Transport(error) if error.is_builder() || error.is_redirect() => {
                RegistryError::Protocol { action, registry, reason: cause(&error) }
            }
            Failure::Transport(error) => RegistryError::Interrupted { action, reason: cause(&error) },
            Failure::Answer { status, body } => rejected(status, &body, context),
            Failure::Stalled(limit) => RegistryError::TimedOut { action, seconds: limit.as_secs() },
            Failure::TooLarge { limit } => RegistryError::TooLarge { action, limit },
            Failure::WrongDigest { expected, found } => {
                RegistryError::WrongDigest { action, expected, found }
            }
            Failure::Protocol(reason) => RegistryError::Protocol { action, registry, reason },
            Failure::Credentials(reason) => {
                RegistryError::InvalidCredentials { registry, reason: reason.to_owned() }
            }
            Failure::Client(reason) => RegistryError::Client { reason },
        };
        error.into()
    }

    /// Whether the registry doesn't have what was asked for.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Failure::Answer { status: 404, .. })
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        match error.status() {
            Some(status) => Failure::Answer { status: status.as_u16(), body: Vec::new() },
            // Its address may have an upload's or a redirect's secrets in the query.
            None => Failure::Transport(error.without_url()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Local(error)
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Failure {
        Failure::Local(error.into())
    }
}

impl From<OciDistributionError> for Failure {
    fn from(error: OciDistributionError) -> Failure {
        use OciDistributionError as Oci;
        match error {
            Oci::RequestError(error) => error.into(),
            Oci::UnauthorizedError { .. } => Failure::Answer { status: 401, body: Vec::new() },
            // The answer of a token service that doesn't give one.
            Oci::AuthenticationFailure(body) => Failure::Answer { status: 401, body: body.into_bytes() },
            Oci::ServerError { code, message, .. } => {
                Failure::Answer { status: code, body: message.into_bytes() }
            }
            // The client drops the status here, and keeps the error's code, which stands for one.
            Oci::RegistryError { envelope, .. } => Failure::Answer {
                status: envelope.errors.first().map_or(400, status_of),
                body: serde_json::to_vec(&envelope).unwrap_or_default(),
            },
            Oci::IoError(error) => match error.downcast::<reqwest::Error>() {
                Ok(error) => error.into(),
                Err(error) => Failure::Protocol(error.to_string()),
            },
            // What was decoded is left out: it may be a token.
            Oci::RegistryTokenDecodeError(_) => Failure::Protocol("its token can't be read".to_owned()),
            Oci::RegistryNoLocationError => Failure::Protocol("it names no place for the upload".to_owned()),
            Oci::UrlParseError(_) => Failure::Protocol("it names a place that is no URL".to_owned()),
            error => Failure::Protocol(error.to_string()),
        }
    }
}

/// The status that goes with an error's code
/// ([distribution](https://distribution.github.io/distribution/spec/api/#errors-2)).
fn status_of(error: &OciError) -> u16 {
    use oci_client::errors::OciErrorCode as Code;
    match error.code {
        Code::Unauthorized => 401,
        Code::Denied => 403,
        Code::BlobUnknown
        | Code::BlobUploadUnknown
        | Code::ManifestBlobUnknown
        | Code::ManifestUnknown
        | Code::NameUnknown => 404,
        Code::Unsupported => 405,
        Code::Toomanyrequests => 429,
        _ => 400,
    }
}

fn rejected(status: u16, body: &[u8], context: &Context<'_>) -> RegistryError {
    let (code, text) = said(body);
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
        _ => RegistryError::Rejected { action, status, code, message },
    }
}

fn user(credentials: &Credentials) -> Option<String> {
    match credentials {
        Credentials::Basic { username, .. } => Some(username.clone()),
        Credentials::Anonymous => None,
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
        let parts = [printable(&error.code), printable(error.message.as_deref().unwrap_or_default())];
        let text =
            parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(": ");
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

    fn explained(failure: Failure) -> RegistryError {
        let credentials = Credentials::Basic { username: "me".to_owned(), password: Secret::new("hunter2") };
        let options = &RegistryOptions { credentials, ..RegistryOptions::default() };
        let context = Context { action: "push", registry: "ghcr.io", origin: "https://ghcr.io", options };
        match failure.explain(&context) {
            Error::Registry(error) => error,
            error => panic!("{error}"),
        }
    }

    fn answer(status: u16, body: &str) -> RegistryError {
        explained(Failure::Answer { status, body: body.as_bytes().to_vec() })
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
        let RegistryError::Rejected { status, code, message, .. } = answer(400, body) else { panic!() };
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
    fn the_client_s_errors_keep_their_meaning() {
        let envelope = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#;
        let envelope = serde_json::from_str(envelope).unwrap();
        let error = OciDistributionError::RegistryError { envelope, url: String::new() };
        assert!(Failure::from(error).is_not_found());
        let error = OciDistributionError::AuthenticationFailure("hunter2".to_owned());
        let text = explained(error.into()).to_string();
        assert!(!text.contains("hunter2"), "{text}");
        let error = OciDistributionError::RegistryTokenDecodeError("hunter2".to_owned());
        assert!(!explained(error.into()).to_string().contains("hunter2"));
    }
}

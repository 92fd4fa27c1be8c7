//! Error responses: their status, and the errors in their body.

use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;

use super::exchange::Pace;
use super::retry::retry_after;
use super::sent_secrets::SentSecrets;
use crate::text::is_obeyed;

/// Longest part of an error response's body that we read, in bytes.
const MAX_ERROR_BODY: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct ErrorResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) retry_after: Option<Duration>,
}

impl ErrorResponse {
    pub(super) async fn of(mut response: Response, mut pace: Pace) -> ErrorResponse {
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let mut body = Vec::new();
        loop {
            match pace.chunk(&mut response).await {
                Ok(Some(chunk)) if body.len() <= MAX_ERROR_BODY => body.extend_from_slice(&chunk),
                Ok(_) => break,
                // The status alone is enough for an error.
                Err(_) => {
                    tracing::debug!(status, "the body of an error response can't be read");
                    break;
                }
            }
        }
        body.truncate(MAX_ERROR_BODY);
        ErrorResponse { status, body, retry_after }
    }

    pub(super) fn lacks_a_blob(&self) -> bool {
        // We send a manifest only after the registry has confirmed all of its blobs, so this is temporary: some
        // registries confirm a blob too early while another client uploads it.
        let is_missing = |error: &SpecError| error.code == "MANIFEST_BLOB_UNKNOWN";
        matches!(self.status, 400 | 404) && self.errors().iter().any(is_missing)
    }

    pub(super) fn errors(&self) -> Vec<SpecError> {
        #[derive(Default, Deserialize)]
        struct Envelope {
            errors: Vec<SpecError>,
        }
        // The body may be something else, such as a proxy's HTML page.
        serde_json::from_slice::<Envelope>(&self.body).unwrap_or_default().errors
    }
}

/// Error in the body of an error response
/// ([distribution-spec, error codes](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes)).
#[derive(Deserialize)]
pub(super) struct SpecError {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    message: Option<String>,
}

impl SpecError {
    /// Returns code and message, without our own secrets.
    pub(super) fn text(&self, secrets: &SentSecrets) -> String {
        // Before it is cut off, which would leave a part of a secret.
        let shown = |text: &str| printable(&secrets.mask(text));
        let message = shown(self.message.as_deref().unwrap_or_default());
        match (shown(&self.code), message) {
            (code, message) if message.is_empty() => code,
            (code, message) if code.is_empty() => message,
            (code, message) => format!("{code}: {message}"),
        }
    }
}

/// Returns the start of a foreign text without control characters.
pub(super) fn printable(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    // Control characters could move the terminal's cursor.
    text.trim().chars().map(|c| if is_obeyed(c) { ' ' } else { c }).take(MAX_CHARS).collect()
}

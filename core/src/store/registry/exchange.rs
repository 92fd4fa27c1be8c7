//! Single HTTP exchanges: the one place where requests are sent, and where the debug log learns of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap};
use reqwest::{Client, Request, Response, Url};

use super::request_error::RequestError;
use crate::error::error_chain;

// Other query parameters may be secrets, such as an upload's state or a signature.
const PUBLIC_PARAMETERS: [&str; 7] = ["digest", "from", "last", "mount", "n", "scope", "service"];

// Tells concurrent requests apart in the log.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// Sends a request and returns the response, whatever its status.
pub(super) async fn execute(client: &Client, request: Request) -> Result<Response, RequestError> {
    let request_number = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
    let (method, url) = (request.method().clone(), request.url().clone());
    let authorization = scheme(request.headers()).map(str::to_owned);
    let sent = match request.body().and_then(reqwest::Body::as_bytes) {
        Some(body) => Some(body.len() as u64),
        None => content_length(request.headers()),
    };
    let start = Instant::now();
    let result = client.execute(request).await.map_err(reqwest::Error::without_url);
    let ms = start.elapsed().as_millis();
    let url = redacted(&url);
    match &result {
        Ok(response) => tracing::debug!(
            request = request_number,
            status = response.status().as_u16(),
            ms,
            sent,
            received = content_length(response.headers()),
            authorization,
            "{method} {url}"
        ),
        Err(error) => {
            let error = error_chain(error);
            tracing::debug!(request = request_number, ms, sent, authorization, %error, "{method} {url}");
        }
    }
    Ok(result?)
}

/// Least bytes of a body in a second, on average. A body that comes more slowly keeps us waiting for nothing.
const MIN_RATE: f64 = 1024.0;

/// The pace at which a body arrives. The time limit for reading does not end a body that comes byte by byte.
pub(super) struct Pace {
    window: Duration,
    start: Instant,
    received: usize,
}

impl Pace {
    /// Returns a pace that is measured in windows of this length.
    pub(super) fn new(window: Duration) -> Pace {
        Pace { window, start: Instant::now(), received: 0 }
    }

    /// Returns the next part of a body, or an error if it came too slowly.
    pub(super) async fn chunk(
        &mut self,
        response: &mut Response,
    ) -> Result<Option<Bytes>, RequestError> {
        let Some(chunk) = response.chunk().await? else { return Ok(None) };
        self.received += chunk.len();
        let elapsed = self.start.elapsed();
        if elapsed >= self.window {
            if (self.received as f64) < MIN_RATE * elapsed.as_secs_f64() {
                return Err(RequestError::Stalled(self.window));
            }
            *self = Pace::new(self.window);
        }
        Ok(Some(chunk))
    }
}

/// Returns the body of a response, unless it is longer than `limit` bytes.
pub(super) async fn bounded_body(
    mut response: Response,
    limit: u64,
    mut pace: Pace,
) -> Result<Vec<u8>, RequestError> {
    let too_large = |length: u64| length > limit;
    if response.content_length().is_some_and(too_large) {
        return Err(RequestError::TooLarge { limit });
    }
    // A chunked body declares no length.
    let mut body = Vec::new();
    while let Some(chunk) = pace.chunk(&mut response).await? {
        body.extend_from_slice(&chunk);
        if too_large(body.len() as u64) {
            return Err(RequestError::TooLarge { limit });
        }
    }
    Ok(body)
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    // Not `Response::content_length`: that is the length of the body, which a response to HEAD does not have.
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns the authentication scheme without the credentials after it.
fn scheme(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.split(' ').next()
}

/// Returns a URL for the log: without user name, password and fragment, and without the values of parameters that may
/// be secrets.
pub(super) fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // URLs without a host can't have credentials, so an error leaves nothing to hide.
    let _ = shown.set_username("").and_then(|()| shown.set_password(None));
    let mut text = shown.to_string();
    for (index, (name, value)) in url.query_pairs().enumerate() {
        let value = if PUBLIC_PARAMETERS.contains(&&*name) { &value } else { "<redacted>" };
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(&format!("{name}={value}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_logged_url_has_no_secrets() {
        let log = |url: &str| redacted(&Url::parse(url).unwrap());
        assert_eq!(
            log(
                "https://me:hunter2@r.io/v2/a/blobs/uploads/1?_state=hunter2&digest=sha256:a#hunter2"
            ),
            "https://r.io/v2/a/blobs/uploads/1?_state=<redacted>&digest=sha256:a"
        );
        assert_eq!(
            log("https://r.io/token?service=r&token=x"),
            "https://r.io/token?service=r&token=<redacted>"
        );
        assert_eq!(
            log("https://s3.io/a?X-Amz-Signature=x"),
            "https://s3.io/a?X-Amz-Signature=<redacted>"
        );
    }

    #[test]
    fn the_scheme_of_an_authorization_is_all_of_it_in_the_log() {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
        assert_eq!(scheme(&headers), Some("Bearer"));
    }
}

//! Entry points for fuzz targets: parts of the client that read what a registry sends.

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use super::challenge::Challenge;

/// Returns the token server that the challenge in these values of `WWW-Authenticate` names, if it may get credentials.
#[must_use]
pub fn bearer_realm(values: &[&[u8]], origin: &str) -> Option<String> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value).ok()?);
    }
    match Challenge::of(&headers, &Url::parse(origin).ok()?) {
        Ok(Challenge::Bearer(bearer)) => Some(bearer.realm.into()),
        _ => None,
    }
}

//! Tokens, as token servers send them
//! ([distribution, token authentication](https://distribution.github.io/distribution/spec/auth/token/)).

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::Secret;
use super::auth::sensitive_header;
use super::request_error::RequestError;

/// Lifetime assumed for a token without `expires_in`, in seconds (the spec's default).
const DEFAULT_LIFETIME: f64 = 60.0;
// A token that lives longer is replaced when the registry refuses it, as any other.
const MAX_LIFETIME: f64 = 24.0 * 60.0 * 60.0;
// Replaced this long before its expiry, a token does not expire while its request is on the way.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

pub(super) struct Token {
    pub(super) value: Secret,
    pub(super) until: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    // The spec wants an integer. Some servers send a text or a fraction, and any number may be a lie.
    expires_in: Option<Value>,
}

impl Token {
    /// Reads the body of a response that arrives now.
    pub(super) fn parse(body: &[u8]) -> Result<Token, RequestError> {
        let invalid = || RequestError::protocol("its token server sent no valid token");
        // The parser's error may quote the token, so it is dropped.
        let response: TokenResponse = serde_json::from_slice(body).map_err(|_| invalid())?;
        let lifetime = lifetime(response.expires_in.as_ref());
        // The spec allows both names; `access_token` is that of OAuth 2. Some servers send both, one of them empty.
        let mut values = [response.token, response.access_token].into_iter().flatten();
        let value = values.find(|token| !token.is_empty()).ok_or_else(invalid)?;
        sensitive_header(&value).ok_or_else(invalid)?;
        tracing::debug!(?lifetime, "new token");
        // A lifetime shorter than the margin would otherwise make the token expire at once.
        let until = Instant::now() + lifetime.saturating_sub(EXPIRY_MARGIN).max(lifetime / 2);
        Ok(Token { value: Secret::new(value), until })
    }
}

fn lifetime(expires_in: Option<&Value>) -> Duration {
    let seconds = match expires_in {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let seconds: f64 = seconds.filter(|seconds| *seconds >= 1.0).unwrap_or(DEFAULT_LIFETIME);
    Duration::from_secs_f64(seconds.min(MAX_LIFETIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_lifetime_is_clamped() {
        for (text, seconds) in [
            ("300", 300.0),
            ("\"300\"", 300.0),
            ("300.5", 300.5),
            ("9223372036854775807", MAX_LIFETIME),
            ("18446744073709551615", MAX_LIFETIME),
            ("99999999999999999999999999", MAX_LIFETIME),
            ("\"inf\"", MAX_LIFETIME),
            ("\"NaN\"", DEFAULT_LIFETIME),
            ("-1", DEFAULT_LIFETIME),
            ("-9223372036854775808", DEFAULT_LIFETIME),
            ("0", DEFAULT_LIFETIME),
            ("null", DEFAULT_LIFETIME),
            ("\"soon\"", DEFAULT_LIFETIME),
            ("[]", DEFAULT_LIFETIME),
        ] {
            let body = format!(r#"{{"token":"x","expires_in":{text}}}"#);
            let token = Token::parse(body.as_bytes()).unwrap_or_else(|_| panic!("{text}"));
            let left = token.until.duration_since(Instant::now()).as_secs_f64();
            assert!((seconds - 11.0..=seconds - 9.0).contains(&left), "{text}: {left}");
        }
    }

    #[test]
    fn a_token_has_one_of_two_names() {
        let value = |body: &str| Token::parse(body.as_bytes()).ok().map(|token| token.value);
        let x = Some(Secret::new("x"));
        assert_eq!(value(r#"{"token":"x"}"#), x);
        assert_eq!(value(r#"{"token":"","access_token":"x"}"#), x);
        assert_eq!(value(r#"{"token":null,"access_token":"x"}"#), x);
        assert_eq!(value(r#"{"token":"x","access_token":""}"#), x);
        for body in [r#"{"token":""}"#, "{}", "", r#"{"token":"a\r\nb: c"}"#] {
            assert!(value(body).is_none(), "{body}");
        }
    }
}

//! Challenges: the authentication that a registry asks for with a 401 response
//! ([RFC 9110, WWW-Authenticate](https://www.rfc-editor.org/rfc/rfc9110.html#name-www-authenticate)).

use http_auth::ChallengeRef;
use reqwest::Url;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use super::exchange::redacted;
use super::request_error::RequestError;
use crate::trace::OrTrace;

#[derive(Default, Clone)]
pub(super) enum Challenge {
    /// No response of the registry yet.
    #[default]
    Unknown,
    /// None, or none that we support.
    Nothing,
    Basic,
    Bearer(BearerChallenge),
}

#[derive(Clone)]
pub(super) struct BearerChallenge {
    pub(super) realm: Url,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

impl Challenge {
    /// Returns the challenge of a 401 response. Bearer takes precedence over Basic.
    pub(super) fn of(headers: &HeaderMap, origin: &Url) -> Result<Challenge, RequestError> {
        let mut found = Challenge::Nothing;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            let text = value.to_str().or_trace("read `WWW-Authenticate`").unwrap_or_default();
            // One header that we can't parse may be followed by others that we can.
            let challenges = http_auth::parse_challenges(text).map_err(|error| error.to_string());
            for challenge in challenges.or_trace("parse `WWW-Authenticate`").unwrap_or_default() {
                // RFC 9110, section 11.1: the names of schemes are case-insensitive.
                if challenge.scheme.eq_ignore_ascii_case("bearer") {
                    return bearer(&challenge, origin).map(Challenge::Bearer);
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    tracing::debug!("challenge: Basic");
                    found = Challenge::Basic;
                }
            }
        }
        Ok(found)
    }
}

fn bearer(challenge: &ChallengeRef<'_>, origin: &Url) -> Result<BearerChallenge, RequestError> {
    let param = |name: &str| {
        // RFC 9110, section 11.2: the names of parameters are case-insensitive, too.
        let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_unescaped())
    };
    let realm = Url::parse(&param("realm").unwrap_or_default()).or_trace("parse the realm");
    let realm =
        realm.filter(|realm| matches!(realm.scheme(), "http" | "https") && realm.has_host());
    let realm = realm.ok_or_else(|| RequestError::protocol("it names no token server"))?;
    let (service, scope) = (param("service"), param("scope"));
    tracing::debug!(realm = redacted(&realm), service, scope, "challenge: Bearer");
    // Over plain HTTP, others could read the credentials and the token.
    if realm.scheme() == "http" && origin.scheme() == "https" {
        let host = realm.host_str().unwrap_or_default().to_owned();
        return Err(RequestError::UntrustedRealm { host, safe: false });
    }
    Ok(BearerChallenge { realm, service, scope })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())).collect()
    }

    fn origin() -> Url {
        Url::parse("https://registry-1.docker.io").unwrap()
    }

    #[test]
    fn the_challenge_is_found_among_others() {
        let known = Challenge::of(
            &headers(&[
                "Basic realm=\"x\"",
                "Negotiate",
                r#"bearer Realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull""#,
            ]),
            &origin(),
        );
        let Ok(Challenge::Bearer(bearer)) = known else { panic!("no token is wanted") };
        assert_eq!(bearer.realm.as_str(), "https://auth.docker.io/token");
        assert_eq!(bearer.service.as_deref(), Some("registry.docker.io"));
        assert_eq!(bearer.scope.as_deref(), Some("repository:a/b:pull"));
        assert!(matches!(
            Challenge::of(&headers(&["Basic realm=x"]), &origin()),
            Ok(Challenge::Basic)
        ));
        assert!(matches!(
            Challenge::of(&headers(&["Digest x=y"]), &origin()),
            Ok(Challenge::Nothing)
        ));
        assert!(matches!(Challenge::of(&HeaderMap::new(), &origin()), Ok(Challenge::Nothing)));
    }

    #[test]
    fn a_realm_that_is_none_or_less_safe_is_refused() {
        for realm in [
            "",
            "token",
            "file:///etc/passwd",
            "gopher://auth.docker.io/",
            "http://auth.docker.io/token",
        ] {
            let header = format!("Bearer realm=\"{realm}\"");
            assert!(Challenge::of(&headers(&[&header]), &origin()).is_err(), "{realm}");
        }
    }
}

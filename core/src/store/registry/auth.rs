//! Registry authentication: `WWW-Authenticate` challenges, bearer tokens, and which hosts may receive credentials
//! ([distribution, token authentication](https://distribution.github.io/distribution/spec/auth/token/)).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Request, RequestBuilder, Url};
use tokio::sync::Mutex;

use super::access::{Access, without};
use super::address::is_host;
use super::challenge::{BearerChallenge, Challenge};
use super::clients::{Clients, Purpose};
use super::error_response::ErrorResponse;
use super::exchange::{Pace, bounded_body};
use super::owner::same_owner;
use super::request_error::RequestError;
use super::sent_secrets::SentSecrets;
use super::token::Token;
use super::transport::root_url;
use super::{Credentials, RegistryOptions, Secret};

/// Longest response of a token server that we read, in bytes.
const MAX_TOKEN_RESPONSE: u64 = 1 << 20;
const CLIENT_ID: &str = "wasm-oci";

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Authorization {
    None,
    Basic,
    Bearer(Secret),
}

static ANONYMOUS: Credentials = Credentials::Anonymous;

pub(super) struct Auth {
    credentials: Credentials,
    /// True for a stored login, which may be out of date.
    is_stored: bool,
    /// `scheme://host:port`.
    origin: Url,
    repository: String,
    /// Hosts on other domains that may receive the credentials.
    token_servers: Vec<String>,
    clients: Arc<Clients>,
    read_timeout: Duration,
    pub(super) secrets: SentSecrets,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    challenge: Challenge,
    /// By their scopes.
    tokens: BTreeMap<Vec<String>, Token>,
    /// True once the registry has refused a stored login for reading.
    pulls_anonymously: bool,
}

impl Auth {
    /// Returns the authentication for a repository of the registry at `origin`.
    pub(super) fn new(
        options: &RegistryOptions,
        origin: Url,
        repository: &str,
        clients: Arc<Clients>,
    ) -> Auth {
        Auth {
            credentials: options.credentials.clone(),
            is_stored: options.is_stored_login,
            origin,
            repository: repository.to_owned(),
            token_servers: options.token_servers.clone(),
            clients,
            read_timeout: options.read_timeout,
            secrets: SentSecrets::new(&options.credentials),
            state: Mutex::default(),
        }
    }

    pub(super) async fn authorization(
        &self,
        access: Access<'_>,
    ) -> Result<Authorization, RequestError> {
        let mut state = self.state.lock().await;
        if matches!(state.challenge, Challenge::Unknown) {
            if *self.credentials(&state, access) == Credentials::Anonymous {
                return Ok(Authorization::None);
            }
            // Some registries answer anonymous requests with 404 instead of 401, so ask for the challenge first.
            state.challenge = self.probe().await?;
        }
        let known = self.known_token(&state, access);
        self.authorize_with(&mut state, access, known).await
    }

    /// Returns a token for exactly this access, otherwise one for more.
    fn known_token(&self, state: &State, access: Access<'_>) -> Option<Secret> {
        let scopes = access.scopes(&self.repository);
        let is_enough = |granted: &[String]| scopes.iter().all(|scope| granted.contains(scope));
        let exact = state.tokens.get(&scopes).into_iter();
        let more = state.tokens.iter().filter(|(granted, _)| is_enough(granted)).map(|it| it.1);
        let mut valid = exact.chain(more).filter(|token| token.until > Instant::now());
        valid.next().map(|token| token.value.clone())
    }

    /// Handles a 401 response to a request with the authorization `used`, so that the next one gets another. Returns
    /// `refusal` if there is no other.
    pub(super) async fn renew(
        &self,
        access: Access<'_>,
        used: &Authorization,
        headers: &HeaderMap,
        refusal: RequestError,
    ) -> Result<(), RequestError> {
        let mut state = self.state.lock().await;
        // An expired token fails several concurrent requests. The first of them gets a new token for all.
        let is_used = |token: &Token| *used == Authorization::Bearer(token.value.clone());
        let is_renewed =
            state.tokens.get(&access.scopes(&self.repository)).is_some_and(|token| !is_used(token));
        if is_renewed && *used != Authorization::Basic {
            return Ok(());
        }
        state.challenge = match Challenge::of(headers, &self.origin)? {
            Challenge::Unknown | Challenge::Nothing => return Err(refusal),
            // The registry has seen the credentials and rejects them.
            Challenge::Basic if *used == Authorization::Basic => return Err(refusal),
            Challenge::Basic if *self.credentials(&state, access) == Credentials::Anonymous => {
                return Err(refusal);
            }
            Challenge::Bearer(mut bearer) => {
                // Requests for other access follow, and a server may refuse them a token that is for the source, too.
                if let (Access::Mount(source), Some(scope)) = (access, &bearer.scope) {
                    bearer.scope = Some(without(scope, source));
                }
                Challenge::Bearer(bearer)
            }
            challenge => challenge,
        };
        // Also a token that is for more than this: the server may have granted less of it than we need here.
        state.tokens.retain(|_, token| !is_used(token));
        self.authorize_with(&mut state, access, None).await.map(drop)
    }

    /// Stops using a stored login for reading, because a public image needs none. Returns false if there is none, or if
    /// `access` is not for reading.
    pub(super) async fn forget_stored_login(&self, access: Access<'_>) -> bool {
        if !self.is_stored || access != Access::Pull || self.credentials == Credentials::Anonymous {
            return false;
        }
        let mut state = self.state.lock().await;
        if !state.pulls_anonymously {
            *state = State { pulls_anonymously: true, ..State::default() };
        }
        true
    }

    fn credentials(&self, state: &State, access: Access<'_>) -> &Credentials {
        let is_anonymous = state.pulls_anonymously && access == Access::Pull;
        if is_anonymous { &ANONYMOUS } else { &self.credentials }
    }

    /// Adds the header to a request to the registry itself.
    pub(super) fn apply(
        &self,
        authorization: &Authorization,
        request: &mut Request,
    ) -> Result<(), RequestError> {
        let value = match authorization {
            Authorization::None => return Ok(()),
            Authorization::Basic => basic(&self.credentials)?,
            Authorization::Bearer(token) => sensitive_header(&format!("Bearer {}", token.reveal()))
                .ok_or_else(|| RequestError::protocol("its token can't be sent in a header"))?,
        };
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    /// Returns the authorization that the challenge wants: with the token `known` if it wants one, otherwise with a new one.
    async fn authorize_with(
        &self,
        state: &mut State,
        access: Access<'_>,
        known: Option<Secret>,
    ) -> Result<Authorization, RequestError> {
        let credentials = self.credentials(state, access);
        let bearer = match &state.challenge {
            Challenge::Unknown | Challenge::Nothing => return Ok(Authorization::None),
            Challenge::Basic if *credentials == Credentials::Anonymous => {
                return Ok(Authorization::None);
            }
            Challenge::Basic => return Ok(Authorization::Basic),
            Challenge::Bearer(bearer) => bearer,
        };
        if let Some(token) = known {
            return Ok(Authorization::Bearer(token));
        }
        let token = self.token(bearer, access, credentials).await?;
        let value = token.value.clone();
        self.secrets.add(&value);
        state.tokens.insert(access.scopes(&self.repository), token);
        Ok(Authorization::Bearer(value))
    }

    /// Asks the registry for its challenge
    /// ([distribution-spec, determining support](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#determining-support)).
    async fn probe(&self) -> Result<Challenge, RequestError> {
        let request = self.clients.request(Method::GET, &root_url(&self.origin)).build()?;
        let response = self.clients.send(Purpose::Token, request).await?;
        match response.status().as_u16() {
            401 => Challenge::of(response.headers(), &self.origin),
            // Other errors come again with the request that matters.
            _ => Ok(Challenge::Nothing),
        }
    }

    async fn token(
        &self,
        bearer: &BearerChallenge,
        access: Access<'_>,
        credentials: &Credentials,
    ) -> Result<Token, RequestError> {
        // An anonymous request for a token contains no secret, so any public server may receive it.
        if *credentials != Credentials::Anonymous {
            self.check_realm(&bearer.realm)?;
        }
        let request = self.token_request(bearer, access, credentials)?.build()?;
        let response = self.clients.send(Purpose::Token, request).await?;
        let pace = Pace::new(self.read_timeout);
        if !response.status().is_success() {
            let response = ErrorResponse::of(response, pace).await;
            // The token server refuses a token. For users, that is the registry rejecting their credentials.
            let is_refusal = matches!(response.status, 400 | 403 | 404);
            let status = if is_refusal { 401 } else { response.status };
            return Err(RequestError::Status(ErrorResponse { status, ..response }));
        }
        Token::parse(&bounded_body(response, MAX_TOKEN_RESPONSE, pace).await?)
    }

    /// Returns the request for a token: a GET with name and password, or a POST that exchanges an identity token
    /// ([distribution, OAuth 2](https://distribution.github.io/distribution/spec/auth/oauth/)).
    fn token_request(
        &self,
        bearer: &BearerChallenge,
        access: Access<'_>,
        credentials: &Credentials,
    ) -> Result<RequestBuilder, RequestError> {
        let scopes = access.all_scopes(&self.repository, bearer.scope.as_deref());
        let service = bearer.service.as_deref();
        let host = bearer.realm.host_str();
        if let Credentials::IdentityToken(token) = credentials {
            let scope = scopes.join(" ");
            let mut form = vec![
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", token.reveal()),
                ("scope", &scope),
            ];
            form.extend(service.map(|service| ("service", service)));
            tracing::debug!(host, scope, "sending the identity token to the token server");
            return Ok(self.clients.request(Method::POST, &bearer.realm).form(&form));
        }
        let mut url = bearer.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(service.map(|service| ("service", service)));
            query.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
        }
        let request = self.clients.request(Method::GET, &url);
        if !matches!(credentials, Credentials::Basic { .. }) {
            return Ok(request);
        }
        tracing::debug!(host, "sending name and password to the token server");
        Ok(request.header(AUTHORIZATION, basic(credentials)?))
    }

    /// Checks that a token server may receive the credentials: it is on the registry's own domain or named by the user,
    /// and its connection is as safe as the registry's.
    fn check_realm(&self, realm: &Url) -> Result<(), RequestError> {
        let safe = realm.scheme() == "https" || self.origin.scheme() == "http";
        let host = realm.host_str().unwrap_or_default();
        let own = self.origin.host_str().unwrap_or_default();
        // A malicious registry could otherwise collect passwords.
        if safe
            && (same_owner(own, host)
                || self.token_servers.iter().any(|named| is_host(realm, named)))
        {
            return Ok(());
        }
        Err(RequestError::UntrustedRealm { host: host.to_owned(), safe })
    }
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, RequestError> {
    let Credentials::Basic { username, password } = credentials else {
        return Err(RequestError::Credentials(
            "the registry requires a user name and a password, not a token",
        ));
    };
    // RFC 7617, section 2: the server takes everything after the first colon for the password.
    if username.contains(':') {
        return Err(RequestError::Credentials("the user name contains a colon"));
    }
    if username.is_empty() {
        return Err(RequestError::Credentials("the user name is empty"));
    }
    let encoded = BASE64.encode(format!("{username}:{}", password.reveal()));
    sensitive_header(&format!("Basic {encoded}"))
        .ok_or(RequestError::Credentials("they can't be sent in a header"))
}

/// Returns the value of a header that neither logs nor `Debug` show.
pub(super) fn sensitive_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::super::clients::Clients;
    use super::*;

    fn auth(registry: &str, token_servers: &[&str]) -> Auth {
        let credentials =
            Credentials::Basic { username: "me".to_owned(), password: Secret::new("hunter2") };
        let origin = Url::parse(registry).unwrap();
        let options = RegistryOptions {
            credentials,
            token_servers: token_servers.iter().map(|host| (*host).to_owned()).collect(),
            ..RegistryOptions::default()
        };
        let clients = Clients::new(&origin, &options).unwrap();
        Auth::new(&options, origin, "own/app", Arc::new(clients))
    }

    #[test]
    fn credentials_go_to_token_services_of_the_same_owner() {
        let trusts = |registry: &str, realm: &str| {
            auth(registry, &["named.example.net"]).check_realm(&Url::parse(realm).unwrap()).is_ok()
        };
        for (registry, realm) in [
            ("https://registry-1.docker.io", "https://auth.docker.io/token"),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("https://ghcr.io", "https://ghcr.io/token"),
            ("https://registry.firm.co.uk", "https://login.firm.co.uk/token"),
            ("https://registry.firm.com", "https://named.example.net/token"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/token"),
            ("http://registry.lan:5000", "https://auth.registry.lan/token"),
        ] {
            assert!(trusts(registry, realm), "{registry} {realm}");
        }
        for (registry, realm) in [
            ("https://ghcr.io", "https://ghcr.io.evil.com/token"),
            ("https://ghcr.io", "https://evil.com/token"),
            ("https://firm.co.uk", "https://evil.co.uk/token"),
            ("https://me.github.io", "https://evil.github.io/token"),
            ("https://ghcr.io", "http://ghcr.io/token"),
            ("https://10.0.0.1", "https://10.0.0.2/token"),
            ("http://127.0.0.1:5000", "http://10.0.0.2/token"),
            ("https://registry.firm.com", "http://named.example.net/token"),
        ] {
            assert!(!trusts(registry, realm), "{registry} {realm}");
        }
    }

    #[test]
    fn a_header_of_credentials_is_not_shown() {
        let basic = basic(&auth("https://r.io", &[]).credentials).ok().unwrap();
        assert_eq!(basic.to_str().unwrap(), "Basic bWU6aHVudGVyMg==");
        assert_eq!(format!("{basic:?}"), "Sensitive");
        assert!(sensitive_header("a\r\nb: c").is_none());
    }
}

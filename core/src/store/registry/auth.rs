//! Who the registry is told that we are: its challenge, the tokens that answer it, and to whom credentials may go
//! ([distribution, token authentication](https://distribution.github.io/distribution/spec/auth/token/)).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use http_auth::ChallengeRef;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Request, RequestBuilder, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::request_error::{ErrorResponse, RequestError};
use super::transport::{bounded_body, root_url};
use super::{Credentials, RegistryOptions, Secret};

/// A token that says nothing of its end is good for a minute.
const SHORTEST_LIFE: u64 = 60;
/// A token this close to its end is replaced before it is refused.
const MARGIN: Duration = Duration::from_secs(10);
/// The largest answer of a token service that is read.
const MAX_TOKEN: u64 = 1 << 20;
/// The name under which tokens are asked for.
const CLIENT_ID: &str = "wasm-oci";

/// What a token is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    /// Nothing but to be known.
    LogIn,
    /// To read.
    Pull,
    /// To read and write.
    Push,
    /// To write, and to read the repository that blobs are mounted from.
    Mount,
    /// To delete.
    Delete,
}

/// What requests to the registry carry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Authorization {
    None,
    Basic,
    Bearer(Secret),
}

/// Tokens for one repository, and how they are got.
pub(super) struct Auth {
    credentials: Credentials,
    /// `scheme://host:port`.
    origin: Url,
    repository: String,
    mount_from: Option<String>,
    /// Hosts of other domains that may see the credentials.
    token_servers: Vec<String>,
    /// It follows no redirects: they could lead credentials anywhere.
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    challenge: Challenge,
    tokens: BTreeMap<Access, Token>,
}

/// What the registry wants.
#[derive(Default, Clone)]
enum Challenge {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// Nothing, as far as it said.
    Nothing,
    Basic,
    Bearer(BearerChallenge),
}

#[derive(Clone)]
struct BearerChallenge {
    realm: Url,
    service: Option<String>,
    scope: Option<String>,
}

struct Token {
    value: Secret,
    until: Instant,
}

impl Auth {
    /// For one repository of the registry at `origin`. `client` must follow no redirects.
    pub(super) fn new(
        options: &RegistryOptions,
        origin: Url,
        repository: &str,
        client: Client,
    ) -> Auth {
        Auth {
            credentials: options.credentials.clone(),
            origin,
            repository: repository.to_owned(),
            mount_from: options.mount_from.clone(),
            token_servers: options.token_servers.clone(),
            client,
            state: Mutex::default(),
        }
    }

    /// What a request for `access` carries, as far as is known. Who has credentials asks the registry first what it
    /// wants: some answer the unknown that nothing is there.
    pub(super) async fn authorization(
        &self,
        access: Access,
    ) -> Result<Authorization, RequestError> {
        let mut state = self.state.lock().await;
        if matches!(
            (&state.challenge, &self.credentials),
            (Challenge::Unknown, Credentials::Anonymous)
        ) {
            return Ok(Authorization::None);
        }
        if matches!(state.challenge, Challenge::Unknown) {
            state.challenge = self.ask().await?;
        }
        self.answer(&mut state, access).await
    }

    /// Takes notice of a request that was refused (401) with this `used`, so that the next can carry something else.
    ///
    /// # Errors
    /// `refusal`, when there is nothing else.
    pub(super) async fn challenged(
        &self,
        access: Access,
        used: &Authorization,
        headers: &HeaderMap,
        refusal: RequestError,
    ) -> Result<(), RequestError> {
        let mut state = self.state.lock().await;
        // Several requests are refused at once when a token ends; the first gets a new one for all.
        let newer = state
            .tokens
            .get(&access)
            .is_some_and(|t| *used != Authorization::Bearer(t.value.clone()));
        if newer && *used != Authorization::Basic {
            return Ok(());
        }
        state.challenge = match challenge(headers, &self.origin)? {
            Challenge::Unknown | Challenge::Nothing => return Err(refusal),
            // It was told, and doesn't believe it.
            Challenge::Basic if *used == Authorization::Basic => return Err(refusal),
            Challenge::Basic if self.credentials == Credentials::Anonymous => return Err(refusal),
            known => known,
        };
        state.tokens.remove(&access);
        self.answer(&mut state, access).await.map(drop)
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
            Authorization::Bearer(token) => header(&format!("Bearer {}", token.reveal()))
                .ok_or_else(|| RequestError::protocol("its token can't be sent in a header"))?,
        };
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    async fn answer(
        &self,
        state: &mut State,
        access: Access,
    ) -> Result<Authorization, RequestError> {
        let bearer = match &state.challenge {
            Challenge::Unknown | Challenge::Nothing => return Ok(Authorization::None),
            Challenge::Basic => return Ok(Authorization::Basic),
            Challenge::Bearer(bearer) => bearer,
        };
        if let Some(token) = state.tokens.get(&access).filter(|token| token.until > Instant::now())
        {
            return Ok(Authorization::Bearer(token.value.clone()));
        }
        let token = self.token(bearer, access).await?;
        let value = token.value.clone();
        state.tokens.insert(access, token);
        Ok(Authorization::Bearer(value))
    }

    /// Asks the registry what it wants
    /// ([distribution-spec, determining support](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#determining-support)).
    async fn ask(&self) -> Result<Challenge, RequestError> {
        let response = self.client.get(root_url(&self.origin)).send().await?;
        match response.status().as_u16() {
            401 => challenge(response.headers(), &self.origin),
            // Whatever else it says, it says it again when something real is asked for.
            _ => Ok(Challenge::Nothing),
        }
    }

    async fn token(&self, bearer: &BearerChallenge, access: Access) -> Result<Token, RequestError> {
        if self.credentials != Credentials::Anonymous {
            self.check_realm(&bearer.realm)?;
        }
        let response = self.token_request(bearer, access)?.send().await?;
        let status = response.status();
        if !status.is_success() {
            let answer = ErrorResponse::of(response).await;
            // It refuses to make a token: to users that is the registry refusing them.
            let refused = matches!(answer.status, 400 | 403 | 404);
            return Err(RequestError::Status(if refused {
                ErrorResponse { status: 401, ..answer }
            } else {
                answer
            }));
        }
        let begin = Instant::now();
        let response: TokenResponse =
            serde_json::from_slice(&bounded_body(response, MAX_TOKEN).await?)
                // What was decoded is left out: it may be a token.
                .map_err(|_| RequestError::protocol("its token can't be read"))?;
        let value = response.token.or(response.access_token).filter(|token| !token.is_empty());
        let value =
            value.ok_or_else(|| RequestError::protocol("its token service gives no token"))?;
        if header(&value).is_none() {
            return Err(RequestError::protocol("its token can't be sent in a header"));
        }
        let life = Duration::from_secs(response.expires_in.unwrap_or(SHORTEST_LIFE));
        let until = begin + life.saturating_sub(MARGIN).max(life / 2);
        Ok(Token { value: Secret::new(value), until })
    }

    /// Names and passwords are sent as such with a GET; an identity token is exchanged with a POST
    /// ([distribution, OAuth 2](https://distribution.github.io/distribution/spec/auth/oauth/)).
    fn token_request(
        &self,
        bearer: &BearerChallenge,
        access: Access,
    ) -> Result<RequestBuilder, RequestError> {
        let scopes = self.scopes(bearer, access);
        let service = bearer.service.as_deref();
        if let Credentials::IdentityToken(token) = &self.credentials {
            let scope = scopes.join(" ");
            let mut form = vec![
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("refresh_token", token.reveal()),
                ("scope", &scope),
            ];
            form.extend(service.map(|service| ("service", service)));
            return Ok(self.client.post(bearer.realm.clone()).form(&form));
        }
        let mut url = bearer.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(service.map(|service| ("service", service)));
            query.extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
        }
        let request = self.client.get(url);
        Ok(match &self.credentials {
            Credentials::Basic { .. } => request.header(AUTHORIZATION, basic(&self.credentials)?),
            _ => request,
        })
    }

    /// What the token has to allow: what we are about to do, and what the registry said it wants for other things than
    /// our repository.
    fn scopes(&self, bearer: &BearerChallenge, access: Access) -> Vec<String> {
        let own = format!("repository:{}:", self.repository);
        let mut scopes = match access {
            Access::LogIn => Vec::new(),
            Access::Pull => vec![format!("{own}pull")],
            Access::Push | Access::Mount => vec![format!("{own}pull,push")],
            Access::Delete => vec![format!("{own}pull,push,delete")],
        };
        if let (Access::Mount, Some(from)) = (access, &self.mount_from) {
            scopes.push(format!("repository:{from}:pull"));
        }
        let others = bearer.scope.iter().flat_map(|scope| scope.split(' '));
        scopes.extend(
            others.filter(|scope| !scope.is_empty() && !scope.starts_with(&own)).map(str::to_owned),
        );
        scopes.dedup();
        scopes
    }

    /// A token service sees the credentials. It is the registry's own host, or one of the same owner by its domain, or
    /// one that the user named; and the way there is as safe as the one to the registry.
    fn check_realm(&self, realm: &Url) -> Result<(), RequestError> {
        let safe = realm.scheme() == "https" || self.origin.scheme() == "http";
        let host = realm.host_str().unwrap_or_default();
        let own = self.origin.host_str().unwrap_or_default();
        if safe && (same_owner(own, host) || self.token_servers.iter().any(|named| named == host)) {
            return Ok(());
        }
        Err(RequestError::UntrustedRealm { host: host.to_owned(), safe })
    }
}

/// Whether two hosts are one, or have one owner: the domain that can be registered, by the
/// [public suffix list](https://publicsuffix.org/), is the same.
fn same_owner(a: &str, b: &str) -> bool {
    let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if a == b {
        return true;
    }
    if is_address(a) || is_address(b) {
        return false;
    }
    matches!((psl::domain_str(a), psl::domain_str(b)), (Some(a), Some(b)) if a == b)
}

/// What an answer with the status 401 wants. Of several things, a token.
fn challenge(headers: &HeaderMap, origin: &Url) -> Result<Challenge, RequestError> {
    let mut known = Challenge::Nothing;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = value.to_str() else { continue };
        // What can't be understood may be followed by what can.
        for challenge in http_auth::parse_challenges(text).unwrap_or_default() {
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                return bearer(&challenge, origin).map(Challenge::Bearer);
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                known = Challenge::Basic;
            }
        }
    }
    Ok(known)
}

fn bearer(challenge: &ChallengeRef<'_>, origin: &Url) -> Result<BearerChallenge, RequestError> {
    let param = |name: &str| {
        let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_unescaped())
    };
    let realm = param("realm").and_then(|realm| Url::parse(&realm).ok());
    let realm =
        realm.filter(|realm| matches!(realm.scheme(), "http" | "https") && realm.has_host());
    let realm =
        realm.ok_or_else(|| RequestError::protocol("it doesn't say where to get a token"))?;
    if realm.scheme() == "http" && origin.scheme() == "https" {
        return Err(RequestError::UntrustedRealm {
            host: realm.host_str().unwrap_or_default().to_owned(),
            safe: false,
        });
    }
    Ok(BearerChallenge { realm, service: param("service"), scope: param("scope") })
}

#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, RequestError> {
    let Credentials::Basic { username, password } = credentials else {
        return Err(RequestError::Credentials(
            "the registry wants a user name and a password, not a token",
        ));
    };
    // RFC 7617, section 2: all after the first colon would be taken for the password.
    if username.contains(':') {
        return Err(RequestError::Credentials("there is a colon in the user name"));
    }
    let encoded = BASE64.encode(format!("{username}:{}", password.reveal()));
    header(&format!("Basic {encoded}"))
        .ok_or(RequestError::Credentials("they can't be sent in a header"))
}

fn header(text: &str) -> Option<HeaderValue> {
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
            mount_from: Some("from/there".to_owned()),
            ..RegistryOptions::default()
        };
        let clients = Clients::new("r.io", &options).unwrap();
        Auth::new(&options, origin, "own/app", clients.tokens)
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())).collect()
    }

    fn origin() -> Url {
        Url::parse("https://registry-1.docker.io").unwrap()
    }

    #[test]
    fn the_challenge_is_read_whatever_stands_beside_it() {
        let known = challenge(
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
        assert!(matches!(challenge(&headers(&["Basic realm=x"]), &origin()), Ok(Challenge::Basic)));
        assert!(matches!(challenge(&headers(&["Digest x=y"]), &origin()), Ok(Challenge::Nothing)));
        assert!(matches!(challenge(&HeaderMap::new(), &origin()), Ok(Challenge::Nothing)));
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
            assert!(challenge(&headers(&[&header]), &origin()).is_err(), "{realm}");
        }
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
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
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
    fn tokens_are_asked_for_what_is_done() {
        let scopes = |access, scope: Option<&str>| {
            let realm = origin();
            let bearer = BearerChallenge { realm, service: None, scope: scope.map(str::to_owned) };
            auth("https://r.io", &[]).scopes(&bearer, access)
        };
        assert_eq!(scopes(Access::Pull, None), ["repository:own/app:pull"]);
        assert_eq!(
            scopes(Access::Push, Some("repository:own/app:pull")),
            ["repository:own/app:pull,push"]
        );
        assert_eq!(scopes(Access::Delete, None), ["repository:own/app:pull,push,delete"]);
        let both = ["repository:own/app:pull,push", "repository:from/there:pull"];
        assert_eq!(scopes(Access::Mount, Some("repository:from/there:pull")), both);
        assert_eq!(scopes(Access::LogIn, Some("aws")), ["aws"]);
    }

    #[test]
    fn a_header_of_credentials_is_not_shown() {
        let basic = basic(&auth("https://r.io", &[]).credentials).ok().unwrap();
        assert_eq!(basic.to_str().unwrap(), "Basic bWU6aHVudGVyMg==");
        assert_eq!(format!("{basic:?}"), "Sensitive");
        assert!(header("a\r\nb: c").is_none());
    }
}

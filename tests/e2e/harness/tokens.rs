//! A token service, as those beside registries are.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::certs::Certificate;
use super::proxy::{header, read_head};
use super::registry::{PASSWORD, USER};

/// Issuer of the tokens that the registry accepts.
pub(crate) const ISSUER: &str = "tests";
/// Name of the registry in tokens.
pub(crate) const SERVICE: &str = "registry";

/// The way in which a service denies access to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The token is for everything else that was asked for, as Docker Hub's.
    Less,
    /// There is no token, as on GitHub.
    Refusal,
}

/// A service that gives [`USER`] a token for all that is asked for. It lives as long as the test's process.
pub(crate) struct Tokens {
    address: String,
    state: Arc<State>,
}

struct State {
    certificate: Certificate,
    requests: Mutex<Vec<String>>,
    denied: Mutex<Option<(String, Denial)>>,
}

impl Tokens {
    /// One whose tokens are signed with the key of this certificate.
    pub(crate) fn start(certificate: Certificate) -> Tokens {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let state = State { certificate, requests: Mutex::default(), denied: Mutex::default() };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &state).ok());
            }
        });
        Tokens { address, state }
    }

    /// URL of the token service.
    pub(crate) fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// Its `127.0.0.1:PORT`, which a client has to be told: it is on another port than the registry.
    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    /// Denies access to this repository from now on.
    pub(crate) fn deny(&self, repository: &str, denial: Denial) {
        let denied = Some((repository.to_owned(), denial));
        *self.state.denied.lock().expect("no test panics in it") = denied;
    }

    /// The paths that were asked for since the last time, with their queries.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.requests.lock().expect("no test panics in it"))
    }
}

fn serve(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let Some(head) = read_head(&mut reader)? else { return Ok(()) };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    state.requests.lock().expect("no test panics in it").push(path.clone());
    let denied = state.denied.lock().expect("no test panics in it").clone();
    let asks_for =
        |name: &str| scopes(&path).iter().any(|scope| scope.split(':').nth(1) == Some(name));
    let login = format!("Basic {}", BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let answer = match (header(&head, "authorization"), &denied) {
        (Some(given), Some((name, Denial::Refusal))) if given == login && asks_for(name) => {
            "HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
        }
        (Some(given), _) if given == login => {
            let denied = denied.map(|(name, _)| name);
            let token = state.certificate.token(&claims(&path, denied.as_deref()));
            let body = json!({"token": token, "expires_in": 60}).to_string();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        }
        _ => "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
    };
    stream.write_all(answer.as_bytes())
}

fn scopes(path: &str) -> Vec<String> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    scopes.map(|scope| scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",")).collect()
}

/// Returns the claims that the registry requires in a token
/// ([distribution, token specification](https://distribution.github.io/distribution/spec/auth/jwt/)).
fn claims(path: &str, denied: Option<&str>) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let scopes = scopes(path);
    let access: Vec<Value> = scopes
        .iter()
        .filter_map(|scope| {
            let mut parts = scope.split(':');
            let (kind, name, actions) = (parts.next()?, parts.next()?, parts.next()?);
            let actions: Vec<&str> = actions.split(',').collect();
            (Some(name) != denied).then(|| json!({"type": kind, "name": name, "actions": actions}))
        })
        .collect();
    json!({
        "iss": ISSUER, "aud": SERVICE, "sub": USER, "jti": "1",
        "nbf": now - 10, "iat": now, "exp": now + 300, "access": access,
    })
}

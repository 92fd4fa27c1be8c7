//! HTTP clients: time-outs, redirects, proxies and TLS.

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Request, RequestBuilder, Response, StatusCode, Url};

use super::address::NamedPlaces;
use super::exchange::{execute, redacted};
use super::request_error::{RequestError, root_cause};
use super::{RegistryError, RegistryOptions};
use crate::trace::OrTrace;

const USER_AGENT: &str = concat!("wasm-oci/", env!("CARGO_PKG_VERSION"));
const MAX_REDIRECTS: usize = 5;

/// Purpose of a request, which decides how long it may take and if it may be redirected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A request with a short body.
    Exchange,
    Upload,
    /// A request to a token server. A redirect could lead the credentials anywhere.
    Token,
}

/// The clients for the registry and what else the user has named, and those for all other places.
pub(super) struct Clients {
    named: Pair,
    public: Pair,
    places: NamedPlaces,
}

struct Pair {
    exchanges: Client,
    uploads: Client,
}

impl Clients {
    pub(super) fn new(origin: &Url, options: &RegistryOptions) -> Result<Clients, RegistryError> {
        let tls = options.tls.config()?;
        let builder = || {
            let builder = Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(options.connect_timeout)
                // `Clients::send` follows redirects, because the client depends on where they lead.
                .redirect(Policy::none())
                .tls_backend_preconfigured(tls.clone());
            // To a proxy, a loopback address would be the machine of the proxy.
            if is_loopback(origin.authority()) { builder.no_proxy() } else { builder }
        };
        let hosts = options.private_hosts.iter().chain(&options.token_servers).cloned();
        let places = NamedPlaces::new(origin.clone(), hosts.collect());
        let resolver = Arc::new(places.resolver());
        let named = Pair::new(builder, options)?;
        let public = Pair::new(|| builder().dns_resolver(Arc::clone(&resolver)), options)?;
        Ok(Clients { named, public, places })
    }

    /// Starts a request, which [`Clients::send`] sends.
    pub(super) fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.named.exchanges.request(method, url.clone())
    }

    /// Sends a request, and follows redirects, but never from https to http.
    pub(super) async fn send(
        &self,
        purpose: Purpose,
        mut request: Request,
    ) -> Result<Response, RequestError> {
        for _ in 0..=MAX_REDIRECTS {
            // A body that is read from a file can't be sent again.
            let again = request.try_clone();
            let response = execute(self.client(purpose, request.url())?, request).await?;
            let again = again.filter(|_| purpose != Purpose::Token);
            match again.and_then(|request| redirected(request, &response)) {
                Some(next) => request = next?,
                None => return Ok(response),
            }
        }
        Err(RequestError::protocol("too many redirects"))
    }

    fn client(&self, purpose: Purpose, url: &Url) -> Result<&Client, RequestError> {
        let pair = if self.places.contains(url)? { &self.named } else { &self.public };
        Ok(if purpose == Purpose::Upload { &pair.uploads } else { &pair.exchanges })
    }
}

impl Pair {
    fn new(
        builder: impl Fn() -> ClientBuilder,
        options: &RegistryOptions,
    ) -> Result<Pair, RegistryError> {
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|error| RegistryError::Client {
                reason: "no HTTP client".to_owned(),
                source: Some(root_cause(error)),
            })
        };
        let exchanges = build(builder().read_timeout(options.read_timeout))?;
        // reqwest counts the whole duration of an upload towards `read_timeout`, even while data moves.
        Ok(Pair { exchanges, uploads: build(builder())? })
    }
}

/// Returns the request that follows a redirect ([fetch standard](https://fetch.spec.whatwg.org/#http-redirect-fetch)).
fn redirected(mut request: Request, response: &Response) -> Option<Result<Request, RequestError>> {
    let status = response.status();
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().or_trace("read a redirect")?;
    let target = request.url().join(location).or_trace("parse a redirect")?;
    let refused = |reason: &str| Some(Err(RequestError::protocol(reason)));
    match target.scheme() {
        "https" => {}
        "http" if request.url().scheme() == "http" => {}
        "http" => return refused("a redirect from https to plain http"),
        _ => return refused("a redirect to something other than http"),
    }
    tracing::debug!(status = status.as_u16(), "redirect to {}", redacted(&target));
    if target.origin() != request.url().origin() {
        request.headers_mut().remove(AUTHORIZATION);
    }
    let is_post = request.method() == Method::POST;
    if (status == StatusCode::SEE_OTHER && request.method() != Method::HEAD)
        || (matches!(status.as_u16(), 301 | 302) && is_post)
    {
        *request.method_mut() = Method::GET;
        *request.body_mut() = None;
        for header in [CONTENT_LENGTH, CONTENT_TYPE] {
            request.headers_mut().remove(header);
        }
    }
    *request.url_mut() = target;
    Some(Ok(request))
}

/// Returns true if the registry runs on this machine. Its connections need neither TLS nor a proxy.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
        None => registry.split_once(':').map_or(registry, |(host, _)| host),
    };
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use reqwest::ResponseBuilderExt;

    use super::*;

    #[test]
    fn this_machine_is_spoken_to_without_tls() {
        for host in
            ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000", "[::1]"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["ghcr.io", "localhost.example.com", "128.0.0.1:5000", "127.0.0.1.nip.io", "[::2]:5000"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    fn follow(
        method: Method,
        status: u16,
        location: &str,
    ) -> Option<Result<Request, RequestError>> {
        let mut request = Request::new(method, Url::parse("https://r.io/v2/a").unwrap());
        request.headers_mut().insert(AUTHORIZATION, "Bearer x".parse().unwrap());
        *request.body_mut() = Some("body".into());
        let response = http::Response::builder().url(request.url().clone());
        let response = response.status(status).header(LOCATION, location).body("").unwrap();
        redirected(request, &response.into())
    }

    #[test]
    fn redirects_keep_the_request_but_not_its_authorization_elsewhere() {
        let next = follow(Method::PUT, 307, "/v2/b").unwrap().ok().unwrap();
        assert_eq!((next.method(), next.url().as_str()), (&Method::PUT, "https://r.io/v2/b"));
        assert!(next.headers().contains_key(AUTHORIZATION) && next.body().is_some());
        for place in ["https://r.io:444/", "https://s3.io/", "https://x.r.io/", "//s3.io/"] {
            let next = follow(Method::GET, 302, place).unwrap().ok().unwrap();
            assert!(!next.headers().contains_key(AUTHORIZATION), "{place}");
        }
        for (method, status) in [(Method::POST, 301), (Method::POST, 302), (Method::PUT, 303)] {
            let next = follow(method, status, "/b").unwrap().ok().unwrap();
            assert!(next.method() == Method::GET && next.body().is_none());
        }
        assert_eq!(*follow(Method::HEAD, 303, "/b").unwrap().ok().unwrap().method(), Method::HEAD);
        assert!(
            follow(Method::GET, 200, "/b").is_none() && follow(Method::GET, 304, "/b").is_none()
        );
        for place in ["http://r.io/", "ftp://r.io/", "file:///etc/passwd"] {
            assert!(follow(Method::GET, 307, place).unwrap().is_err(), "{place}");
        }
    }
}

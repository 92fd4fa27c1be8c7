//! The HTTP clients: how they connect, and what of the machine they use.

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder};

use super::request_error::cause;
use super::{RegistryError, RegistryOptions};

/// How we call ourselves.
const USER_AGENT: &str = concat!("wasm-oci/", env!("CARGO_PKG_VERSION"));
/// More than this many redirects lead nowhere.
const MAX_REDIRECTS: usize = 5;

/// One client for each kind of request.
pub(super) struct Clients {
    /// What is answered soon.
    pub(super) requests: Client,
    /// Uploads: `reqwest` counts their whole time to `read_timeout`, however well they go on.
    pub(super) uploads: Client,
    /// Tokens, which follow no redirect.
    pub(super) tokens: Client,
}

impl Clients {
    pub(super) fn new(registry: &str, options: &RegistryOptions) -> Result<Clients, RegistryError> {
        let tls = options.tls.config()?;
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|error| RegistryError::Client { reason: cause(&error) })
        };
        let builder = || {
            let builder = Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(options.connect_timeout)
                .redirect(Policy::custom(redirect))
                .tls_backend_preconfigured(tls.clone());
            if is_loopback(registry) { builder.no_proxy() } else { builder }
        };
        Ok(Clients {
            requests: build(builder().read_timeout(options.read_timeout))?,
            uploads: build(builder())?,
            tokens: build(builder().read_timeout(options.read_timeout).redirect(Policy::none()))?,
        })
    }
}

/// `reqwest` drops the credentials when a redirect leads to another host or port; this also keeps what is read from
/// coming over plain http.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else if was_secure && attempt.url().scheme() != "https" {
        attempt.error("it redirects from https to plain http")
    } else {
        attempt.follow()
    }
}

/// Whether the registry runs on this machine, where nobody listens between us and it, and no proxy is needed.
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
}

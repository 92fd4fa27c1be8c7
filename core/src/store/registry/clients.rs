//! HTTP clients: time-outs, redirects, proxies and TLS.

use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, ClientBuilder};

use super::exchange::redacted;
use super::request_error::root_cause;
use super::{RegistryError, RegistryOptions};

const USER_AGENT: &str = concat!("wasm-oci/", env!("CARGO_PKG_VERSION"));
const MAX_REDIRECTS: usize = 5;

pub(super) struct Clients {
    /// For requests with short bodies.
    pub(super) requests: Client,
    pub(super) uploads: Client,
    /// For token servers.
    pub(super) tokens: Client,
}

impl Clients {
    pub(super) fn new(registry: &str, options: &RegistryOptions) -> Result<Clients, RegistryError> {
        let tls = options.tls.config()?;
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|error| RegistryError::Client {
                reason: "no HTTP client".to_owned(),
                source: Some(root_cause(error)),
            })
        };
        let builder = || {
            let builder = Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(options.connect_timeout)
                .redirect(Policy::custom(redirect))
                .tls_backend_preconfigured(tls.clone());
            // To a proxy, a loopback address would be the machine of the proxy.
            if is_loopback(registry) { builder.no_proxy() } else { builder }
        };
        Ok(Clients {
            requests: build(builder().read_timeout(options.read_timeout))?,
            // reqwest counts the whole duration of an upload towards `read_timeout`, even while data moves.
            uploads: build(builder())?,
            // A redirect could lead the credentials anywhere.
            tokens: build(builder().read_timeout(options.read_timeout).redirect(Policy::none()))?,
        })
    }
}

/// Follows redirects, but never from https to http.
fn redirect(attempt: Attempt<'_>) -> Action {
    let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("too many redirects");
    }
    if was_secure && attempt.url().scheme() != "https" {
        return attempt.error("a redirect from https to plain http");
    }
    tracing::debug!(status = attempt.status().as_u16(), "redirect to {}", redacted(attempt.url()));
    // reqwest itself removes the credentials when a redirect leads to another host or port.
    attempt.follow()
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

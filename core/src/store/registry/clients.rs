//! The two HTTP clients: how they connect, and what of the machine they use.

use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use reqwest::redirect::{Attempt, Policy};

use super::RegistryOptions;
use super::failure::cause;

/// How we call ourselves.
const USER_AGENT: &str = concat!("wasm-oci/", env!("CARGO_PKG_VERSION"));
/// More than this many redirects lead nowhere.
const MAX_REDIRECTS: usize = 5;

/// The client for manifests.
pub(super) fn for_manifests(registry: &str, options: &RegistryOptions) -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .redirect(Policy::custom(redirect));
    let builder = if is_loopback(registry) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| cause(&error))
}

/// `reqwest` drops the credentials when a redirect leads to another scheme, host or port; this also keeps what is
/// read from coming over plain http.
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

/// The client for blobs, without a time limit of its own: `reqwest` counts the whole time of an upload to
/// `read_timeout`, however well that goes on.
pub(super) fn for_blobs(registry: &str, options: &RegistryOptions) -> Result<oci_client::Client, String> {
    oci_client(registry, options, None)
}

/// The client for tokens.
pub(super) fn for_tokens(registry: &str, options: &RegistryOptions) -> Result<oci_client::Client, String> {
    oci_client(registry, options, Some(options.read_timeout))
}

fn oci_client(
    registry: &str,
    options: &RegistryOptions,
    read_timeout: Option<Duration>,
) -> Result<oci_client::Client, String> {
    // `oci-client` has no setting for no proxy at all; this is one that is used for nothing.
    let (http_proxy, no_proxy) = match is_loopback(registry) {
        true => (Some("http://localhost".to_owned()), Some("*,0.0.0.0/0,::/0".to_owned())),
        false => (None, None),
    };
    let config = ClientConfig {
        protocol: if options.insecure { ClientProtocol::Http } else { ClientProtocol::Https },
        use_monolithic_push: true,
        connect_timeout: Some(options.connect_timeout),
        read_timeout,
        user_agent: USER_AGENT,
        // It can't get another, and so keeps the one it was given; whether that is stale, the registry says.
        default_token_expiration_secs: 24 * 60 * 60,
        http_proxy,
        no_proxy,
        ..ClientConfig::default()
    };
    // Not `new`, which would go on with other settings when it can't have these.
    oci_client::Client::try_from(config).map_err(|error| cause(&error))
}

/// Whether the registry runs on this machine, where nobody listens between us and it, and no proxy is needed.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
        None => registry.split_once(':').map_or(registry, |(host, _)| host),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_spoken_to_without_tls() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["ghcr.io", "localhost.example.com", "128.0.0.1:5000", "127.0.0.1.nip.io", "[::2]:5000"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}

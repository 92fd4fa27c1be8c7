//! The check that a request comes from a program on this machine, and not from a page that a browser shows.
//!
//! A page can make its own name resolve to 127.0.0.1 (DNS rebinding): then the browser takes our answers for the page's own, but
//! the request still names the page's host. Without that trick, a page can send requests, but not read the answers; those
//! requests name their origin.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request};

/// Refuses a request for another host than this machine, and one from a page of another origin. Returns the reason.
pub(super) fn require_local<B>(request: &Request<B>) -> Result<(), &'static str> {
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => only(request.headers(), &HOST)?,
    };
    // HTTP/1.0 needs no host, and no browser sends it.
    if !host.as_ref().is_none_or(is_loopback) {
        return Err("this registry answers only requests to localhost or 127.0.0.1");
    }
    if !request.headers().contains_key(ORIGIN) {
        return Ok(());
    }
    let text = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin = text.and_then(|text| text.strip_prefix("http://")?.parse::<Authority>().ok());
    match (origin, host) {
        (Some(origin), Some(host)) if origin == host => Ok(()),
        _ => Err("this registry answers no requests from pages of other origins"),
    }
}

fn only(
    headers: &HeaderMap,
    name: &axum::http::HeaderName,
) -> Result<Option<Authority>, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Authority::try_from(value.as_bytes())
            .map(Some)
            .map_err(|_| "the Host header is not a host with an optional port"),
        _ => Err("the request has more than one Host header"),
    }
}

fn is_loopback(host: &Authority) -> bool {
    // A user before the host is for URLs only, and would confuse whoever compares the text.
    if host.as_str().contains('@') {
        return false;
    }
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    // Browsers resolve `localhost` and names below it themselves (RFC 6761, 6.3).
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(host: &str, origin: Option<&str>) -> bool {
        let mut request = Request::builder().uri("/v2/").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        require_local(&request.body(()).unwrap()).is_ok()
    }

    #[test]
    fn only_this_machine_is_answered() {
        for host in [
            "localhost",
            "LOCALHOST:5000",
            "localhost.:5000",
            "registry.localhost:5000",
            "127.0.0.1:5000",
            "127.1.2.3",
            "[::1]:5000",
            "[::ffff:127.0.0.1]:5000",
        ] {
            assert!(accepts(host, None), "{host}");
        }
        for host in [
            "evil.test",
            "evil.test:5000",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "notlocalhost",
            "localhost@evil.test",
            "evil.test@localhost",
            "192.168.1.1",
            "0.0.0.0",
            "[::]:5000",
            "",
            "a b",
        ] {
            assert!(!accepts(host, None), "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_not() {
        assert!(accepts("127.0.0.1:5000", Some("http://127.0.0.1:5000")));
        for origin in [
            "null",
            "",
            "http://evil.test",
            "http://127.0.0.1:3000",
            "http://localhost:5000",
            "https://127.0.0.1:5000",
            "http://127.0.0.1:5000.evil.test",
        ] {
            assert!(!accepts("127.0.0.1:5000", Some(origin)), "{origin}");
        }
        let twice = Request::builder().header(HOST, "localhost").header(HOST, "evil.test");
        require_local(&twice.body(()).unwrap()).unwrap_err();
    }
}

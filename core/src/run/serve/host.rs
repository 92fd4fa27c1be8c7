//! The host that a request names.

use std::net::SocketAddr;

use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Request, Version};

/// Makes sure that the request names a host, which handlers see as its authority. If it doesn't have to, and doesn't, that is
/// the address of the server. Returns a text for the client if the request is malformed.
pub(super) fn require_host<B>(
    request: &mut Request<B>,
    server: SocketAddr,
) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    // RFC 9112, 3.2.
    if other.is_some() {
        return Err("the request has more than one Host header\n");
    }
    let is_named = match host {
        Some(host) if !host.is_empty() => {
            // It may come with a user in a URL only.
            let is_host = |host: Authority| !host.as_str().contains('@');
            if !Authority::try_from(host.as_bytes()).is_ok_and(is_host) {
                return Err("the Host header is not a host with an optional port\n");
            }
            true
        }
        // Empty, because the target has no host (RFC 9110, 7.2).
        Some(_) => false,
        // In HTTP/2, the authority takes the place of the header (RFC 9113, 8.3.1).
        None if request.uri().authority().is_some() => return Ok(()),
        None if request.version() <= Version::HTTP_10 => false,
        None => return Err("the request has no Host header\n"),
    };
    if !is_named && request.uri().authority().is_none() {
        let own = HeaderValue::try_from(server.to_string());
        let own = own.map_err(|_| "the request has no Host header\n")?;
        request.headers_mut().insert(HOST, own);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(version: Version, uri: &str, hosts: &[&[u8]]) -> Result<String, &'static str> {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, HeaderValue::from_bytes(host).unwrap());
        }
        let mut request = request.body(()).unwrap();
        require_host(&mut request, SocketAddr::from(([127, 0, 0, 1], 80)))?;
        let header = request.headers().get(HOST).map(|host| host.to_str().unwrap().to_owned());
        Ok(request.uri().authority().map(ToString::to_string).or(header).unwrap())
    }

    #[test]
    fn a_request_has_one_host_that_is_one() {
        let (old, new, two) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        for (version, uri, hosts, expected) in [
            (old, "/", &[][..], "127.0.0.1:80"),
            (old, "/", &[&b"a.test"[..]], "a.test"),
            (new, "/", &[b"a.test:8080"], "a.test:8080"),
            (new, "/", &[b"[::1]:80"], "[::1]:80"),
            (new, "/", &[b""], "127.0.0.1:80"),
            (new, "http://b.test/", &[b"a.test"], "b.test"),
            (two, "http://b.test/", &[], "b.test"),
        ] {
            assert_eq!(authority(version, uri, hosts).as_deref(), Ok(expected), "{hosts:?}");
        }
        for (version, hosts) in [
            (new, &[][..]),
            (two, &[]),
            (new, &["\u{e9}.test".as_bytes()]),
            (old, &["\u{e9}.test".as_bytes()]),
            (new, &[b"a b"]),
            (new, &[b"a/b"]),
            (new, &[b"user@a"]),
            (new, &[b"a.test", b"b.test"]),
            (old, &[b"a.test", b"a.test"]),
        ] {
            authority(version, "/", hosts).unwrap_err();
        }
    }
}

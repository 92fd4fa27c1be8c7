//! Addresses that a registry may send us to.
//!
//! A registry chooses where tokens are fetched and where blobs are, so a hostile one could make us send requests to
//! services that only this machine reaches: those on loopback, in its network, or of its cloud. Only public addresses are
//! allowed, besides the registry's own address and those that the user names. Names are checked when a connection
//! resolves them, because a name can change its address after any earlier check.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::trace::OrTrace;

/// Variables with proxies that reqwest uses.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A host whose address is not public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PrivateAddress {
    pub(super) host: String,
}

impl fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the address of {} is not public", self.host)
    }
}

impl std::error::Error for PrivateAddress {}

/// Places that may have any address, because the user named them.
pub(super) struct NamedPlaces {
    /// Scheme, host and port of the registry.
    origin: Url,
    /// `HOST` or `HOST:PORT`.
    hosts: Vec<String>,
    proxies: Vec<String>,
}

impl NamedPlaces {
    pub(super) fn new(origin: Url, hosts: Vec<String>) -> NamedPlaces {
        NamedPlaces { origin, hosts, proxies: proxies(|name| std::env::var(name).ok()) }
    }

    /// Returns true for the registry itself and what the user named. An error means that the URL can't be followed: it
    /// contains an address that is not public.
    pub(super) fn contains(&self, url: &Url) -> Result<bool, PrivateAddress> {
        let host = url.host_str().unwrap_or_default();
        if self.is_registry(url) || self.hosts.iter().any(|named| is_host(url, named)) {
            return Ok(true);
        }
        // The resolver can't see literal addresses. A proxy's name passes it, so that the name must not be a destination.
        let is_private = is_local_name(host)
            || address(host).is_some_and(|address| !is_public(address))
            || self.proxies.iter().any(|proxy| proxy == host);
        match is_private {
            true => Err(PrivateAddress { host: authority(url) }),
            false => Ok(false),
        }
    }

    /// Returns the resolver for all other places.
    pub(super) fn resolver(&self) -> PublicResolver {
        PublicResolver { proxies: self.proxies.clone() }
    }

    fn is_registry(&self, url: &Url) -> bool {
        let same_host = url.host_str() == self.origin.host_str();
        // A registry on this machine may call itself `localhost` or 127.0.0.1.
        let both_here = is_here(url) && is_here(&self.origin);
        (same_host || both_here)
            && url.port_or_known_default() == self.origin.port_or_known_default()
    }
}

/// Returns true if a URL's host is `named`, which is `HOST` or `HOST:PORT`.
pub(super) fn is_host(url: &Url, named: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    named == host || *named == format!("{host}:{port}")
}

fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Returns true for names that mean this machine by definition, also where no resolver knows them
/// ([RFC 6761, section 6.3](https://www.rfc-editor.org/rfc/rfc6761.html#section-6.3)).
fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

pub(super) fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// Returns host and port as a user writes them.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"))
}

/// Returns the hosts of the user's proxies.
fn proxies(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let values = PROXY_VARIABLES.iter().filter_map(|name| variable(name));
    let urls = values.filter(|value| !value.is_empty()).filter_map(|value| {
        let url = if value.contains("://") { value } else { format!("http://{value}") };
        Url::parse(&url).or_trace("parse the URL of a proxy")
    });
    urls.filter_map(|url| url.host_str().map(str::to_owned)).collect()
}

/// The system's resolver without addresses that are not public.
pub(super) struct PublicResolver {
    proxies: Vec<String>,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        // Connections to a proxy resolve its name here. The user chose it.
        let any = self.proxies.contains(&host);
        Box::pin(async move {
            let look_up =
                move || -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
                    let found: Vec<SocketAddr> = (host.as_str(), 0).to_socket_addrs()?.collect();
                    let public: Vec<SocketAddr> =
                        found.iter().filter(|it| any || is_public(it.ip())).copied().collect();
                    match public.is_empty() && !found.is_empty() {
                        true => Err(PrivateAddress { host }.into()),
                        false => Ok(public),
                    }
                };
            Ok(Box::new(tokio::task::spawn_blocking(look_up).await??.into_iter()) as Addrs)
        })
    }
}

/// Returns true for addresses of the Internet, which belong to no network that only this machine can reach
/// (special-purpose addresses of [IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry) and
/// [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry)).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            // All other global addresses are in 2000::/3. Of these, 2001::/23 is for protocols, such as Teredo, and
            // 2001:db8::/32 and 3fff::/20 are for documentation.
            None => {
                let [first, second, ..] = address.segments();
                let is_special = match first {
                    0x2001 => second < 0x200 || second == 0xdb8,
                    0x3fff => second < 0x1000,
                    _ => false,
                };
                first & 0xe000 == 0x2000 && !is_special
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    // 192.0.0.0/24 has the metadata of Oracle's cloud, and 168.63.129.16 that of Azure. 198.18.0.0/15 is for measurements
    // inside of networks, and 192.88.99.0/24 was for relays of 6to4. Some networks use these, and the addresses for
    // documentation, as private ones.
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || matches!(
            address.octets(),
            [0 | 240.., ..]
                | [100, 64..128, ..]
                | [192, 0, 0, _]
                | [192, 88, 99, _]
                | [198, 18 | 19, ..]
                | [168, 63, 129, 16]
        ))
}

/// Returns the IPv4 address that a gateway, or the system itself, makes of an IPv6 address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Compatible, mapped and translated addresses. The first include `::` and `::1`.
        [0, 0, 0, 0, 0 | 0xffff, 0 | 0xffff, high, low] => join(high, low),
        // NAT64, which networks without IPv4 use for all of it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => join(high, low),
        // 6to4.
        [0x2002, high, low, ..] => join(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_all_others() {
        for text in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.192",
            "168.63.129.16",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.255",
            "198.18.0.1",
            "198.19.255.255",
            "192.88.99.1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "64:ff9b::198.18.0.1",
            "2002:c000:201::1",
            "100:0:0:1::1",
            "::",
            "::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "2002:a00:1::",
            "2002:7f00:1::1",
            "2001::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.0.3.1",
            "192.88.98.1",
            "198.17.255.255",
            "198.20.0.1",
            "198.51.101.1",
            "203.0.114.1",
            "2001:db7::1",
            "2001:db9::1",
            "3fff:1000::1",
            "2606:4700::1111",
            "2001:4860::1",
            "64:ff9b::1.1.1.1",
            "::ffff:1.1.1.1",
            "2002:101:101::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    fn places(origin: &str, hosts: &[&str]) -> NamedPlaces {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let origin = Url::parse(origin).unwrap();
        NamedPlaces { origin, hosts, proxies: vec!["proxy.lan".to_owned()] }
    }

    #[test]
    fn a_registry_is_at_one_host_and_port() {
        let named = ["minio.lan:9000", "10.0.0.7"];
        let here = places("http://127.0.0.1:5000/", &named);
        let there = places("https://r.lan/", &named);
        let contains = |places: &NamedPlaces, url: &str| places.contains(&Url::parse(url).unwrap());
        for url in ["http://127.0.0.1:5000/x", "http://localhost:5000/", "http://[::1]:5000/"] {
            assert_eq!(contains(&here, url), Ok(true), "{url}");
        }
        for url in [
            "https://r.lan/x",
            "https://r.lan:443/",
            "http://minio.lan:9000/",
            "http://10.0.0.7:1/",
        ] {
            assert_eq!(contains(&there, url), Ok(true), "{url}");
        }
        for url in ["https://r.lan:8443/", "https://minio.lan/", "https://1.1.1.1/"] {
            assert_eq!(contains(&there, url), Ok(false), "{url}");
        }
        for url in [
            "http://127.0.0.1:5001/",
            "http://127.0.0.2:5000/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0/",
            "http://[::ffff:127.0.0.1]:5001/",
            "http://10.0.0.1:5000/",
            "http://169.254.169.254/latest",
            "http://proxy.lan/",
            "http://localhost:5001/",
            "https://localhost./",
            "https://x.localhost/",
        ] {
            assert!(contains(&here, url).is_err(), "{url}");
        }
        let error = contains(&here, "http://127.0.0.1:5001/").unwrap_err();
        assert_eq!(error.host, "127.0.0.1:5001");
    }

    #[test]
    fn proxies_are_found_in_any_spelling() {
        let proxies = proxies(|name| match name {
            "HTTP_PROXY" => Some("proxy.lan:3128".to_owned()),
            "https_proxy" => Some("http://me:secret@other.lan".to_owned()),
            _ => None,
        });
        assert_eq!(proxies, ["proxy.lan", "other.lan"]);
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_resolved() {
        let resolve =
            |proxies: Vec<String>| PublicResolver { proxies }.resolve("localhost".parse().unwrap());
        let error = resolve(Vec::new()).await.err().unwrap();
        assert!(error.downcast_ref::<PrivateAddress>().is_some(), "{error}");
        assert!(
            resolve(vec!["localhost".to_owned()]).await.is_ok_and(|mut it| it.next().is_some())
        );
    }
}

//! The HTTP clients: how they connect, and what of the machine they use.

use std::path::{Path, PathBuf};

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, ClientBuilder, Identity};

use super::failure::cause;
use super::{RegistryError, RegistryOptions};

/// How we call ourselves.
const USER_AGENT: &str = concat!("wasm-oci/", env!("CARGO_PKG_VERSION"));
/// More than this many redirects lead nowhere.
const MAX_REDIRECTS: usize = 5;

/// Files for TLS beside what the system has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates, in PEM, of authorities that are trusted beside the system's.
    pub authorities: Vec<PathBuf>,
    /// Our own certificate and its key, in PEM, for registries that want one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// What is there for the registry `host` (with its port) where Docker, containerd's tools and podman look:
    /// `HOST/*.crt` is an authority, `HOST/*.cert` a certificate of ours, with its key in `HOST/*.key`
    /// ([Docker's documentation](https://docs.docker.com/engine/security/certificates/)).
    #[must_use]
    pub fn for_registry(host: &str) -> Tls {
        let mut folders =
            vec![PathBuf::from("/etc/docker/certs.d"), PathBuf::from("/etc/containers/certs.d")];
        if let Some(home) = std::env::home_dir() {
            folders
                .extend([".config/containers/certs.d", ".config/docker/certs.d"].map(|dir| home.join(dir)));
        }
        Tls::in_folders(folders.iter().map(|folder| folder.join(host)))
    }

    fn in_folders(folders: impl Iterator<Item = PathBuf>) -> Tls {
        let mut tls = Tls::default();
        for folder in folders {
            let entries = folder.read_dir().into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                let key = file.with_extension("key");
                match file.extension().and_then(|extension| extension.to_str()) {
                    Some("crt") => tls.authorities.push(file),
                    Some("cert") if key.is_file() => tls.identity = tls.identity.or(Some((file, key))),
                    _ => {}
                }
            }
        }
        tls
    }
}

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
        // Another part of the process may have chosen one; then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |builder: ClientBuilder| {
            builder.build().map_err(|error| RegistryError::Client { reason: cause(&error) })
        };
        let builder = || builder(registry, options);
        Ok(Clients {
            requests: build(builder()?.read_timeout(options.read_timeout))?,
            uploads: build(builder()?)?,
            tokens: build(builder()?.read_timeout(options.read_timeout).redirect(Policy::none()))?,
        })
    }
}

fn builder(registry: &str, options: &RegistryOptions) -> Result<ClientBuilder, RegistryError> {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(options.connect_timeout)
        .redirect(Policy::custom(redirect));
    if is_loopback(registry) {
        builder = builder.no_proxy();
    }
    for path in &options.tls.authorities {
        let unusable = |reason: &str| unusable("certificate authority", path, reason);
        let certificates = Certificate::from_pem_bundle(&read("certificate authority", path)?)
            .map_err(|error| unusable(&cause(&error)))?;
        if certificates.is_empty() {
            return Err(unusable("there is no certificate in it"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some((certificate, key)) = &options.tls.identity {
        let mut pem = read("certificate", certificate)?;
        pem.push(b'\n');
        pem.extend(read("key of the certificate", key)?);
        let identity = Identity::from_pem(&pem)
            .map_err(|_| unusable("certificate", certificate, "it, or its key, is not in PEM"))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path).map_err(|error| unusable(what, path, &error.to_string()))
}

fn unusable(what: &str, path: &Path, reason: &str) -> RegistryError {
    RegistryError::Client { reason: format!("the {what} `{}` can't be used: {reason}", path.display()) }
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

    #[test]
    fn docker_s_folder_of_certificates_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ca.crt", "b.crt", "client.cert", "client.key", "lone.cert", "readme"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let tls = Tls::in_folders([folder.path().to_owned(), folder.path().join("missing")].into_iter());
        let at = |name: &str| folder.path().join(name);
        assert_eq!(tls.authorities, [at("b.crt"), at("ca.crt")]);
        assert_eq!(tls.identity, Some((at("client.cert"), at("client.key"))));
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let with = |tls: Tls| Clients::new("r.io", &RegistryOptions { tls, ..RegistryOptions::default() });
        for path in [file.path(), Path::new("/no/such.pem")] {
            let tls = Tls { authorities: vec![path.to_owned()], identity: None };
            let error = with(tls).err().unwrap().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
        let identity = Some((file.path().to_owned(), file.path().to_owned()));
        assert!(with(Tls { authorities: Vec::new(), identity }).is_err());
    }
}

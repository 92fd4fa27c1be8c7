//! TLS: trusted authorities and client certificates.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
};

use super::RegistryError;
use crate::trace::{OrTrace, trace_ignored};

/// Files for TLS in addition to the system's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM files with trusted authorities. A server's own certificate among them is trusted for the names in it.
    pub authorities: Vec<PathBuf>,
    /// Client certificate and its key, as PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// Returns the files for the registry `host` (with its port) in the folders of Docker, containerd's tools and
    /// podman: `HOST/*.crt` is an authority, `HOST/*.cert` a client certificate with its key in `HOST/*.key`
    /// ([Docker's documentation](https://docs.docker.com/engine/security/certificates/)).
    #[must_use]
    pub fn for_registry(host: &str) -> Tls {
        let mut folders =
            vec![PathBuf::from("/etc/docker/certs.d"), PathBuf::from("/etc/containers/certs.d")];
        if let Some(home) = std::env::home_dir() {
            folders.extend(
                [".config/containers/certs.d", ".config/docker/certs.d"].map(|dir| home.join(dir)),
            );
        }
        Tls::in_folders(folders.iter().map(|folder| folder.join(host)))
    }

    fn in_folders(folders: impl Iterator<Item = PathBuf>) -> Tls {
        let mut tls = Tls::default();
        for file in folders.flat_map(|folder| files(&folder)) {
            let key = file.with_extension("key");
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => tls.authorities.push(file),
                Some("cert") if key.is_file() => tls.identity = tls.identity.or(Some((file, key))),
                _ => {}
            }
        }
        tls
    }

    pub(super) fn config(&self) -> Result<ClientConfig, RegistryError> {
        // rustls' default, aws-lc, is another C library to build.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut trusted = Vec::new();
        for path in &self.authorities {
            trusted.extend(certificates("certificate authority", path)?);
        }
        let verifier =
            Verifier { trusted, provider: Arc::clone(&provider), system: OnceLock::new() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| RegistryError::Client {
                reason: "no TLS".to_owned(),
                source: Some(error.into()),
            })?
            // Not dangerous: the verifier only loads the system's authorities later than rustls would.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let Some((certificate, key)) = &self.identity else {
            return Ok(config.with_no_client_auth());
        };
        let chain = certificates("certificate", certificate)?;
        let secret = PrivateKeyDer::from_pem_slice(&read("key of the certificate", key)?)
            // The parser's error may quote a line of the key, so it is dropped.
            .map_err(|_| unusable("key of the certificate", key, "it contains no key in PEM"))?;
        config
            .with_client_auth_cert(chain, secret)
            .map_err(|error| unusable("certificate", certificate, error))
    }
}

/// Returns the files of a folder, sorted; none if there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            trace_ignored(&format!("read `{}`", folder.display()), error);
            return Vec::new();
        }
    };
    let entries = entries.filter_map(|entry| entry.or_trace("read a folder of certificates"));
    // Folders have no order, and only the first client certificate is used.
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let pem = read(what, path)?;
    let found = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(what, path, error))?;
    if found.is_empty() {
        return Err(unusable(what, path, "it contains no certificate in PEM"));
    }
    Ok(found)
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path).map_err(|error| unusable(what, path, error))
}

fn unusable(
    what: &str,
    path: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> RegistryError {
    let reason = format!("the {what} `{}` can't be used", path.display());
    RegistryError::Client { reason, source: Some(source.into()) }
}

/// Certificate verifier with the authorities of the system and of the user.
#[derive(Debug)]
struct Verifier {
    trusted: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    system: OnceLock<Result<Arc<dyn ServerCertVerifier>, TlsError>>,
}

impl Verifier {
    fn system(&self) -> Result<&Arc<dyn ServerCertVerifier>, TlsError> {
        // Loaded for the first server, because that takes longer than a push to a registry without TLS.
        let read = || {
            let (trusted, provider) = (self.trusted.iter().cloned(), Arc::clone(&self.provider));
            let verifier =
                rustls_platform_verifier::Verifier::new_with_extra_roots(trusted, provider)?;
            Ok(Arc::new(verifier) as Arc<dyn ServerCertVerifier>)
        };
        self.system.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified = self.system()?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // A self-signed certificate made with Docker's instructions is its own authority. webpki rejects authorities
            // as server certificates, unlike Go's library, but only after it has checked the dates. If the user trusts
            // this very certificate, only its names remain to be checked.
            Err(error)
                if is_authority(&error)
                    && self.trusted.iter().any(|trusted| trusted == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.system()?.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.system()?.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Returns true if webpki rejected a server's certificate for being an authority's.
fn is_authority(error: &TlsError) -> bool {
    // rustls has no variant for this.
    let TlsError::InvalidCertificate(CertificateError::Other(error)) = error else { return false };
    matches!(error.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_folder_of_certificates_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ca.crt", "b.crt", "client.cert", "client.key", "lone.cert", "readme"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let tls =
            Tls::in_folders([folder.path().to_owned(), folder.path().join("missing")].into_iter());
        let at = |name: &str| folder.path().join(name);
        assert_eq!(tls.authorities, [at("b.crt"), at("ca.crt")]);
        assert_eq!(tls.identity, Some((at("client.cert"), at("client.key"))));
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path(), Path::new("/no/such.pem")] {
            let tls = Tls { authorities: vec![path.to_owned()], identity: None };
            let error = tls.config().err().unwrap().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
        let identity = Some((file.path().to_owned(), file.path().to_owned()));
        assert!(Tls { authorities: Vec::new(), identity }.config().is_err());
    }
}

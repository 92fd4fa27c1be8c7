//! Whose certificates are trusted, and which are ours.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme};

use super::RegistryError;

/// Files for TLS beside what the system has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates, in PEM, of authorities that are trusted beside the system's. One that is a server's own is trusted
    /// for the names in it.
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
            folders.extend(
                [".config/containers/certs.d", ".config/docker/certs.d"].map(|dir| home.join(dir)),
            );
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
                    Some("cert") if key.is_file() => {
                        tls.identity = tls.identity.or(Some((file, key)))
                    }
                    _ => {}
                }
            }
        }
        tls
    }

    /// What connections are made with.
    pub(super) fn config(&self) -> Result<ClientConfig, RegistryError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut trusted = Vec::new();
        for path in &self.authorities {
            trusted.extend(certificates("certificate authority", path)?);
        }
        let verifier =
            Verifier { trusted, provider: Arc::clone(&provider), system: OnceLock::new() };
        let failed = |error: TlsError| RegistryError::Client { reason: error.to_string() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            // Nothing is dangerous about it: it only reads the system's authorities later than rustls would.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let Some((certificate, key)) = &self.identity else {
            return Ok(config.with_no_client_auth());
        };
        let chain = certificates("certificate", certificate)?;
        let secret = PrivateKeyDer::from_pem_slice(&read("key of the certificate", key)?)
            .map_err(|_| unusable("key of the certificate", key, "there is no key in PEM in it"))?;
        config
            .with_client_auth_cert(chain, secret)
            .map_err(|error| unusable("certificate", certificate, &error.to_string()))
    }
}

fn certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let pem = read(what, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(what, path, "there is no certificate in PEM in it")),
    }
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path).map_err(|error| unusable(what, path, &error.to_string()))
}

fn unusable(what: &str, path: &Path, reason: &str) -> RegistryError {
    RegistryError::Client {
        reason: format!("the {what} `{}` can't be used: {reason}", path.display()),
    }
}

/// Checks servers by the system's authorities and the user's. The system's are read when the first server is checked:
/// that takes longer than a push to a registry without TLS.
#[derive(Debug)]
struct Verifier {
    trusted: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    system: OnceLock<Result<Arc<dyn ServerCertVerifier>, TlsError>>,
}

impl Verifier {
    fn system(&self) -> Result<&Arc<dyn ServerCertVerifier>, TlsError> {
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
            // A certificate as Docker's instructions make it vouches for itself, as an authority; webpki, other than Go's
            // library, takes none of those from a server. By then it has looked at the dates. If the user named this very
            // certificate, only its names are left to be checked.
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

/// Whether a server was refused because its certificate is an authority's. rustls has no name for that of webpki's errors.
fn is_authority(error: &TlsError) -> bool {
    matches!(error, TlsError::InvalidCertificate(error) if format!("{error:?}").contains("CaUsedAsEndEntity"))
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

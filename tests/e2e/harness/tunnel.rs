//! A tunnel that shows a client certificate in the place of programs that can't, as stunnel does.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// Speaks plain HTTP on this side and TLS with a client certificate on the other. It lives as long as the test's process.
pub(crate) struct Tunnel {
    host: String,
}

impl Tunnel {
    /// A tunnel to this address, whose server has the client's certificate, too.
    pub(crate) fn to(host: &str, certificate: &Path, key: &Path) -> Tunnel {
        let connector = TlsConnector::from(Arc::new(config(certificate, key)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let own = listener.local_addr().expect("it is bound").to_string();
        let upstream = host.to_owned();
        thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                listener.set_nonblocking(true).expect("sockets can be nonblocking");
                let listener = TcpListener::from_std(listener).expect("it listens");
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(carry(client, upstream.clone(), connector.clone()));
                }
            });
        });
        Tunnel { host: own }
    }

    /// `127.0.0.1:PORT`, for plain HTTP.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

fn config(certificate: &Path, key: &Path) -> ClientConfig {
    let certificate = CertificateDer::from_pem_file(certificate).expect("it is a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("it is a key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .expect("they belong together")
}

/// Carries one connection, until either side closes it.
async fn carry(
    mut client: TcpStream,
    upstream: String,
    connector: TlsConnector,
) -> std::io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    let name = ServerName::IpAddress(IpAddr::from(server.peer_addr()?.ip()));
    let mut server = connector.connect(name, server).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

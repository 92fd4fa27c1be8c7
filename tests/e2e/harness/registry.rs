//! Debian's `docker-registry`, the reference implementation that most registries started from.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::certs::{Certificate, Kind};
use super::daemon::Daemon;
use super::tokens::{ISSUER, SERVICE, Tokens};
use super::tools;

/// The user that [`Registry::start_private`] lets in.
pub(crate) const USER: &str = "tester";
/// Their password.
pub(crate) const PASSWORD: &str = "correct horse";
/// The password as the registry wants it, in bcrypt.
const PASSWORD_HASH: &str = "$2b$04$Iysz25TvGjAdTdaAtsQaDemPGNdU5zrJ2sx62xXsxrXWh1H1HE/Ge";

/// A registry of this test alone, empty, on a free port of the loopback address.
pub(crate) struct Registry {
    daemon: Daemon,
    host: String,
    tokens: Option<Tokens>,
}

impl Registry {
    /// One that anybody may read and write.
    pub(crate) fn start() -> Self {
        Self::with_auth(|_| String::new())
    }

    /// One that wants [`USER`] and [`PASSWORD`] for everything.
    pub(crate) fn start_private() -> Self {
        Self::with_auth(|directory| {
            let file = directory.join("htpasswd");
            fs::write(&file, format!("{USER}:{PASSWORD_HASH}\n"))
                .expect("a temporary directory can be written");
            format!("auth: {{htpasswd: {{realm: tests, path: {}}}}}\n", file.display())
        })
    }

    /// One that is spoken to over TLS, with a certificate that nobody knows.
    pub(crate) fn start_tls() -> Self {
        Self::start_tls_as(Kind::Server)
    }

    /// The same with a certificate of this kind.
    pub(crate) fn start_tls_as(kind: Kind) -> Self {
        let folder = Self::folder();
        let Certificate { certificate, key } = Certificate::of(kind, folder.path());
        let tls =
            format!("tls: {{certificate: {}, key: {}}}", certificate.display(), key.display());
        Self::start_in(folder, &tls, "")
    }

    /// One over TLS that only speaks with those who show it its own certificate.
    pub(crate) fn start_mutual_tls() -> Self {
        let folder = Self::folder();
        let Certificate { certificate, key } = Certificate::new(folder.path());
        let (certificate, key) = (certificate.display(), key.display());
        // Absolute URLs in its answers would begin with https, though a client behind a tunnel speaks plain HTTP.
        let tls = format!(
            "relativeurls: true, tls: {{certificate: {certificate}, key: {key}, clientcas: [{certificate}]}}"
        );
        Self::start_in(folder, &tls, "")
    }

    /// One that wants a token of a service that makes them for [`USER`] and [`PASSWORD`].
    pub(crate) fn start_token() -> Self {
        Self::with_tokens(|_| String::new())
    }

    /// The same over TLS, though its tokens are got without.
    pub(crate) fn start_tls_token() -> Self {
        Self::with_tokens(|Certificate { certificate, key }| {
            format!("tls: {{certificate: {}, key: {}}}", certificate.display(), key.display())
        })
    }

    fn with_tokens(http: impl FnOnce(&Certificate) -> String) -> Self {
        let folder = Self::folder();
        let certificate = Certificate::new(folder.path());
        let (bundle, http) = (certificate.certificate.clone(), http(&certificate));
        let tokens = Tokens::start(certificate);
        let auth = format!(
            "auth: {{token: {{realm: '{}', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {}}}}}\n",
            tokens.realm(),
            bundle.display()
        );
        Self { tokens: Some(tokens), ..Self::start_in(folder, &http, &auth) }
    }

    /// The certificate of one that was started with TLS.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.daemon.directory().join("cert.pem")
    }

    /// The service that makes its tokens.
    pub(crate) fn tokens(&self) -> &Tokens {
        self.tokens.as_ref().expect("it was started with one")
    }

    /// `127.0.0.1:PORT`, the start of every reference to an image in it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Its log, which names every request.
    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }

    /// The folder where it keeps what was pushed.
    pub(crate) fn storage(&self) -> PathBuf {
        self.daemon.directory().join("storage")
    }

    fn with_auth(auth: impl FnOnce(&Path) -> String) -> Self {
        let folder = Self::folder();
        let auth = auth(folder.path());
        Self::start_in(folder, "", &auth)
    }

    fn folder() -> TempDir {
        let directory = tempfile::Builder::new().prefix("registry-").tempdir();
        directory.expect("a temporary directory can be made")
    }

    fn start_in(directory: TempDir, http: &str, auth: &str) -> Self {
        let program = tools::program("docker-registry");
        let config = directory.path().join("config.yml");
        let text = config_text(directory.path(), http) + auth;
        fs::write(&config, text).expect("a temporary directory can be written");
        let mut command = Command::new(program);
        command.arg("serve").arg(config);
        let daemon = Daemon::start(directory, Command::new("sh"), "", &command);
        let host = daemon.wait_for("port of docker-registry", |daemon| port(&daemon.log()));
        daemon.wait_for("answer from docker-registry", |_| answers(&host).then_some(()));
        Self { daemon, host, tokens: None }
    }
}

/// With port 0, the registry takes a free one: choosing one for it would leave time for another to take it first.
fn config_text(directory: &Path, http: &str) -> String {
    format!(
        "version: 0.1\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         http: {{addr: 127.0.0.1:0, {http}}}\n",
        directory.join("storage").display()
    )
}

/// The address in a line such as `level=info msg="listening on 127.0.0.1:40123"`.
fn port(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on ")?;
    let (address, _) =
        rest.split_once(|next: char| "\",".contains(next) || next.is_whitespace())?;
    Some(address.to_owned())
}

/// Returns true if the registry responds to `GET /v2/`, even with 401.
fn answers(host: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(host)?;
        write!(stream, "GET /v2/ HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut status = [0; 5];
        stream.read_exact(&mut status)?;
        // One with TLS says, in plain, that it wants TLS.
        Ok::<_, std::io::Error>(&status == b"HTTP/")
    };
    ask().unwrap_or(false)
}

//! Certificates, and tokens that are signed with their keys, by OpenSSL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::tools;

/// A certificate for this machine that vouches for itself, and its key.
pub(crate) struct Certificate {
    /// In PEM.
    pub(crate) certificate: PathBuf,
    /// In PEM.
    pub(crate) key: PathBuf,
}

/// The purpose of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A server's.
    Server,
    /// As OpenSSL makes them unless told otherwise: also to vouch for others.
    Authority,
}

impl Certificate {
    /// A new one for a server, in this folder.
    pub(crate) fn new(folder: &Path) -> Certificate {
        Certificate::of(Kind::Server, folder)
    }

    /// A new one of this kind, in this folder.
    pub(crate) fn of(kind: Kind, folder: &Path) -> Certificate {
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let mut command = Command::new(tools::program("openssl"));
        command.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tests",
        ]);
        command.args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]);
        if kind == Kind::Server {
            command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        }
        command.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        let output = command.output().expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Certificate { certificate, key }
    }

    /// A token ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519.html)) with these claims, and the certificate in it.
    pub(crate) fn token(&self, claims: &serde_json::Value) -> String {
        let pem = fs::read_to_string(&self.certificate).expect("it was written");
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        assert!(BASE64_STANDARD.decode(&der).is_ok());
        let part = |json: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let head = json!({"typ": "JWT", "alg": "RS256", "x5c": [der]});
        let signed = format!("{}.{}", part(&head), part(claims));
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())))
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let mut command = Command::new(tools::program("openssl"));
        command.args(["dgst", "-sha256", "-sign"]).arg(&self.key);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("openssl runs");
        std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), bytes)
            .expect("it reads");
        child.wait_with_output().expect("openssl ends").stdout
    }
}

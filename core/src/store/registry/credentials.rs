//! Credentials, and where other tools store them.

use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};

use super::RegistryError;
use crate::trace::trace_ignored;

/// Credentials for a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// No credentials.
    #[default]
    Anonymous,
    /// User name, and password or access token.
    Basic {
        /// User name.
        username: String,
        /// Password, or an access token in its place.
        password: Secret,
    },
    /// Token that is exchanged for others; some registries issue one instead of a password.
    IdentityToken(Secret),
}

/// Text that `Debug` and `Display` show as `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Returns the text, for the one header or body that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Result of a look-up in one place, which may have nothing for this registry.
type Lookup = Result<Option<DockerCredential>, LookupError>;

#[derive(Debug)]
enum LookupError {
    Read(PathBuf, std::io::Error),
    Retrieve(CredentialRetrievalError),
}

// A minute, because some helpers ask the user.
pub(super) const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

impl Credentials {
    /// Returns the credentials that `docker login` or otherwise `podman login` has stored for `repository` of the registry
    /// `host` (with its port, as in a reference), in a file or with a credential helper, which this runs.
    /// [`Credentials::Anonymous`] if there are none.
    ///
    /// The places are, in this order: the variable `DOCKER_AUTH_CONFIG`, which holds the content of such a file;
    /// `config.json` in `$DOCKER_CONFIG` or `~/.docker`; `$REGISTRY_AUTH_FILE`, or `containers/auth.json` in
    /// `$XDG_RUNTIME_DIR`. The last may have credentials for a single repository
    /// ([containers-auth.json](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md)).
    ///
    /// # Errors
    /// [`RegistryError::InvalidCredentials`] if a file can't be read, or a helper fails or takes longer than a minute.
    /// The error does not contain the output of a helper, which may be a secret.
    pub fn for_repository(host: &str, repository: &str) -> Result<Credentials, RegistryError> {
        let (sender, receiver) = mpsc::channel();
        let (owned, repository) = (host.to_owned(), repository.to_owned());
        // docker_credential has no time limit for helpers, so it gets a thread that does not keep the process alive.
        std::thread::spawn(move || sender.send(look_up(&owned, &repository)));
        match receiver.recv_timeout(HELPER_TIMEOUT) {
            Ok(Ok(None)) => Ok(Credentials::Anonymous),
            Ok(Ok(Some(credential))) => Ok(Credentials::of(credential)),
            Ok(Err(error)) => Err(explain(host, error)),
            Err(_) => {
                let seconds = HELPER_TIMEOUT.as_secs();
                Err(invalid(
                    host,
                    format!("the credential helper did not answer within {seconds} seconds"),
                ))
            }
        }
    }

    fn of(credential: DockerCredential) -> Credentials {
        match credential {
            DockerCredential::UsernamePassword(username, password) => {
                Credentials::Basic { username, password: Secret(password) }
            }
            DockerCredential::IdentityToken(token) => Credentials::IdentityToken(Secret(token)),
        }
    }
}

fn look_up(host: &str, repository: &str) -> Lookup {
    for server in servers(host) {
        for look_up in [in_variable, in_docker_config] {
            if let Some(found) = look_up(server)? {
                return Ok(Some(found));
            }
        }
    }
    // Podman prefers the most specific key: the repository, then its parents, then the host.
    let whole = format!("{host}/{repository}");
    let mut key = whole.as_str();
    loop {
        if let Some(found) = in_podman_file(key)? {
            return Ok(Some(found));
        }
        match key.rsplit_once('/') {
            Some((shorter, _)) => key = shorter,
            None => break,
        }
    }
    tracing::debug!(host, "no credentials found");
    Ok(None)
}

/// Returns the names of a registry in Docker's files.
pub(super) fn servers(host: &str) -> Vec<&str> {
    match host {
        // `docker login` still uses the URL of Docker Hub's first version.
        "docker.io" | "index.docker.io" => vec!["https://index.docker.io/v1/", "docker.io"],
        host => vec![host],
    }
}

fn in_variable(server: &str) -> Lookup {
    match std::env::var("DOCKER_AUTH_CONFIG") {
        Ok(text) => found(
            docker_credential::get_credential_from_reader(text.as_bytes(), server),
            server,
            "$DOCKER_AUTH_CONFIG",
        ),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => {
            trace_ignored("read $DOCKER_AUTH_CONFIG", error);
            Ok(None)
        }
    }
}

/// Returns the file of `docker login`.
pub(super) fn docker_config() -> Option<PathBuf> {
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    Some(directory.or_else(|| Some(std::env::home_dir()?.join(".docker")))?.join("config.json"))
}

/// Returns the file that podman and skopeo use instead of all others, if the user has set one.
pub(super) fn auth_file() -> Option<PathBuf> {
    std::env::var_os("REGISTRY_AUTH_FILE").map(PathBuf::from)
}

fn in_docker_config(server: &str) -> Lookup {
    docker_config().map_or(Ok(None), |path| in_file(&path, server))
}

fn in_file(path: &Path, server: &str) -> Lookup {
    // docker_credential returns the same error for a missing file and a damaged one, so open it here.
    match File::open(path) {
        Ok(file) => {
            let file = BufReader::new(file);
            let result = docker_credential::get_credential_from_reader(file, server);
            found(result, server, &path.to_string_lossy())
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(LookupError::Read(path.to_owned(), error)),
    }
}

fn in_podman_file(key: &str) -> Lookup {
    match docker_credential::get_podman_credential(key) {
        Err(CredentialRetrievalError::ConfigNotFound) => Ok(None),
        // Also the error for a missing file.
        Err(error @ CredentialRetrievalError::ConfigReadError) => {
            trace_ignored("read podman's credentials", error);
            Ok(None)
        }
        result => found(result, key, "podman's credentials"),
    }
}

fn found(
    result: Result<DockerCredential, CredentialRetrievalError>,
    key: &str,
    place: &str,
) -> Lookup {
    match result {
        Ok(credential) => {
            tracing::debug!(key, place, "credentials found");
            Ok(Some(credential))
        }
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // Helpers fail for an unknown registry. Docker's protocol tells this from other failures by the text alone.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(None)
        }
        Err(error) => Err(LookupError::Retrieve(error)),
    }
}

fn explain(registry: &str, error: LookupError) -> RegistryError {
    let error = match error {
        LookupError::Read(path, error) => {
            return invalid_because(registry, format!("can't read `{}`", path.display()), error);
        }
        LookupError::Retrieve(error) => error,
    };
    let reason = match error {
        // The output of a helper may be a secret, so the error leaves it out.
        CredentialRetrievalError::HelperFailure { helper, .. } => {
            return invalid(registry, helper_failed(&helper));
        }
        CredentialRetrievalError::HelperCommunicationError => {
            "the credential helper in Docker's configuration can't be run, or exits at once; check that it is \
             installed and executable"
        }
        CredentialRetrievalError::MalformedHelperResponse => {
            "the credential helper's response is invalid"
        }
        CredentialRetrievalError::ConfigReadError => {
            "Docker's `config.json` can't be read, or is not valid JSON"
        }
        CredentialRetrievalError::CredentialDecodingError => "the stored `auth` can't be decoded",
        CredentialRetrievalError::CredentialMismatchError => {
            "the stored `auth` differs from the stored `username` and `password`"
        }
        CredentialRetrievalError::NoCredentialConfigured
        | CredentialRetrievalError::ConfigNotFound => "there are none",
    };
    invalid(registry, reason)
}

pub(super) fn helper_failed(program: &str) -> String {
    format!("the credential helper `{program}` failed; run it to see why")
}

pub(super) fn invalid(registry: &str, reason: impl Into<String>) -> RegistryError {
    let (registry, reason) = (registry.to_owned(), reason.into());
    RegistryError::InvalidCredentials { registry, reason, source: None }
}

pub(super) fn invalid_because(
    registry: &str,
    reason: String,
    source: impl Into<Box<dyn StdError + Send + Sync>>,
) -> RegistryError {
    let (registry, source) = (registry.to_owned(), Some(source.into()));
    RegistryError::InvalidCredentials { registry, reason, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helper_failure(stdout: &str) -> CredentialRetrievalError {
        CredentialRetrievalError::HelperFailure {
            helper: "docker-credential-x".to_owned(),
            stdout: stdout.to_owned(),
            stderr: "hunter2".to_owned(),
        }
    }

    #[test]
    fn secrets_are_never_printed() {
        let credentials =
            Credentials::Basic { username: "me".into(), password: Secret::new("hunter2") };
        assert_eq!(format!("{credentials:?}"), r#"Basic { username: "me", password: <redacted> }"#);
        assert_eq!(Secret::new("hunter2").to_string(), "<redacted>");
    }

    #[test]
    fn what_a_helper_printed_is_not_repeated() {
        let error = explain("ghcr.io", LookupError::Retrieve(helper_failure("hunter2")));
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
        assert!(error.to_string().contains("docker-credential-x"));
    }

    #[test]
    fn a_helper_that_knows_nothing_is_no_error() {
        let message = "credentials not found in native keychain\n";
        let of = |error| found(Err(error), "a.io", "here");
        assert_eq!(of(helper_failure(message)).unwrap(), None);
        assert!(of(helper_failure("locked")).is_err());
        assert_eq!(of(CredentialRetrievalError::NoCredentialConfigured).unwrap(), None);
    }

    #[test]
    fn docker_s_file_is_read_and_may_be_missing_but_not_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert_eq!(in_file(&path, "a.io").unwrap(), None);
        // `me:hunter2`, as `docker login` encodes it.
        std::fs::write(&path, r#"{"auths":{"https://a.io/v2/":{"auth":"bWU6aHVudGVyMg=="}}}"#)
            .unwrap();
        let expected =
            Credentials::Basic { username: "me".into(), password: Secret::new("hunter2") };
        assert_eq!(Credentials::of(in_file(&path, "a.io").unwrap().unwrap()), expected);
        assert_eq!(in_file(&path, "b.io").unwrap(), None);
        std::fs::write(&path, "{").unwrap();
        let damaged = in_file(&path, "a.io").unwrap_err();
        assert!(matches!(
            damaged,
            LookupError::Retrieve(CredentialRetrievalError::ConfigReadError)
        ));
    }

    #[test]
    fn docker_hub_has_several_names() {
        assert_eq!(servers("docker.io").len(), 2);
        assert_eq!(servers("localhost:5000"), ["localhost:5000"]);
    }

    #[test]
    fn identity_tokens_are_kept_as_such() {
        let credentials = Credentials::of(DockerCredential::IdentityToken("hunter2".into()));
        assert_eq!(credentials, Credentials::IdentityToken(Secret::new("hunter2")));
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}

//! Who a registry is told that we are.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};

use super::RegistryError;

/// What a registry is logged in to with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Nothing: as anybody.
    #[default]
    Anonymous,
    /// A user's name and password, or the access token that stands for one.
    Basic {
        /// The user.
        username: String,
        /// Their password or access token.
        password: Secret,
    },
    /// A token that stands for a user, from which others are made: what some registries give instead of a password.
    IdentityToken(Secret),
}

/// Text that is not to be seen: what prints it prints `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` to itself.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the one header that it belongs in.
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

/// The result of looking into one file: nothing for this registry is no error.
type Found = Result<Option<DockerCredential>, CredentialRetrievalError>;

/// How long a credential helper may take. Some ask the user.
pub(super) const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

impl Credentials {
    /// What is stored for `repository` of the registry `host` (with its port, as in a reference) by `docker login` or,
    /// failing that, `podman login`: in the configuration file itself, or with the credential helper that it names, which
    /// is run and waited for. [`Credentials::Anonymous`] when there is nothing.
    ///
    /// The places are the variable `DOCKER_AUTH_CONFIG`, which holds such a file itself; `config.json` in
    /// `$DOCKER_CONFIG` or `~/.docker`; and `$REGISTRY_AUTH_FILE` or `containers/auth.json` in `$XDG_RUNTIME_DIR`, where
    /// there may be something for a repository alone
    /// ([containers-auth.json](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md)).
    ///
    /// # Errors
    /// [`RegistryError::InvalidCredentials`] when there is something that can't be read or used, or a helper takes
    /// longer than a minute. What a helper printed is not in it, since that may be a secret.
    pub fn for_repository(host: &str, repository: &str) -> Result<Credentials, RegistryError> {
        let (sender, receiver) = mpsc::channel();
        let (owned, repository) = (host.to_owned(), repository.to_owned());
        // A thread, because a helper that hangs can't be stopped from here; it doesn't keep the process alive.
        std::thread::spawn(move || sender.send(look(&owned, &repository)));
        match receiver.recv_timeout(HELPER_TIMEOUT) {
            Ok(Ok(None)) => Ok(Credentials::Anonymous),
            Ok(Ok(Some(credential))) => Ok(Credentials::of(credential)),
            Ok(Err(error)) => Err(invalid(host, describe(&error))),
            Err(_) => {
                let seconds = HELPER_TIMEOUT.as_secs();
                Err(invalid(
                    host,
                    format!("the credential helper said nothing for {seconds} seconds"),
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

fn look(host: &str, repository: &str) -> Found {
    for server in servers(host) {
        for find in [variable, docker] {
            if let Some(found) = find(server)? {
                return Ok(Some(found));
            }
        }
    }
    // The more it says, the more it is meant.
    let whole = format!("{host}/{repository}");
    let mut key = whole.as_str();
    loop {
        if let Some(found) = podman(key)? {
            return Ok(Some(found));
        }
        match key.rsplit_once('/') {
            Some((shorter, _)) => key = shorter,
            None => return Ok(None),
        }
    }
}

/// What the registry may be called in Docker's files. Docker Hub is there under the address of its first version.
pub(super) fn servers(host: &str) -> Vec<&str> {
    match host {
        "docker.io" | "index.docker.io" => vec!["https://index.docker.io/v1/", "docker.io"],
        host => vec![host],
    }
}

fn variable(server: &str) -> Found {
    match std::env::var("DOCKER_AUTH_CONFIG") {
        Ok(text) => or_none(docker_credential::get_credential_from_reader(text.as_bytes(), server)),
        Err(_) => Ok(None),
    }
}

/// Where `docker login` keeps what it is told.
pub(super) fn docker_config() -> Option<PathBuf> {
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    Some(directory.or_else(|| Some(std::env::home_dir()?.join(".docker")))?.join("config.json"))
}

/// The file that podman and skopeo are told to use instead of all others.
pub(super) fn auth_file() -> Option<PathBuf> {
    std::env::var_os("REGISTRY_AUTH_FILE").map(PathBuf::from)
}

fn docker(server: &str) -> Found {
    docker_config().map_or(Ok(None), |path| in_file(&path, server))
}

/// Opens the file itself, because the crate has one error for a file that is missing and one that is damaged.
fn in_file(path: &Path, server: &str) -> Found {
    match File::open(path) {
        Ok(file) => {
            or_none(docker_credential::get_credential_from_reader(BufReader::new(file), server))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(_) => Err(CredentialRetrievalError::ConfigReadError),
    }
}

fn podman(server: &str) -> Found {
    match docker_credential::get_podman_credential(server) {
        Err(
            CredentialRetrievalError::ConfigNotFound | CredentialRetrievalError::ConfigReadError,
        ) => Ok(None),
        found => or_none(found),
    }
}

fn or_none(found: Result<DockerCredential, CredentialRetrievalError>) -> Found {
    match found {
        Ok(credential) => Ok(Some(credential)),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // What Docker's helpers agreed to say of a registry they don't know, with the status of an error.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The error without what a helper printed.
fn describe(error: &CredentialRetrievalError) -> String {
    match error {
        CredentialRetrievalError::HelperFailure { helper, .. } => {
            format!("the credential helper `{helper}` failed; run it to see why")
        }
        CredentialRetrievalError::HelperCommunicationError => {
            "the credential helper that Docker's configuration names can't be run, or ends at once: is it installed?"
                .to_owned()
        }
        CredentialRetrievalError::MalformedHelperResponse => {
            "the credential helper's answer can't be understood".to_owned()
        }
        CredentialRetrievalError::ConfigReadError => {
            "Docker's `config.json` can't be read, or is no valid JSON".to_owned()
        }
        CredentialRetrievalError::CredentialDecodingError => {
            "what is stored for it can't be decoded".to_owned()
        }
        CredentialRetrievalError::CredentialMismatchError => {
            "the stored `auth` is of another user than the stored `username` and `password`".to_owned()
        }
        CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound => {
            "there are none".to_owned()
        }
    }
}

pub(super) fn invalid(registry: &str, reason: String) -> RegistryError {
    RegistryError::InvalidCredentials { registry: registry.to_owned(), reason }
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
        let error = invalid("ghcr.io", describe(&helper_failure("hunter2")));
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
        assert!(error.to_string().contains("docker-credential-x"));
    }

    #[test]
    fn a_helper_that_knows_nothing_is_no_error() {
        let message = "credentials not found in native keychain\n";
        assert_eq!(or_none(Err(helper_failure(message))).unwrap(), None);
        assert!(or_none(Err(helper_failure("locked"))).is_err());
        assert_eq!(or_none(Err(CredentialRetrievalError::NoCredentialConfigured)).unwrap(), None);
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
        assert_eq!(in_file(&path, "a.io").unwrap_err(), CredentialRetrievalError::ConfigReadError);
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

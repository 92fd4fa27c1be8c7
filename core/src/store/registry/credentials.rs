//! Credentials, and where other tools store them.

use std::env;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::RegistryError;
use super::credential_file::{CredentialFile, Found, parse};
use super::credential_helper::{self, Answer};
use crate::fs::read_regular;
use crate::trace::OrTrace;

/// Longest file with logins that we read, in bytes.
pub(super) const MAX_FILE: u64 = 16 << 20;

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

/// The login that is stored for a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredLogin {
    /// The login; [`Credentials::Anonymous`] if there is none.
    pub credentials: Credentials,
    /// The reason why a place that should have one can't be used.
    pub warning: Option<String>,
}

impl StoredLogin {
    /// Returns the login that `docker login` or otherwise `podman login` has stored for `repository` of the registry
    /// `host` (with its port, as in a reference), in a file or with a credential helper, which this runs.
    ///
    /// The places are, in this order: the variable `DOCKER_AUTH_CONFIG`, which holds the content of such a file;
    /// `config.json` in `$DOCKER_CONFIG` or `~/.docker`; `$REGISTRY_AUTH_FILE`, or `containers/auth.json` in
    /// `$XDG_RUNTIME_DIR` (`/run/containers/UID/auth.json` without that) and in `$XDG_CONFIG_HOME` or `~/.config`. Each
    /// may have credentials for a single repository
    /// ([containers-auth.json](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md)).
    ///
    /// # Errors
    /// [`RegistryError::InvalidCredentials`] if a file can't be read, or a helper fails or takes longer than a minute.
    /// The error does not contain the output of a helper, which may be a secret.
    pub fn find(host: &str, repository: &str) -> Result<StoredLogin, RegistryError> {
        let mut warning = None;
        for place in places() {
            let Some(bytes) = place.read(host)? else { continue };
            let unreadable = |error| invalid_because(host, format!("{place} is damaged"), error);
            let file = parse::<CredentialFile>(&bytes).map_err(unreadable)?;
            let undecodable =
                |_| invalid(host, format!("an `auth` in {place} can't be decoded; log in again"));
            let answer = match file.find(host, repository).map_err(undecodable)? {
                Found::Nothing => Answer::Nothing,
                Found::Login(credentials) => Answer::Login(credentials),
                Found::Helper { helper, servers } => {
                    credential_helper::get(host, &helper, &servers)?
                }
            };
            match answer {
                Answer::Login(credentials) => {
                    tracing::debug!(host, %place, "credentials found");
                    return Ok(StoredLogin { credentials, warning: None });
                }
                Answer::Nothing => {}
                Answer::Unusable(reason) => warning = warning.or(Some(reason)),
            }
        }
        tracing::debug!(host, "no credentials found");
        Ok(StoredLogin { credentials: Credentials::Anonymous, warning })
    }
}

/// A place with logins, as `Display` names it.
enum Place {
    Variable(String),
    File(PathBuf),
}

impl Place {
    /// Returns the content, or `None` if there is no such file.
    fn read(&self, host: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        let path = match self {
            Place::Variable(text) => return Ok(Some(text.clone().into_bytes())),
            Place::File(path) => path,
        };
        match read_regular(path, MAX_FILE) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(invalid_because(host, format!("can't read {self}"), error)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Variable(_) => f.write_str("`$DOCKER_AUTH_CONFIG`"),
            Place::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

fn places() -> Vec<Place> {
    let content = match env::var("DOCKER_AUTH_CONFIG") {
        Err(env::VarError::NotPresent) => None,
        text => text.or_trace("read $DOCKER_AUTH_CONFIG"),
    };
    let files = docker_config().into_iter().chain(podman_files(variable, env::home_dir()));
    content.map(Place::Variable).into_iter().chain(files.map(Place::File)).collect()
}

/// Returns the file of `docker login`.
pub(super) fn docker_config() -> Option<PathBuf> {
    let directory = variable("DOCKER_CONFIG").map(PathBuf::from);
    Some(directory.or_else(|| Some(env::home_dir()?.join(".docker")))?.join("config.json"))
}

/// Returns the file that podman and skopeo use instead of all others, if the user has set one.
pub(super) fn auth_file() -> Option<PathBuf> {
    variable("REGISTRY_AUTH_FILE").map(PathBuf::from)
}

/// Returns the value of an environment variable, unless it is empty.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the files where podman looks, in its order.
fn podman_files(
    variable: impl Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
) -> Vec<PathBuf> {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file.into()];
    }
    let mut folders = Vec::new();
    #[cfg(target_os = "linux")]
    folders.push(match variable("XDG_RUNTIME_DIR") {
        Some(folder) => PathBuf::from(folder).join("containers"),
        // Such as for root, and in sessions without a login.
        None => PathBuf::from(format!("/run/containers/{}", rustix::process::getuid().as_raw())),
    });
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(home?.join(".config")));
    folders.extend(config.map(|folder| folder.join("containers")));
    folders.into_iter().map(|folder| folder.join("auth.json")).collect()
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

    #[test]
    fn secrets_are_never_printed() {
        let credentials =
            Credentials::Basic { username: "me".into(), password: Secret::new("hunter2") };
        assert_eq!(format!("{credentials:?}"), r#"Basic { username: "me", password: <redacted> }"#);
        assert_eq!(Secret::new("hunter2").to_string(), "<redacted>");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn podman_s_files_are_where_podman_has_them() {
        let files = |variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(value))
            };
            podman_files(variable, Some(PathBuf::from("/home/me")))
        };
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let uid = rustix::process::getuid().as_raw();
        let run = format!("/run/containers/{uid}/auth.json");
        let config = "/home/me/.config/containers/auth.json";
        assert_eq!(files(&[]), paths(&[&run, config]));
        assert_eq!(
            files(&[("XDG_RUNTIME_DIR", "/run/user/1"), ("XDG_CONFIG_HOME", "/c")]),
            paths(&["/run/user/1/containers/auth.json", "/c/containers/auth.json"])
        );
        assert_eq!(files(&[("REGISTRY_AUTH_FILE", "/a")]), paths(&["/a"]));
    }
}

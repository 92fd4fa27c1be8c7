//! Files with logins: Docker's `config.json` and podman's `auth.json`, which have the same format
//! ([containers-auth.json](https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md)).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Credentials, Secret};

/// Tools write base64 with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CredentialFile {
    auths: Option<BTreeMap<String, Entry>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

// Not derived, because it would show passwords.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// What a file has for a repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Login(Credentials),
    /// The name of a credential helper, and the names that it may know the registry by.
    Helper {
        helper: String,
        servers: Vec<String>,
    },
}

/// An `auth` that is not the base64 of user name, colon and password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Undecodable;

impl CredentialFile {
    /// Returns the login for `repository` of the registry `host`. The most specific key comes first.
    pub(super) fn find(&self, host: &str, repository: &str) -> Result<Found, Undecodable> {
        let mut keys: Vec<(usize, &String, &Entry)> = self
            .auths
            .iter()
            .flatten()
            .filter_map(|(key, entry)| Some((specificity(key, host, repository)?, key, entry)))
            .collect();
        keys.sort_by_key(|(specificity, ..)| Reverse(*specificity));
        let mut servers: Vec<String> = servers(host).into_iter().map(str::to_owned).collect();
        for (_, key, _) in &keys {
            if !servers.contains(key) {
                servers.push((*key).clone());
            }
        }
        let mut helpers = self.cred_helpers.iter().flatten();
        let own = helpers
            .find(|(key, helper)| specificity(key, host, "").is_some() && !helper.is_empty());
        if let Some((_, helper)) = own {
            return Ok(Found::Helper { helper: helper.clone(), servers });
        }
        for (_, _, entry) in &keys {
            if let Some(credentials) = entry.credentials()? {
                return Ok(Found::Login(credentials));
            }
        }
        Ok(match self.creds_store.as_ref().filter(|helper| !helper.is_empty()) {
            Some(helper) => Found::Helper { helper: helper.clone(), servers },
            None => Found::Nothing,
        })
    }
}

impl Entry {
    /// Returns the login, unless it is empty: Docker leaves such entries for logins that are in a helper.
    fn credentials(&self) -> Result<Option<Credentials>, Undecodable> {
        let given = |field: &Option<String>| {
            field.as_deref().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned)
        };
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credentials::IdentityToken(Secret::new(token))));
        }
        let (username, password) = match given(&self.auth) {
            Some(auth) => {
                let bytes = BASE64.decode(auth).map_err(|_| Undecodable)?;
                let text = String::from_utf8(bytes).map_err(|_| Undecodable)?;
                let (username, password) = text.split_once(':').ok_or(Undecodable)?;
                // As Docker does.
                (username.to_owned(), password.trim_matches('\0').to_owned())
            }
            None => (
                given(&self.username).unwrap_or_default(),
                self.password.clone().unwrap_or_default(),
            ),
        };
        if username.is_empty() || password.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credentials::Basic { username, password: Secret::new(password) }))
    }
}

/// A file with logins that can't be parsed. The parser's own error may quote a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it {} at line {line}, column {column}, which isn't shown because it may be a secret; correct it, or log in again",
    if *is_json { "has a wrong kind of value" } else { "is not JSON" }
)]
pub(super) struct Damaged {
    line: usize,
    column: usize,
    is_json: bool,
}

impl From<serde_json::Error> for Damaged {
    fn from(error: serde_json::Error) -> Damaged {
        Damaged { line: error.line(), column: error.column(), is_json: error.is_data() }
    }
}

/// Reads JSON from a file with logins, which may be one that nothing was written to yet.
pub(super) fn parse<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Damaged> {
    // Some editors write a byte order mark.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match text.iter().all(u8::is_ascii_whitespace) {
        true => Ok(T::default()),
        false => Ok(serde_json::from_slice(text)?),
    }
}

/// Returns the names of a registry in Docker's files.
pub(super) fn servers(host: &str) -> Vec<&str> {
    match host {
        // `docker login` still uses the URL of Docker Hub's first version.
        "docker.io" | "index.docker.io" => vec!["https://index.docker.io/v1/", "docker.io"],
        host => vec![host],
    }
}

/// Returns the length of the path in a key, or `None` if the key is not for the repository. Keys are hosts, URLs as old
/// versions of Docker wrote them, and for podman also repositories and what is above them.
fn specificity(key: &str, host: &str, repository: &str) -> Option<usize> {
    let name = ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme));
    let name = name.unwrap_or(key).trim_end_matches('/');
    let (key_host, path) = name.split_once('/').unwrap_or((name, ""));
    if !canonical(key_host).eq_ignore_ascii_case(canonical(host)) {
        return None;
    }
    let path = if matches!(path, "v1" | "v2") { "" } else { path.trim_start_matches('/') };
    let rest = repository.strip_prefix(path)?;
    (path.is_empty() || rest.is_empty() || rest.starts_with('/')).then_some(path.len())
}

fn canonical(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // `me:hunter2`, as `docker login` encodes it.
    const AUTH: &str = "bWU6aHVudGVyMg==";

    fn find(file: &str, host: &str, repository: &str) -> Found {
        parse::<CredentialFile>(file.as_bytes()).unwrap().find(host, repository).unwrap()
    }

    fn me() -> Found {
        Found::Login(Credentials::Basic {
            username: "me".to_owned(),
            password: Secret::new("hunter2"),
        })
    }

    #[test]
    fn a_key_is_found_in_every_spelling() {
        for key in [
            "a.io",
            "a.io/",
            "https://a.io",
            "http://a.io/",
            "https://a.io/v1/",
            "https://a.io/v2/",
            "a.io/v2",
            "A.io",
            "a.io/team",
            "a.io/team/",
            "a.io/team/app",
        ] {
            let file = format!(r#"{{"auths":{{"{key}":{{"auth":"{AUTH}"}}}}}}"#);
            assert_eq!(find(&file, "a.io", "team/app"), me(), "{key}");
        }
        for key in
            ["b.io", "a.io:5000", "a.io/tea", "a.io/team/app2", "a.io/team/app/x", "xa.io", ""]
        {
            let file = format!(r#"{{"auths":{{"{key}":{{"auth":"{AUTH}"}}}}}}"#);
            assert_eq!(find(&file, "a.io", "team/app"), Found::Nothing, "{key}");
        }
        for key in ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"] {
            let file = format!(r#"{{"auths":{{"{key}":{{"auth":"{AUTH}"}}}}}}"#);
            assert_eq!(find(&file, "docker.io", "library/app"), me(), "{key}");
        }
    }

    #[test]
    fn the_most_specific_key_comes_first_and_an_empty_one_not_at_all() {
        let file = format!(
            r#"{{"auths":{{"a.io":{{"auth":"eDp5"}},"a.io/team":{{"auth":"{AUTH}"}},
                "a.io/team/app":{{"auth":""}}}}}}"#
        );
        assert_eq!(find(&file, "a.io", "team/app"), me());
        for entry in [
            "{}",
            r#"{"auth":""}"#,
            r#"{"auth":null}"#,
            r#"{"auth":"Og=="}"#,
            r#"{"identitytoken":""}"#,
            r#"{"username":"me"}"#,
            r#"{"email":"x"}"#,
        ] {
            let file = format!(r#"{{"auths":{{"a.io":{entry}}}}}"#);
            assert_eq!(find(&file, "a.io", ""), Found::Nothing, "{entry}");
        }
        let token = r#"{"auths":{"a.io":{"auth":"bWU6aHVudGVyMg","identitytoken":"t"}}}"#;
        let expected = Found::Login(Credentials::IdentityToken(Secret::new("t")));
        assert_eq!(find(token, "a.io", ""), expected);
        let damaged = parse::<CredentialFile>(br#"{"auths":{"a.io":{"auth":"%"}}}"#).unwrap();
        assert_eq!(damaged.find("a.io", ""), Err(Undecodable));
        assert_eq!(damaged.find("b.io", ""), Ok(Found::Nothing));
    }

    #[test]
    fn helpers_are_for_one_registry_or_for_what_is_not_in_the_file() {
        let helper = |helper: &str, servers: &[&str]| Found::Helper {
            helper: helper.to_owned(),
            servers: servers.iter().map(|server| (*server).to_owned()).collect(),
        };
        let file = format!(
            r#"{{"auths":{{"a.io":{{"auth":"{AUTH}"}},"https://b.io":{{}}}},"credHelpers":{{"a.io":"x","c.io":""}},
                "credsStore":"y"}}"#
        );
        assert_eq!(find(&file, "a.io", "app"), helper("x", &["a.io"]));
        assert_eq!(find(&file, "b.io", "app"), helper("y", &["b.io", "https://b.io"]));
        assert_eq!(find(&file, "c.io", "app"), helper("y", &["c.io"]));
        let hub = helper("y", &["https://index.docker.io/v1/", "docker.io"]);
        assert_eq!(find(&file, "docker.io", "library/app"), hub);
    }

    #[test]
    fn a_file_may_be_empty_but_not_damaged() {
        for file in ["", " \n", "\u{feff}", "{}", r#"{"auths":null}"#, "\u{feff}{}"] {
            assert_eq!(find(file, "a.io", ""), Found::Nothing, "{file}");
        }
        for file in [
            r#""{\"auths\":{\"a.io\":{\"auth\":\"hunter2\"}}}""#,
            r#"{"auths":{"a.io":"hunter2"}}"#,
            r#"{"auths":"hunter2"}"#,
            r#"{"auths":{"a.io":{"auth":"hunter2}}}"#,
            r#"{"credsStore":["hunter2"]}"#,
            "hunter2",
        ] {
            let error = parse::<CredentialFile>(file.as_bytes()).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2") && shown.contains("at line 1, column"), "{shown}");
        }
        let number = parse::<CredentialFile>(br#"{"auths":{"a.io":{"password":12345678}}}"#);
        assert!(!number.unwrap_err().to_string().contains("12345678"));
        for file in ["{", "[]", "x"] {
            assert!(parse::<CredentialFile>(file.as_bytes()).is_err(), "{file}");
        }
    }
}

//! Login and logout: credentials stored where `docker login` stores them, so that other tools find them.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::credential_file::{parse, servers};
use super::credential_helper::change;
use super::credentials::{MAX_FILE, auth_file, docker_config, invalid, invalid_because};
use super::{RegistryError, Secret};
use crate::fs::{Access, WriteOptions, create_folder, folder_of, read_regular};
use crate::trace::OrTrace;

/// Place where a login is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// This file, in an encoding that everybody who can read it can decode.
    File(PathBuf),
    /// This credential helper.
    Helper(String),
}

/// Stores a user name and password for the registry `host` (with its port): with the credential helper that Docker's
/// configuration names, otherwise in that file, or in `$REGISTRY_AUTH_FILE` if that is set
/// ([docker login](https://docs.docker.com/reference/cli/docker/login/#credential-stores)).
///
/// # Errors
/// [`RegistryError::InvalidCredentials`] if the user name is empty or has a colon, which nobody could log in with, the file
/// can't be read or written, or the helper fails.
pub fn store_login(host: &str, username: &str, password: &Secret) -> Result<Stored, RegistryError> {
    // RFC 7617, section 2: readers take everything after the first colon for the password.
    if username.is_empty() || username.contains(':') {
        let reason = "a user name can't be empty or contain a colon; pass the name alone";
        return Err(invalid(host, reason));
    }
    let file = File::open(host)?;
    let server = file.server(host);
    let helper = file.helper(&server);
    let entry = match &helper {
        Some(helper) => {
            let login =
                json!({"ServerURL": server, "Username": username, "Secret": password.reveal()});
            change(host, helper, "store", &login.to_string())?;
            // An empty entry, as Docker writes it, shows that there is a login.
            json!({})
        }
        None => json!({"auth": BASE64.encode(format!("{username}:{}", password.reveal()))}),
    };
    let path = file.update(host, |file| drop(file.section("auths").insert(server, entry)))?;
    Ok(helper.map_or(Stored::File(path), Stored::Helper))
}

/// Removes the login for the registry `host`, also one that `docker login` has stored. Returns its place, or `None` if
/// there was none.
///
/// # Errors
/// Errors of [`store_login`].
pub fn forget_login(host: &str) -> Result<Option<Stored>, RegistryError> {
    let mut file = File::open(host)?;
    let server = file.server(host);
    let helper = file.helper(&server);
    // Old versions of Docker stored names with a scheme, and Docker still reads them.
    let known = [server.clone(), format!("https://{host}"), format!("http://{host}")];
    let auths = file.section("auths");
    if !known.iter().any(|name| auths.contains_key(name)) {
        return Ok(None);
    }
    if let Some(helper) = &helper {
        change(host, helper, "erase", &server)?;
    }
    let path = file.update(host, |file| {
        let auths = file.section("auths");
        known.iter().for_each(|name| drop(auths.remove(name)));
    })?;
    Ok(Some(helper.map_or(Stored::File(path), Stored::Helper)))
}

/// Docker's configuration. It keeps the parts that we do not interpret.
struct File {
    path: PathBuf,
    /// True for podman's file, which names Docker Hub by its host.
    plain_names: bool,
    content: Map<String, Value>,
}

impl File {
    fn open(host: &str) -> Result<File, RegistryError> {
        let no_home =
            || invalid(host, "there is no home directory to store them in; set DOCKER_CONFIG");
        let (path, plain_names) = match auth_file() {
            Some(path) => (path, true),
            None => (docker_config().ok_or_else(no_home)?, false),
        };
        let path = without_links(path);
        let mut file = File { path, plain_names, content: Map::new() };
        file.read(host)?;
        Ok(file)
    }

    fn read(&mut self, host: &str) -> Result<(), RegistryError> {
        let unreadable = || format!("can't read `{}`", self.path.display());
        self.content = match read_regular(&self.path, MAX_FILE) {
            Ok(bytes) => {
                parse(&bytes).map_err(|error| invalid_because(host, unreadable(), error))?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(invalid_because(host, unreadable(), error)),
        };
        Ok(())
    }

    /// Reads the file again, changes it, and writes it. Meanwhile, no other process of ours does the same: the file would
    /// lose the login of one of them. Returns its path.
    fn update(
        mut self,
        host: &str,
        change: impl FnOnce(&mut File),
    ) -> Result<PathBuf, RegistryError> {
        let failed = |path: &Path, error: io::Error| {
            invalid_because(host, format!("can't write `{}`", path.display()), error)
        };
        let folder = folder_of(&self.path).to_owned();
        create_folder(&folder).map_err(|error| failed(&self.path, error))?;
        // Held until it is dropped. The file itself can't be locked, because it is replaced.
        let _lock = lock(&folder).or_trace("lock the folder of the logins");
        self.read(host)?;
        change(&mut self);
        self.write().map_err(|error| failed(&self.path, error))?;
        Ok(self.path)
    }

    fn server(&self, host: &str) -> String {
        if self.plain_names { host } else { servers(host)[0] }.to_owned()
    }

    fn helper(&self, server: &str) -> Option<String> {
        let named = self.content.get("credHelpers").and_then(|helpers| helpers.get(server));
        let named = named.or_else(|| self.content.get("credsStore")).and_then(Value::as_str);
        named.filter(|name| !name.is_empty()).map(str::to_owned)
    }

    fn section(&mut self, name: &str) -> &mut Map<String, Value> {
        let section = self.content.entry(name).or_insert_with(|| json!({}));
        if !section.is_object() {
            *section = json!({});
        }
        section.as_object_mut().unwrap_or_else(|| unreachable!("it was just made one"))
    }

    fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(&self.content)?;
        text.push(b'\n');
        let existing = fs::metadata(&self.path).ok();
        // Only the user may read a new file, because it holds passwords.
        let private = WriteOptions { access: Access::Private, ..WriteOptions::default() };
        private.replace(&self.path, |file| {
            if let Some(existing) = &existing {
                keep_access(file, existing)?;
            }
            file.write_all(&text)
        })
    }
}

/// Returns the file that a symbolic link leads to, which may be missing, so that the link stays one.
fn without_links(path: PathBuf) -> PathBuf {
    // As many as Linux follows.
    const MAX_LINKS: usize = 40;
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let mut path = path;
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            // Not a link.
            Err(_) => return path,
        }
    }
    path
}

/// Gives a file that replaces another the mode and the owner of that one: root may log in for somebody else.
fn keep_access(file: &fs::File, existing: &fs::Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (existing.uid(), existing.gid()) {
            // Only root may give files away. For others, the file is their own from now on.
            fchown(file, Some(existing.uid()), Some(existing.gid())).or_trace("keep the owner");
        }
        file.set_permissions(existing.permissions())?;
    }
    let _ = (file, existing);
    Ok(())
}

fn lock(folder: &Path) -> io::Result<fs::File> {
    // Windows can't lock folders.
    let file = match cfg!(unix) {
        true => fs::File::open(folder)?,
        false => fs::File::create(folder.join(".config.json.lock"))?,
    };
    file.lock()?;
    Ok(file)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_missing_file_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("dotfiles")).unwrap();
        std::os::unix::fs::symlink("dotfiles/docker.json", at("config.json")).unwrap();
        std::os::unix::fs::symlink("config.json", at("other.json")).unwrap();
        for link in ["config.json", "other.json"] {
            assert_eq!(without_links(at(link)), at("dotfiles/docker.json"));
        }
        fs::write(at("dotfiles/docker.json"), "{}").unwrap();
        let found = at("dotfiles/docker.json").canonicalize().unwrap();
        assert_eq!(without_links(at("other.json")), found);
        assert_eq!(without_links(at("missing.json")), at("missing.json"));
        std::os::unix::fs::symlink("loop.json", at("loop.json")).unwrap();
        assert_eq!(without_links(at("loop.json")).file_name(), at("loop.json").file_name());
    }

    #[test]
    fn a_name_that_nobody_could_log_in_with_is_not_stored() {
        for name in ["", "a:b", ":"] {
            let error = store_login("a.io", name, &Secret::new("x")).unwrap_err();
            assert!(error.to_string().contains("can't be empty or contain a colon"), "{error}");
        }
    }
}

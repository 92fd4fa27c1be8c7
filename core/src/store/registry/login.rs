//! Credentials put where `docker login` puts them, so that other tools find them too.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::credentials::{HELPER_TIMEOUT, auth_file, docker_config, invalid, servers};
use super::{RegistryError, Secret};
use crate::fs::{Access, WriteOptions, create_folder};

/// Where a login is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// In this file, as text that anybody who reads it can decode.
    File(PathBuf),
    /// By this credential helper.
    Helper(String),
}

/// Keeps a user's name and password for the registry `host` (with its port): with the credential helper that Docker's
/// configuration names, else in that file, or in `$REGISTRY_AUTH_FILE` if there is that variable
/// ([docker login](https://docs.docker.com/reference/cli/docker/login/#credential-stores)).
///
/// # Errors
/// [`RegistryError::InvalidCredentials`] when the file can't be read or written, or the helper fails.
pub fn store_login(host: &str, username: &str, password: &Secret) -> Result<Stored, RegistryError> {
    let mut file = File::open(host)?;
    let server = file.server(host);
    let helper = file.helper(&server);
    let entry = match &helper {
        Some(helper) => {
            let login =
                json!({"ServerURL": server, "Username": username, "Secret": password.reveal()});
            run(helper, "store", &login.to_string()).map_err(|reason| invalid(host, reason))?;
            // As Docker does, for who wants to know where one is logged in to.
            json!({})
        }
        None => json!({"auth": BASE64.encode(format!("{username}:{}", password.reveal()))}),
    };
    file.section("auths").insert(server, entry);
    file.write(host)?;
    Ok(helper.map_or(Stored::File(file.path), Stored::Helper))
}

/// Forgets what [`store_login`], or `docker login`, has kept for the registry `host`. Where it was, if it was anywhere.
///
/// # Errors
/// As [`store_login`].
pub fn forget_login(host: &str) -> Result<Option<Stored>, RegistryError> {
    let mut file = File::open(host)?;
    let server = file.server(host);
    let helper = file.helper(&server);
    let auths = file.section("auths");
    let known = [server.clone(), format!("https://{host}"), format!("http://{host}")];
    let removed = known.iter().filter(|name| auths.remove(*name).is_some()).count() > 0;
    if let (Some(helper), true) = (&helper, removed) {
        run(helper, "erase", &server).map_err(|reason| invalid(host, reason))?;
    }
    if !removed {
        return Ok(None);
    }
    file.write(host)?;
    Ok(Some(helper.map_or(Stored::File(file.path), Stored::Helper)))
}

/// Docker's configuration, of which we know little and keep all.
struct File {
    path: PathBuf,
    /// It is podman's, which knows Docker Hub by its own name.
    plain_names: bool,
    content: Map<String, Value>,
}

impl File {
    fn open(host: &str) -> Result<File, RegistryError> {
        let nowhere = || {
            invalid(
                host,
                "there is no home directory to keep them in: set DOCKER_CONFIG".to_owned(),
            )
        };
        let (path, plain_names) = match auth_file() {
            Some(path) => (path, true),
            None => (docker_config().ok_or_else(nowhere)?, false),
        };
        // What is linked to is changed, and stays linked to.
        let path = path.canonicalize().unwrap_or(path);
        let damaged =
            |reason: String| invalid(host, format!("`{}` can't be read: {reason}", path.display()));
        let content = match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(damaged(error.to_string())),
        };
        Ok(File { path, plain_names, content })
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

    /// Only the user can read the file: it holds passwords.
    fn write(&self, host: &str) -> Result<(), RegistryError> {
        let failed = |error: std::io::Error| {
            invalid(host, format!("`{}` can't be written: {error}", self.path.display()))
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        create_folder(folder).map_err(failed)?;
        let mut text =
            serde_json::to_vec_pretty(&self.content).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        let private = WriteOptions { access: Access::Private, ..WriteOptions::default() };
        private.replace(&self.path, |file| file.write_all(&text)).map_err(failed)
    }
}

/// Runs a credential helper
/// ([docker-credential-helpers](https://github.com/docker/docker-credential-helpers#development)). What it prints is
/// nobody's business.
fn run(helper: &str, action: &str, input: &str) -> Result<(), String> {
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the credential helper `{program}` can't be run: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that doesn't read it says with its status what it thinks of it.
        let _ = stdin.write_all(input.as_bytes());
    }
    match wait(&mut child) {
        Some(true) => Ok(()),
        Some(false) => Err(format!("the credential helper `{program}` failed; run it to see why")),
        None => Err(format!(
            "the credential helper `{program}` took longer than {} seconds",
            HELPER_TIMEOUT.as_secs()
        )),
    }
}

/// Whether it succeeds; `None` when it doesn't end.
fn wait(child: &mut Child) -> Option<bool> {
    let end = Instant::now() + HELPER_TIMEOUT;
    while Instant::now() < end {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(_) => return Some(false),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

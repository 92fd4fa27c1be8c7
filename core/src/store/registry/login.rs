//! Login and logout: credentials stored where `docker login` stores them, so that other tools find them.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Map, Value, json};
use wait_timeout::ChildExt;

use super::credentials::{
    HELPER_TIMEOUT, auth_file, docker_config, helper_failed, invalid, invalid_because, servers,
};
use super::{RegistryError, Secret};
use crate::fs::{Access, WriteOptions, create_folder};
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
/// [`RegistryError::InvalidCredentials`] if the file can't be read or written, or the helper fails.
pub fn store_login(host: &str, username: &str, password: &Secret) -> Result<Stored, RegistryError> {
    let mut file = File::open(host)?;
    let server = file.server(host);
    let helper = file.helper(&server);
    let entry = match &helper {
        Some(helper) => {
            let login =
                json!({"ServerURL": server, "Username": username, "Secret": password.reveal()});
            run(host, helper, "store", &login.to_string())?;
            // An empty entry, as Docker writes it, shows that there is a login.
            json!({})
        }
        None => json!({"auth": BASE64.encode(format!("{username}:{}", password.reveal()))}),
    };
    file.section("auths").insert(server, entry);
    file.write(host)?;
    Ok(helper.map_or(Stored::File(file.path), Stored::Helper))
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
    let auths = file.section("auths");
    // Old versions of Docker stored names with a scheme, and Docker still reads them.
    let known = [server.clone(), format!("https://{host}"), format!("http://{host}")];
    let removed = known.iter().filter(|name| auths.remove(*name).is_some()).count() > 0;
    if let (Some(helper), true) = (&helper, removed) {
        run(host, helper, "erase", &server)?;
    }
    if !removed {
        return Ok(None);
    }
    file.write(host)?;
    Ok(Some(helper.map_or(Stored::File(file.path), Stored::Helper)))
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
        // A symbolic link stays one: only its target is replaced.
        let path = path.canonicalize().unwrap_or(path);
        let unreadable = || format!("can't read `{}`", path.display());
        let content = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| invalid_because(host, unreadable(), error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(invalid_because(host, unreadable(), error)),
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

    fn write(&self, host: &str) -> Result<(), RegistryError> {
        let failed = |error: std::io::Error| {
            invalid_because(host, format!("can't write `{}`", self.path.display()), error)
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        create_folder(folder).map_err(failed)?;
        let mut text =
            serde_json::to_vec_pretty(&self.content).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        // Only the user may read the file, because it holds passwords.
        let private = WriteOptions { access: Access::Private, ..WriteOptions::default() };
        private.replace(&self.path, |file| file.write_all(&text)).map_err(failed)
    }
}

/// Runs a credential helper
/// ([docker-credential-helpers](https://github.com/docker/docker-credential-helpers#development)).
fn run(host: &str, helper: &str, action: &str, input: &str) -> Result<(), RegistryError> {
    let program = format!("docker-credential-{helper}");
    let start = Instant::now();
    let failed = |reason: &str, error: std::io::Error| {
        invalid_because(host, format!("the credential helper `{program}` {reason}"), error)
    };
    let mut child = Command::new(&program)
        .arg(action)
        .stdin(Stdio::piped())
        // The output may be a secret.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("can't be run", error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input reports with its status whether that is an error.
        stdin.write_all(input.as_bytes()).or_trace("write to the credential helper");
    }
    let status =
        child.wait_timeout(HELPER_TIMEOUT).map_err(|error| failed("can't be waited for", error))?;
    tracing::debug!(program, action, ?status, ms = start.elapsed().as_millis(), "command");
    match status {
        Some(status) if status.success() => Ok(()),
        Some(_) => Err(invalid(host, helper_failed(&program))),
        None => {
            end(&mut child);
            let seconds = HELPER_TIMEOUT.as_secs();
            let reason =
                format!("the credential helper `{program}` took longer than {seconds} seconds");
            Err(invalid(host, reason))
        }
    }
}

fn end(child: &mut Child) {
    child.kill().or_trace("end the credential helper");
    child.wait().or_trace("wait for the credential helper");
}

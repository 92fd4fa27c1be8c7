//! Connections to registries: options of the user, and certificates and logins of this machine.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use wasm_oci_core::error_chain;
use wasm_oci_core::image::Reference;
use wasm_oci_core::limits::ReadLimits;
use wasm_oci_core::store::{
    BlobInfoCache, Credentials, Error as StoreError, OnRetry, Registry, RegistryOptions,
    RetryEvent, Secret, StoredLogin, Tls,
};

use crate::config::args::unless_empty;
use crate::config::env_vars::{
    self, WASM_OCI_PASSWORD, WASM_OCI_PRIVATE_HOSTS, WASM_OCI_REGISTRY, WASM_OCI_USERNAME,
};
use crate::config::settings::Settings;
use crate::error::{Error, UsageError};
use crate::registry::read_limits::ReadLimitArgs;
use crate::ui::shell::Shell;

/// Options of connections to registries.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArgs {
    /// Use plain HTTP for this registry (the default for loopback addresses)
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    pub insecure_registries: Vec<String>,
    /// Trust the certificates in this file (PEM), in addition to the system's and those in /etc/docker/certs.d/HOST
    #[arg(id = "authorities", long = "ca", value_name = "FILE")]
    pub authorities: Vec<PathBuf>,
    /// Client certificate for mutual TLS (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// Also send the registry's credentials to this token server, even though it is on another domain
    #[arg(long = "token-server", value_name = "HOST")]
    pub token_servers: Vec<String>,
    /// Let the registry send us to this host even though its address is not public, such as storage in your network
    #[arg(long = "private-host", value_name = "HOST[:PORT]")]
    pub private_hosts: Vec<String>,
}

/// Login for the registry of a command, instead of the one that `login` has stored.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Registry")]
pub struct LoginArgs {
    // There is no `--password`: other users of the machine can see arguments, and shells keep them in a history.
    /// User name
    #[arg(short, long, value_name = "NAME", requires = "password_stdin")]
    pub username: Option<String>,
    /// Read the password or access token from standard input
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
}

impl LoginArgs {
    /// Returns the login of the flags. Only the registry `host` gets it.
    pub fn login(&self, host: &str) -> Result<Option<Login>, Error> {
        let Some(username) = self.username.clone().filter(|_| self.password_stdin) else {
            return Ok(None);
        };
        let password =
            std::io::read_to_string(std::io::stdin()).map_err(UsageError::UnreadablePassword)?;
        // `echo` ends its output with a newline.
        let password = password.trim_end_matches(['\r', '\n']);
        // Such as that of an unset variable. The registry's refusal would not name this cause.
        if password.is_empty() {
            let message = "there is no password on standard input; pipe it into this command";
            return Err(UsageError::Combination(message).into());
        }
        Ok(Some(Login { registry: host.to_owned(), username, password: Secret::new(password) }))
    }
}

impl RegistryArgs {
    pub fn settings(&self) -> Settings {
        Settings {
            insecure_registries: unless_empty(&self.insecure_registries),
            ..Settings::default()
        }
    }

    /// Returns the connections for these flags and the environment.
    pub fn connections(&self, shell: &Shell) -> Result<Connections, Error> {
        Connections::new(self, &self.settings().over(env_vars::registry_settings()), shell)
    }
}

/// Options of commands that read images.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadArgs {
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub limits: ReadLimitArgs,
}

impl ReadArgs {
    /// Returns the connections for these flags and the environment.
    pub fn connections(&self, shell: &Shell) -> Result<Connections, Error> {
        self.registry.connections(shell)?.with_limits(&self.limits)
    }
}

/// Options of the connection to a command's registry, with a login.
#[derive(Debug, Clone, Default, Args)]
pub struct AccountArgs {
    #[command(flatten)]
    pub read: ReadArgs,
    #[command(flatten)]
    pub login: LoginArgs,
}

impl AccountArgs {
    /// Returns the connections for these flags and the environment. Only `registry` gets the login: the destination of the command,
    /// otherwise its source.
    pub fn connections(
        &self,
        registry: Option<&Reference>,
        shell: &Shell,
    ) -> Result<Connections, Error> {
        let login = registry.map(|registry| self.login.login(registry.registry())).transpose()?;
        Ok(self.read.connections(shell)?.with_login(login.flatten()))
    }
}

/// Options for connections to any registry.
#[derive(Debug, Clone)]
pub struct Connections {
    insecure: Vec<String>,
    /// Insecure registries of settings that need not be the user's own, such as those of a crate.
    insecure_if_anonymous: Vec<String>,
    token_servers: Vec<String>,
    private_hosts: Vec<String>,
    tls: Tls,
    login: Option<Login>,
    limits: ReadLimits,
    blob_info_cache: BlobInfoCache,
    warned: Arc<Mutex<BTreeSet<String>>>,
    shell: Shell,
}

/// A user name and password for one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Host and port of the only registry that may receive them.
    pub registry: String,
    pub username: String,
    /// Password or access token.
    pub password: Secret,
}

impl Connections {
    /// Returns the options of the flags and the environment, with the insecure registries of `settings`.
    pub fn new(
        args: &RegistryArgs,
        settings: &Settings,
        shell: &Shell,
    ) -> Result<Connections, Error> {
        // clap accepts neither of them without the other.
        let identity = args.client_cert.clone().zip(args.client_key.clone());
        Ok(Connections {
            insecure: args
                .settings()
                .over(env_vars::registry_settings())
                .insecure_registries
                .unwrap_or_default(),
            insecure_if_anonymous: settings.insecure_registries.clone().unwrap_or_default(),
            token_servers: args.token_servers.clone(),
            // Flags come before the environment.
            private_hosts: unless_empty(&args.private_hosts)
                .unwrap_or_else(|| env_vars::list(WASM_OCI_PRIVATE_HOSTS).unwrap_or_default()),
            tls: Tls { authorities: args.authorities.clone(), identity },
            login: login_from(env_vars::value)?,
            limits: ReadLimitArgs::default().limits()?,
            blob_info_cache: blob_info_cache(false)?,
            warned: Arc::default(),
            shell: shell.clone(),
        })
    }

    /// Returns the connections with this login, if any, instead of the current one.
    pub fn with_login(self, login: Option<Login>) -> Connections {
        // Flags come before the environment.
        Connections { login: login.or(self.login), ..self }
    }

    pub fn with_limits(self, args: &ReadLimitArgs) -> Result<Connections, Error> {
        Ok(Connections { limits: args.limits()?, ..self })
    }

    /// Returns the connections with this cache instead of the user's.
    pub fn with_blob_info_cache(self, blob_info_cache: BlobInfoCache) -> Connections {
        Connections { blob_info_cache, ..self }
    }

    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    pub fn limits(&self) -> ReadLimits {
        self.limits
    }

    pub fn options(&self, host: &str, repository: &str) -> Result<RegistryOptions, Error> {
        // The host includes the port: another port may belong to another server.
        let login = self.login.as_ref().filter(|login| login.registry == host);
        let credentials = match login {
            Some(login) => Credentials::Basic {
                username: login.username.clone(),
                password: login.password.clone(),
            },
            None => self.stored_login(host, repository)?,
        };
        let mut tls = Tls::for_registry(host);
        tls.authorities.extend(self.tls.authorities.iter().cloned());
        // Flags come before the files in `certs.d`.
        tls.identity = self.tls.identity.clone().or(tls.identity);
        let shell = self.shell.clone();
        Ok(RegistryOptions {
            insecure: self.insecure.iter().any(|insecure| insecure == host),
            insecure_if_anonymous: self.insecure_if_anonymous.iter().any(|it| it == host),
            credentials,
            is_stored_login: login.is_none(),
            token_servers: self.token_servers.clone(),
            private_hosts: self.private_hosts.clone(),
            tls,
            limits: self.limits,
            blob_info_cache: self.blob_info_cache.clone(),
            on_retry: Some(OnRetry::new(move |event| announce(&shell, event))),
            ..RegistryOptions::default()
        })
    }

    fn stored_login(&self, host: &str, repository: &str) -> Result<Credentials, Error> {
        let stored = StoredLogin::find(host, repository).map_err(StoreError::from)?;
        if let Some(warning) = stored.warning {
            let message = format!("{warning}; using {host} without a login");
            // A command connects to a registry several times.
            if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(message.clone()) {
                self.shell.warn(message);
            }
        }
        Ok(stored.credentials)
    }

    /// Returns the client for the repository of a reference.
    pub fn registry(&self, reference: &Reference) -> Result<Registry, Error> {
        self.registry_mounting(reference, None)
    }

    /// Returns the same client, which may mount blobs from the repository of `source` if that is in the same registry.
    pub fn registry_mounting(
        &self,
        reference: &Reference,
        source: Option<&Reference>,
    ) -> Result<Registry, Error> {
        // A registry mounts only blobs of its own (distribution-spec, Mounting a blob from another repository).
        let other = source.filter(|source| {
            source.registry() == reference.registry()
                && source.repository() != reference.repository()
        });
        let options = RegistryOptions {
            mount_from: other.map(|source| source.repository().to_owned()),
            ..self.options(reference.registry(), reference.repository())?
        };
        Ok(Registry::new(reference, options).map_err(StoreError::from)?)
    }
}

/// Returns the user's cache of the places of blobs. With `no_cache`, it is only in memory: what this command itself does is
/// no cached result.
pub fn blob_info_cache(no_cache: bool) -> Result<BlobInfoCache, Error> {
    let limit = env_vars::cache_size()?;
    let dir = env_vars::cache_dir().filter(|_| !no_cache);
    Ok(dir.map_or_else(BlobInfoCache::default, |dir| BlobInfoCache::among(&dir, limit)))
}

fn announce(shell: &Shell, event: &RetryEvent) {
    let RetryEvent { error, wait, attempt, max_attempts } = event;
    let wait = wait.as_secs_f64();
    shell.status(
        "Retrying",
        format_args!("in {wait:.1} s, attempt {attempt} of {max_attempts}: {}", error_chain(error)),
    );
}

fn login_from(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Login>, Error> {
    let Some(password) = variable(WASM_OCI_PASSWORD) else { return Ok(None) };
    // Without its registry, the password would go to every registry that a command contacts.
    let Some((registry, username)) = variable(WASM_OCI_REGISTRY).zip(variable(WASM_OCI_USERNAME))
    else {
        let error = UsageError::PasswordWithoutAccount {
            password: WASM_OCI_PASSWORD,
            registry: WASM_OCI_REGISTRY,
            username: WASM_OCI_USERNAME,
        };
        return Err(error.into());
    };
    Ok(Some(Login { registry, username, password: Secret::new(password) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_of_the_environment_is_for_one_registry() {
        let all = |name: &str| Some(name.to_owned());
        let login = login_from(all).unwrap().unwrap();
        assert_eq!(
            (login.registry.as_str(), login.username.as_str()),
            (WASM_OCI_REGISTRY, WASM_OCI_USERNAME)
        );
        assert!(!format!("{login:?}").contains(WASM_OCI_PASSWORD));
        assert_eq!(login_from(|_| None).unwrap(), None);
        let error =
            login_from(|name| (name != WASM_OCI_REGISTRY).then(|| name.to_owned())).unwrap_err();
        assert!(error.to_string().contains(WASM_OCI_REGISTRY), "{error}");
    }

    #[test]
    fn a_login_is_not_for_other_registries() {
        let shell = Shell::new(crate::ui::shell::Verbosity::Quiet, clap::ColorChoice::Never);
        let connections =
            Connections::new(&RegistryArgs::default(), &Settings::default(), &shell).unwrap();
        let login =
            Login { registry: "a.io".into(), username: "me".into(), password: Secret::new("x") };
        let connections = connections.with_login(Some(login));
        let user = |host: &str| match connections.options(host, "app").unwrap().credentials {
            Credentials::Basic { username, .. } => Some(username),
            _ => None,
        };
        assert_eq!(user("a.io").as_deref(), Some("me"));
        assert_eq!(user("b.invalid"), None);
        assert_eq!(user("a.io:5000"), None);
    }
}

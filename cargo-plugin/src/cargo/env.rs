//! cargo's environment, read from the process once. Nothing else in `cargo/` reads it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasm_oci_app::config::env_vars::find_program;
use wasm_oci_app::signals::end_children_on_signals;

use crate::cargo::error::Error;

/// The environment in which cargo and its tools run, and from which we read their settings.
#[derive(Clone)]
pub struct CargoEnv {
    cargo: PathBuf,
    cargo_home: Option<PathBuf>,
    cwd: PathBuf,
    vars: BTreeMap<OsString, OsString>,
}

/// Omits the variables, which may contain secrets.
impl fmt::Debug for CargoEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CargoEnv")
            .field("cargo", &self.cargo)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

impl CargoEnv {
    pub fn from_process() -> Result<CargoEnv, Error> {
        let cwd = std::env::current_dir().map_err(Error::CurrentDir)?;
        Ok(CargoEnv::new(cwd, std::env::vars_os()))
    }

    /// Makes an environment with exactly these variables.
    pub fn new(cwd: PathBuf, vars: impl IntoIterator<Item = (OsString, OsString)>) -> CargoEnv {
        let vars = BTreeMap::from_iter(vars);
        // cargo treats an empty variable like one that is not set.
        let path =
            |name: &str| vars.get(OsStr::new(name)).filter(|v| !v.is_empty()).map(PathBuf::from);
        let user_home = path(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
        let cargo_home = path("CARGO_HOME").or_else(|| Some(user_home?.join(".cargo")));
        CargoEnv {
            // cargo sets `CARGO` for subcommands: the real program, which starts faster than
            // rustup's proxy.
            cargo: path("CARGO").unwrap_or_else(|| PathBuf::from("cargo")),
            cargo_home: cargo_home.map(|home| cwd.join(home)),
            cwd,
            vars,
        }
    }

    pub fn cargo(&self) -> &Path {
        &self.cargo
    }

    pub fn cargo_home(&self) -> Option<&Path> {
        self.cargo_home.as_deref()
    }

    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// Returns a variable that is set to text.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(OsStr::new(name))?.to_str()
    }

    /// Returns the variable that overrides a key of cargo's configuration: `CARGO_BUILD_TARGET_DIR` for `build.target-dir`.
    pub fn config_var(&self, key: &[&str]) -> Option<&str> {
        // Upper case, with dots and dashes as underscores (Cargo book, "Environment variables").
        self.var(&format!("CARGO_{}", key.join("_")).replace(['-', '.'], "_").to_uppercase())
    }

    /// Returns the variables that cargo and rustup may read, except those that may be secret.
    pub fn cargo_vars(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.vars.iter().filter(|(name, _)| {
            let name = name.to_string_lossy();
            !is_secret(&name) && ["CARGO", "RUST"].iter().any(|it| name.starts_with(it))
        })
    }

    /// Returns the variables that cargo and nextest set for a test, and others with the same prefixes, except those that may
    /// be secret.
    pub fn test_vars(&self) -> impl Iterator<Item = (&str, &str)> {
        let text =
            self.vars.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        text.filter(|(name, _)| {
            ["CARGO", "RUST_", "NEXTEST"].iter().any(|it| name.starts_with(it)) && !is_secret(name)
        })
    }

    /// Looks up a program on `PATH`.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        let folders = std::env::split_paths(self.vars.get(OsStr::new("PATH"))?);
        find_program(program, folders.map(|folder| self.cwd.join(folder)))
    }

    /// Makes a command that runs in this environment and folder.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        // cargo would otherwise go on when only we are told to end.
        end_children_on_signals();
        let mut command = Command::new(program);
        // Tests make environments without the developer's own variables.
        command.env_clear().envs(&self.vars).current_dir(&self.cwd);
        command
    }
}

/// Traces a command that is about to start, without its variables, which may be secret.
pub fn traced(command: &mut Command) -> &mut Command {
    let args: Vec<_> = command.get_args().collect();
    tracing::debug!(program = ?command.get_program(), ?args, "running");
    command
}

fn is_secret(name: &str) -> bool {
    // For example `CARGO_REGISTRY_TOKEN` and `CARGO_REGISTRIES_NAME_TOKEN`.
    ["TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"].iter().any(|it| name.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> CargoEnv {
        CargoEnv::new("/w".into(), vars.iter().map(|(k, v)| (k.into(), v.into())))
    }

    #[test]
    fn the_home_is_cargos_own_rule() {
        let home = |vars: &[(&str, &str)]| env(vars).cargo_home().map(Path::to_owned);
        assert_eq!(home(&[("CARGO_HOME", "/h")]), Some("/h".into()));
        assert_eq!(home(&[("CARGO_HOME", "h")]), Some("/w/h".into()));
        if cfg!(unix) {
            assert_eq!(home(&[("CARGO_HOME", ""), ("HOME", "/u")]), Some("/u/.cargo".into()));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let env = env(&[("CARGO_REGISTRY_TOKEN", "secret"), ("CARGO_TERM_COLOR", "always")]);
        assert!(!format!("{env:?}").contains("secret"));
        assert_eq!(
            env.cargo_vars().map(|(name, _)| name).collect::<Vec<_>>(),
            ["CARGO_TERM_COLOR"]
        );
        assert_eq!(env.test_vars().collect::<Vec<_>>(), [("CARGO_TERM_COLOR", "always")]);
    }

    #[test]
    fn a_key_has_its_variable() {
        let env = env(&[("CARGO_PROFILE_RELEASE_LTO_CODEGEN_UNITS", "1")]);
        assert_eq!(env.config_var(&["profile", "release-lto", "codegen-units"]), Some("1"));
    }
}

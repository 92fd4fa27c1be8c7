//! What cargo reads from its surroundings, taken once: nothing else here asks the process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::error::Error;

/// The environment that cargo and its tools are run in, and that their settings are read from.
#[derive(Clone)]
pub struct CargoEnv {
    cargo: PathBuf,
    cargo_home: Option<PathBuf>,
    cwd: PathBuf,
    vars: BTreeMap<OsString, OsString>,
}

/// Without the variables: there are secrets among them.
impl fmt::Debug for CargoEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CargoEnv")
            .field("cargo", &self.cargo)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

impl CargoEnv {
    /// This process's own.
    pub fn from_process() -> Result<Self, Error> {
        let cwd = std::env::current_dir().map_err(Error::CurrentDir)?;
        Ok(Self::new(cwd, std::env::vars_os()))
    }

    /// One made of its parts. Programs are run with exactly these variables.
    pub fn new(cwd: PathBuf, vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let vars = BTreeMap::from_iter(vars);
        let path =
            |name: &str| vars.get(OsStr::new(name)).filter(|v| !v.is_empty()).map(PathBuf::from);
        let user_home = path(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
        let cargo_home = path("CARGO_HOME").or_else(|| Some(user_home?.join(".cargo")));
        Self {
            cargo: path("CARGO").unwrap_or_else(|| PathBuf::from("cargo")),
            cargo_home: cargo_home.map(|home| cwd.join(home)),
            cwd,
            vars,
        }
    }

    /// `$CARGO`, which is the real one behind rustup's proxy when cargo started us; else `cargo` in `PATH`.
    pub fn cargo(&self) -> &Path {
        &self.cargo
    }

    /// Where cargo keeps registries and its user's settings.
    pub fn cargo_home(&self) -> Option<&Path> {
        self.cargo_home.as_deref()
    }

    /// The current directory.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// A variable, when it is set and is text.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(OsStr::new(name))?.to_str()
    }

    /// The variable that overrides a key of cargo's configuration: `build.target-dir` is `CARGO_BUILD_TARGET_DIR`.
    pub fn config_var(&self, key: &[&str]) -> Option<&str> {
        self.var(&format!("CARGO_{}", key.join("_")).replace(['-', '.'], "_").to_uppercase())
    }

    /// The variables that cargo and rustup may look at, but for what is secret.
    pub fn cargo_vars(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.vars.iter().filter(|(name, _)| {
            let name = name.to_string_lossy();
            !is_secret(&name) && ["CARGO", "RUST"].iter().any(|it| name.starts_with(it))
        })
    }

    /// The variables that cargo and nextest set for a test, and those for the test that begin as they do, but for
    /// what is secret.
    pub fn test_vars(&self) -> impl Iterator<Item = (&str, &str)> {
        let text =
            self.vars.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        text.filter(|(name, _)| {
            ["CARGO", "RUST_", "NEXTEST"].iter().any(|it| name.starts_with(it)) && !is_secret(name)
        })
    }

    /// A program in `PATH`. Starting it by its full path is quicker, too: no copy of this process has to look for it.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        let dirs = std::env::split_paths(self.vars.get(OsStr::new("PATH"))?);
        dirs.map(|dir| self.cwd.join(dir).join(&name)).find(|path| path.is_file())
    }

    /// A program to be run in this environment and folder.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.vars).current_dir(&self.cwd);
        command
    }
}

/// Whether a variable may hold what nobody else should see, going by its name.
fn is_secret(name: &str) -> bool {
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

//! The user's arguments for cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cargo::env::CargoEnv;

/// cargo's arguments that choose packages, targets, and how to build them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Selection {
    /// `--manifest-path`
    pub manifest_path: Option<PathBuf>,
    /// `-p`
    pub packages: Vec<String>,
    /// `--workspace`
    pub workspace: bool,
    /// `--exclude`
    pub exclude: Vec<String>,
    /// `--bin`
    pub bins: Vec<String>,
    /// `--bins`
    pub all_bins: bool,
    /// `--example`
    pub examples: Vec<String>,
    /// `--examples`
    pub all_examples: bool,
    /// `--lib`, which selects only a library whose crate type is `cdylib`
    pub lib: bool,
    /// `-F`
    pub features: Vec<String>,
    /// `--all-features`
    pub all_features: bool,
    /// `--no-default-features`
    pub no_default_features: bool,
    /// `--profile`; `release` when not given
    pub profile: Option<String>,
    /// `--target-dir`
    pub target_dir: Option<PathBuf>,
    /// `-j`
    pub jobs: Option<String>,
    /// `--locked`
    pub locked: bool,
    /// `--offline`
    pub offline: bool,
    /// `--frozen`
    pub frozen: bool,
    /// `--config`
    pub config: Vec<String>,
    /// `-Z`
    pub unstable: Vec<String>,
    /// `-v`, counted
    pub verbose: u8,
    /// `-q`
    pub quiet: bool,
    /// `--color`
    pub color: Option<String>,
}

impl Selection {
    #[must_use]
    pub fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("release")
    }

    /// Returns true if the user chose targets, so that the defaults do not apply.
    #[must_use]
    pub fn names_targets(&self) -> bool {
        self.all_bins
            || self.all_examples
            || self.lib
            || !self.bins.is_empty()
            || !self.examples.is_empty()
    }

    /// Returns true if downloads are forbidden.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline || self.frozen
    }

    /// Returns the folder of the project: that of `--manifest-path`, or the current one.
    #[must_use]
    pub fn folder(&self, env: &CargoEnv) -> PathBuf {
        let manifest = self.manifest_path.as_ref().map(|path| env.cwd().join(path));
        manifest.as_deref().and_then(Path::parent).unwrap_or(env.cwd()).to_owned()
    }

    /// Returns the arguments that every cargo command takes.
    #[must_use]
    pub fn common_args(&self) -> Vec<OsString> {
        let mut args = Args::default();
        args.option("--manifest-path", &self.manifest_path);
        args.flag("--locked", self.locked)
            .flag("--offline", self.offline)
            .flag("--frozen", self.frozen);
        args.option("--color", &self.color)
            .options("--config", &self.config)
            .options("-Z", &self.unstable);
        args.0
    }

    /// Returns the arguments for `cargo build`, without the default targets.
    #[must_use]
    pub fn build_args(&self) -> Vec<OsString> {
        let mut args = Args(self.common_args());
        args.options("--package", &self.packages).flag("--workspace", self.workspace);
        args.options("--exclude", &self.exclude);
        args.options("--bin", &self.bins).flag("--bins", self.all_bins);
        args.options("--example", &self.examples).flag("--examples", self.all_examples);
        args.flag("--lib", self.lib);
        args.options("--features", &self.features).flag("--all-features", self.all_features);
        args.flag("--no-default-features", self.no_default_features);
        args.option("--profile", &Some(self.profile())).option("--target-dir", &self.target_dir);
        args.option("--jobs", &self.jobs).flag("--quiet", self.quiet);
        args.0.extend((0..self.verbose).map(|_| "--verbose".into()));
        args.0
    }
}

#[derive(Default)]
struct Args(Vec<OsString>);

impl Args {
    fn flag(&mut self, name: &str, given: bool) -> &mut Args {
        self.0.extend(given.then(|| name.into()));
        self
    }

    fn option<T: AsRef<std::ffi::OsStr>>(&mut self, name: &str, value: &Option<T>) -> &mut Args {
        self.options(name, value.as_slice())
    }

    fn options<T: AsRef<std::ffi::OsStr>>(&mut self, name: &str, values: &[T]) -> &mut Args {
        for value in values {
            self.0.extend([name.into(), value.as_ref().to_owned()]);
        }
        self
    }
}

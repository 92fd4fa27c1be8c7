//! The user's arguments for cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cargo::env::CargoEnv;

/// cargo's arguments that choose packages, targets, and how to build them.
// Serialized for the key of cached metadata, so every argument for cargo has to be here.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Selection {
    pub manifest_path: Option<PathBuf>,
    pub packages: Vec<String>,
    pub workspace: bool,
    pub exclude: Vec<String>,
    pub bins: Vec<String>,
    pub all_bins: bool,
    pub examples: Vec<String>,
    pub all_examples: bool,
    /// Select the library, if its crate type is `cdylib`.
    pub lib: bool,
    pub features: Vec<String>,
    pub all_features: bool,
    pub no_default_features: bool,
    /// `release` if `None`.
    pub profile: Option<String>,
    pub target_dir: Option<PathBuf>,
    pub jobs: Option<String>,
    pub locked: bool,
    pub offline: bool,
    pub frozen: bool,
    pub config: Vec<String>,
    pub unstable: Vec<String>,
    /// Number of `-v`.
    pub verbose: u8,
    pub quiet: bool,
    pub color: Option<String>,
}

impl Selection {
    pub fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("release")
    }

    /// Returns true if the user chose targets, so that the defaults do not apply.
    pub fn names_targets(&self) -> bool {
        self.all_bins
            || self.all_examples
            || self.lib
            || !self.bins.is_empty()
            || !self.examples.is_empty()
    }

    /// Returns true if downloads are forbidden.
    pub fn is_offline(&self) -> bool {
        // `--frozen` stands for `--locked --offline` (Cargo book).
        self.offline || self.frozen
    }

    /// Returns the folder of the project: that of `--manifest-path`, or the current one.
    pub fn folder(&self, env: &CargoEnv) -> PathBuf {
        let manifest = self.manifest_path.as_ref().map(|path| env.cwd().join(path));
        manifest.as_deref().and_then(Path::parent).unwrap_or(env.cwd()).to_owned()
    }

    /// Returns the arguments that both `cargo build` and `cargo metadata` take.
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
    pub fn build_args(&self) -> Vec<OsString> {
        let mut args = Args(self.common_args());
        args.options("--package", &self.packages).flag("--workspace", self.workspace);
        args.options("--exclude", &self.exclude);
        args.options("--bin", &self.bins).flag("--bins", self.all_bins);
        args.options("--example", &self.examples).flag("--examples", self.all_examples);
        args.flag("--lib", self.lib);
        args.options("--features", &self.features).flag("--all-features", self.all_features);
        args.flag("--no-default-features", self.no_default_features);
        // Always given, because the default of cargo is `dev`.
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

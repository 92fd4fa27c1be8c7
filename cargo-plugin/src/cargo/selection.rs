//! The user's arguments for cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cargo::env::CargoEnv;

/// cargo's arguments that choose packages, targets, and how to build them.
// Serialized for the key of cached metadata, so every argument for cargo has to be here.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Selection {
    pub packages: Vec<String>,
    pub workspace: bool,
    pub exclude: Vec<String>,
    pub targets: TargetArgs,
    pub features: Vec<String>,
    pub all_features: bool,
    pub no_default_features: bool,
    /// `release` if `None`.
    pub profile: Option<String>,
    pub target_dir: Option<PathBuf>,
    pub jobs: Option<String>,
    pub manifest: ManifestArgs,
    /// Number of `-v`.
    pub verbose: u8,
    pub quiet: bool,
    pub color: Option<String>,
}

/// Arguments that choose targets.
#[derive(Debug, Clone, Default, Serialize, Args)]
pub struct TargetArgs {
    /// Build only this program; repeat the flag for several
    #[arg(long, value_name = "NAME")]
    pub bin: Vec<String>,
    /// Build all programs (the default)
    #[arg(long)]
    pub bins: bool,
    /// Build only this example; repeat the flag for several
    #[arg(long, value_name = "NAME")]
    pub example: Vec<String>,
    /// Build all examples
    #[arg(long)]
    pub examples: bool,
    /// Build the library, if its crate type is cdylib
    #[arg(long)]
    pub lib: bool,
}

impl TargetArgs {
    /// Returns true if the user chose targets, so that the defaults do not apply.
    pub fn is_given(&self) -> bool {
        // Without `..`, so that a new flag does not compile until this function considers it.
        let TargetArgs { bin, bins, example, examples, lib } = self;
        *bins || *examples || *lib || !bin.is_empty() || !example.is_empty()
    }
}

#[derive(Debug, Clone, Default, Serialize, Args)]
pub struct ManifestArgs {
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    /// Require that Cargo.lock is up to date
    #[arg(long)]
    pub locked: bool,
    /// Do not use the network
    #[arg(long)]
    pub offline: bool,
    /// Equivalent to `--locked --offline`
    #[arg(long)]
    pub frozen: bool,
    /// Override a cargo configuration value
    #[arg(long, value_name = "KEY=VALUE|PATH")]
    pub config: Vec<String>,
    /// Unstable cargo flag (needs a nightly cargo)
    #[arg(short = 'Z', value_name = "FLAG")]
    pub unstable: Vec<String>,
}

impl Selection {
    pub fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("release")
    }

    /// Returns true if downloads are forbidden.
    pub fn is_offline(&self) -> bool {
        // `--frozen` stands for `--locked --offline` (Cargo book).
        self.manifest.offline || self.manifest.frozen
    }

    /// Returns the folder of the project: that of `--manifest-path`, or the current one.
    pub fn folder(&self, env: &CargoEnv) -> PathBuf {
        let manifest = self.manifest.manifest_path.as_ref().map(|path| env.cwd().join(path));
        manifest.as_deref().and_then(Path::parent).unwrap_or(env.cwd()).to_owned()
    }

    /// Returns the arguments that both `cargo build` and `cargo metadata` take.
    pub fn common_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        let ManifestArgs { manifest_path, locked, offline, frozen, config, unstable } =
            &self.manifest;
        args.option("--manifest-path", manifest_path);
        args.flag("--locked", *locked).flag("--offline", *offline).flag("--frozen", *frozen);
        args.option("--color", &self.color).options("--config", config).options("-Z", unstable);
        args.0
    }

    /// Returns the arguments for `cargo build`, without the default targets.
    pub fn build_args(&self) -> Vec<OsString> {
        let mut args = Arguments(self.common_args());
        args.options("--package", &self.packages).flag("--workspace", self.workspace);
        args.options("--exclude", &self.exclude);
        let TargetArgs { bin, bins, example, examples, lib } = &self.targets;
        args.options("--bin", bin).flag("--bins", *bins);
        args.options("--example", example).flag("--examples", *examples).flag("--lib", *lib);
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
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, name: &str, given: bool) -> &mut Arguments {
        self.0.extend(given.then(|| name.into()));
        self
    }

    fn option<T: AsRef<std::ffi::OsStr>>(
        &mut self,
        name: &str,
        value: &Option<T>,
    ) -> &mut Arguments {
        self.options(name, value.as_slice())
    }

    fn options<T: AsRef<std::ffi::OsStr>>(&mut self, name: &str, values: &[T]) -> &mut Arguments {
        for value in values {
            self.0.extend([name.into(), value.as_ref().to_owned()]);
        }
        self
    }
}

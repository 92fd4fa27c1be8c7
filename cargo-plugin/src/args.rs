//! cargo's own arguments, in groups as cargo shows them.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use wasm_oci_app::config::c_compiler::Choice;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_app::ui::output_args::OutputArgs;

use crate::cargo::selection::{ManifestArgs, Selection, TargetArgs};

#[derive(Debug, Clone, Args)]
pub struct CargoArgs {
    #[command(flatten, next_help_heading = "Package selection")]
    pub workspace: clap_cargo::Workspace,
    #[command(flatten, next_help_heading = "Target selection")]
    pub targets: TargetArgs,
    #[command(flatten, next_help_heading = "Feature selection")]
    pub features: clap_cargo::Features,
    #[command(flatten, next_help_heading = "Compilation")]
    pub compilation: CompilationArgs,
    #[command(flatten, next_help_heading = "Manifest")]
    pub manifest: ManifestArgs,
}

#[derive(Debug, Clone, Args)]
pub struct CompilationArgs {
    /// Build with the profile `release` (the default)
    // cargo rejects `--release` together with another profile.
    #[arg(short, long, conflicts_with = "profile")]
    pub release: bool,
    /// Build with this profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Build modules for WASI preview 1 (the default), or components for WASI 0.2
    // A list of possible values appears in the help and in completions.
    #[arg(long, value_name = "TARGET", value_parser = PossibleValuesParser::new(WasiTarget::ALL.map(WasiTarget::name)).try_map(|name| name.parse::<WasiTarget>()))]
    pub target: Option<WasiTarget>,
    /// Compile for the smallest code, at the cost of speed
    #[arg(long)]
    pub small: bool,
    /// C compiler for crates that contain C; `auto` takes the first that is found
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Choice::ALL.map(Choice::name)).try_map(|name| name.parse::<Choice>()))]
    pub c_compiler: Option<Choice>,
    /// Number of parallel jobs
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<String>,
    /// Directory for all build results
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<PathBuf>,
}

/// Format of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MessageFormat {
    /// One line for each image
    #[default]
    Human,
    /// JSON lines: cargo's messages, and one with the reason `wasm-oci-image` for each image
    Json,
}

impl CargoArgs {
    /// Returns true if a flag chooses packages or targets.
    pub fn selects(&self) -> bool {
        let clap_cargo::Workspace { package, workspace, all, exclude, .. } = &self.workspace;
        *workspace || *all || !package.is_empty() || !exclude.is_empty() || self.targets.is_given()
    }

    pub fn settings(&self) -> Settings {
        Settings {
            small: self.compilation.small.then_some(true),
            target: self.compilation.target,
            c_compiler: self.compilation.c_compiler,
            ..Settings::default()
        }
    }

    /// Translates the arguments for cargo, with the verbosity and color of `output`.
    pub fn selection(&self, output: &OutputArgs) -> Selection {
        let CargoArgs { workspace, targets, features, compilation, manifest } = self.clone();
        Selection {
            packages: workspace.package,
            workspace: workspace.workspace || workspace.all,
            exclude: workspace.exclude,
            targets,
            features: features.features,
            all_features: features.all_features,
            no_default_features: features.no_default_features,
            profile: compilation.profile,
            target_dir: compilation.target_dir,
            jobs: compilation.jobs,
            manifest,
            // cargo prints to the same terminal, so our output flags apply to it, too.
            verbose: output.verbose,
            quiet: output.quiet,
            color: Some(output.color.to_string()),
        }
    }
}

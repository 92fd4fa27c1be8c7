//! Requests: what a command line asks to be built, and how.

use std::path::PathBuf;

use clap::Args;
use wasm_oci_app::config::args::{ImageArgs, ModuleArgs};
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::ui::output_args::OutputArgs;

use crate::args::{CargoArgs, MessageFormat};
use crate::cargo::selection::Selection;

/// Programs to build, the settings that the flags set, and options of the build that are not settings.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub selection: Selection,
    pub flags: Settings,
    /// Layout to write, instead of the one in the target directory.
    pub layout: Option<PathBuf>,
    /// Folder for all results, layouts included, instead of one in the target directory: for builds that nobody keeps.
    pub folder: Option<PathBuf>,
    /// Refuse programs over their size budget. Programs that only run here may be of any size.
    pub enforce_budget: bool,
    /// Make no native programs: the images only run here, in this process.
    pub runs_here: bool,
    /// Print JSON, cargo's own messages included.
    pub json: bool,
    /// Ignore what earlier builds made.
    pub no_cache: bool,
}

impl Request {
    pub fn new(selection: Selection, flags: Settings) -> Request {
        Request { selection, flags, ..Request::default() }
    }

    /// Makes a request from groups of flags and the command's own settings.
    pub fn of_args(
        cargo: &CargoArgs,
        module: &ModuleArgs,
        image: &ImageArgs,
        own: Settings,
        output: &OutputArgs,
    ) -> Request {
        // `own` has defaults of a command such as `watch`, so flags take precedence.
        let flags = module.settings().over(image.settings()).over(cargo.settings()).over(own);
        Request::new(cargo.selection(output), flags)
    }
}

/// Arguments of commands that build images.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Format of standard output
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, help_heading = None::<&'static str>)]
    pub message_format: MessageFormat,
    /// Print the plan as JSON, and do nothing; `push` builds, and prints the requests that it would make
    #[arg(long, help_heading = None::<&'static str>)]
    pub dry_run: bool,
    #[command(flatten)]
    pub cargo: CargoArgs,
    #[command(flatten)]
    pub module: ModuleArgs,
    #[command(flatten)]
    pub image: ImageArgs,
}

impl BuildArgs {
    /// Makes a request; `own` are settings from other flags of the command.
    pub fn request(&self, own: Settings, output: &OutputArgs) -> Request {
        let request = Request::of_args(&self.cargo, &self.module, &self.image, own, output);
        Request { json: self.json(), ..request }
    }

    pub fn json(&self) -> bool {
        self.message_format == MessageFormat::Json
    }
}

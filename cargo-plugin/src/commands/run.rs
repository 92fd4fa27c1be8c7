//! `cargo wasm-oci run`: a crate into an image, and the image's program here and now.

use clap::Args;
use wasm_oci_app::config::args::RunArgs;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::Error;
use wasm_oci_app::run::run::run_manifest;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use super::build::{MakeArgs, dry_run};
use crate::failure::Failure;
use crate::stages::{Made, Request, make};

/// Build a program into an image and run it
///
/// What runs is the module in the image. It sees nothing of this machine but its standard streams and what is
/// given. Its exit code becomes this command's.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    making: MakeArgs,
    #[command(flatten, next_help_heading = "Program")]
    run: RunArgs,
}

impl Run {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<u8, Failure> {
        let no_cache = self.run.given.no_cache;
        let request = Request { no_cache, ..self.making.request(Settings::default(), output) };
        if self.making.dry_run {
            return dry_run(&request, shell).map(|()| 0);
        }
        let made = make(&request, shell)?;
        let program = chosen(&made)?;
        let images = program.load()?;
        let image =
            images.first().ok_or_else(|| Error::Usage("there is no image to run".to_owned()))?;
        Ok(run_manifest(image.image.wasm_manifest()?, Some(&program.debug_file), &self.run, shell)?)
    }
}

/// The program that is meant: the only one, else the package's `default-run`.
pub(super) fn chosen(made: &[Made]) -> Result<&Made, Error> {
    let mut default = made.iter().filter(|program| program.project.is_default_run);
    match (made, default.next(), default.next()) {
        ([only], ..) => Ok(only),
        (_, Some(default), None) => Ok(default),
        _ => {
            let names: Vec<&str> =
                made.iter().map(|program| program.project.target.as_str()).collect();
            Err(Error::Usage(format!(
                "several programs could be started: choose one with --bin: {}",
                names.join(", ")
            )))
        }
    }
}

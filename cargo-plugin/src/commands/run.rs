//! `cargo wasm-oci run`: builds a crate into an image and runs it.

use clap::Args;
use wasm_oci_app::config::args::RunArgs;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::run::run::run_manifest;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;
use crate::ops::build;
use crate::ops::package::only_program;
use crate::ops::request::{BuildArgs, Request};
use crate::ops::resolve::print_plans;

/// Build a program into an image and run it
///
/// Runs the module in the image. The program can access only its standard streams and what the flags grant. The exit code is that of the
/// program.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo wasm-oci run
  cargo wasm-oci run --bin app -- --verbose input.txt
  cargo wasm-oci run --dir data::/data --env LEVEL=debug")]
pub(super) struct Run {
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten, next_help_heading = "Program")]
    run: RunArgs,
}

impl Run {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<u8, Error> {
        let no_cache = self.run.given.sandbox.no_cache;
        let request = Request {
            no_cache,
            runs_here: true,
            ..self.build.request(Settings::default(), output)
        };
        if self.build.dry_run {
            return print_plans(&request, shell).map(|()| 0);
        }
        let built = build(&request, shell).await?;
        let program = only_program(&built)?;
        let image = program.load_main().await?;
        // The image may lack the names of functions, which traces take from the debug file.
        Ok(run_manifest(image.wasm_manifest()?, Some(&program.debug_file), &self.run, shell)
            .await?)
    }
}

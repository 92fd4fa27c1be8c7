//! `cargo wasm-oci build`: builds crates into images.

use clap::Args;
use wasm_oci_app::config::args::{CacheArgs, PlaceArgs};
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::UsageError;
use wasm_oci_app::pipeline::messages::Places;
use wasm_oci_app::pipeline::stages::to_archive;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;
use crate::ops::build;
use crate::ops::request::{BuildArgs, Request};
use crate::ops::resolve::print_plans;

/// Build every program of a package or workspace into an image
///
/// Writes an OCI layout for each program, by default to TARGET/wasm-oci/NAME, and prints it on standard output as oci:DIR:TAG.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo wasm-oci build
  cargo wasm-oci build --workspace --for docker,kubernetes
  cargo wasm-oci build --bin app --tarball app.tar")]
pub(super) struct Build {
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    cache: CacheArgs,
}

impl Build {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        let layout = self.places.oci_layout_path.clone();
        let no_cache = self.cache.no_cache;
        let request = self.build.request(Settings::default(), output);
        let request = Request { layout, enforce_budget: true, no_cache, ..request };
        if self.build.dry_run {
            return print_plans(&request, shell);
        }
        let built = build(&request, shell).await?;
        if let (Some(archive), [_, _, ..]) = (&self.places.tarball, built.as_slice()) {
            let argument = format!("`{}`", archive.display());
            return Err(UsageError::SeveralPrograms { argument }.into());
        }
        for program in &built {
            let archive = self.places.tarball.as_deref();
            if let Some(path) = archive {
                let name = &program.project.target;
                // `docker load` shows the image under this name.
                let repository = program
                    .plan
                    .repository
                    .as_ref()
                    .map_or(name.clone(), |repository| repository.name());
                to_archive(&program.load().await?, path, &repository)?;
            }
            let places = Places { layout: Some(&program.layout), archive, repository: None };
            program.print(&places, shell, self.build.json())?;
        }
        Ok(())
    }
}

//! `cargo wasm-oci build`: crates into images.

use clap::Args;
use wasm_oci_app::config::args::{CacheArgs, ImageArgs, ModuleArgs, PlaceArgs};
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::pipeline::messages::Places;
use wasm_oci_app::pipeline::stages::to_archive;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::args::{CargoArgs, MessageFormat};
use crate::failure::Failure;
use crate::stages::{Request, make, resolve};

/// Build every program of a package or workspace into an image
///
/// Writes a layout directory for each, TARGET/wasm-oci/NAME unless told otherwise, and prints it on standard
/// output as oci:DIR:TAG.
#[derive(Debug, Args)]
pub(super) struct Build {
    #[command(flatten)]
    making: MakeArgs,
    #[command(flatten)]
    places: PlaceArgs,
    #[command(flatten)]
    cache: CacheArgs,
}

/// What `build`, `push`, `run`, `serve` and `test` share.
#[derive(Debug, Args)]
pub(super) struct MakeArgs {
    /// What standard output gets
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(super) message_format: MessageFormat,
    /// Print the plan as JSON, and do nothing; `push` builds, and prints the requests that it would make
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) cargo: CargoArgs,
    #[command(flatten)]
    module: ModuleArgs,
    #[command(flatten)]
    image: ImageArgs,
}

impl MakeArgs {
    /// What is asked for, with more settings of the command's own.
    pub(super) fn request(&self, own: Settings, output: &OutputArgs) -> Request {
        let request = request(&self.cargo, &self.module, &self.image, own, output);
        Request { json: self.json(), ..request }
    }

    pub(super) fn json(&self) -> bool {
        self.message_format == MessageFormat::Json
    }
}

/// What is asked for by so many flags, with more settings of a command's own.
pub(super) fn request(
    cargo: &CargoArgs,
    module: &ModuleArgs,
    image: &ImageArgs,
    own: Settings,
    output: &OutputArgs,
) -> Request {
    let flags = module.settings().over(image.settings()).over(cargo.settings()).over(own);
    Request::new(cargo.selection(output), flags)
}

/// Prints the plans of a request.
pub(super) fn dry_run(request: &Request, shell: &Shell) -> Result<(), Failure> {
    for program in resolve(request)? {
        shell.print_json(&program.to_json())?;
    }
    Ok(())
}

impl Build {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Failure> {
        let layout = self.places.oci_layout_path.clone();
        let no_cache = self.cache.no_cache;
        let request = self.making.request(Settings::default(), output);
        let request = Request { layout, enforce_budget: true, no_cache, ..request };
        if self.making.dry_run {
            return dry_run(&request, shell);
        }
        let made = make(&request, shell)?;
        if let (Some(archive), [_, _, ..]) = (&self.places.tarball, made.as_slice()) {
            let message =
                format!("`{}` can hold one program: choose it with --bin", archive.display());
            return Err(wasm_oci_app::error::Error::Usage(message).into());
        }
        for program in &made {
            let archive = self.places.tarball.as_deref();
            if let Some(path) = archive {
                let name = &program.project.target;
                let repository = program
                    .plan
                    .repository
                    .as_ref()
                    .map_or(name.clone(), |repository| repository.name());
                to_archive(&program.load()?, path, &repository)?;
            }
            let places = Places { layout: Some(&program.layout), archive, repository: None };
            program.print(&places, shell, self.making.json())?;
        }
        Ok(())
    }
}

//! `cargo wasm-oci check`: compatibility of an image with container engines.

use clap::Args;
use wasm_oci_app::config::args::{CacheArgs, ModuleArgs, module_or_image_help, unless_empty};
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::Error as AppError;
use wasm_oci_app::inspect::check::{CheckArgs, CheckReport, check};
use wasm_oci_app::pipeline::engines::require_shapes;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::compat::engines::Shape;
use wasm_oci_core::image::Format;
use wasm_oci_core::store::Location;

use crate::args::CargoArgs;
use crate::error::Error;
use crate::ops::build;
use crate::ops::package::BuiltImages;
use crate::ops::request::Request;

/// Check which engines can run an image, and how to fix the ones that can't
///
/// Without a SOURCE, builds and checks the image of every program of the package or workspace. If there are several formats, an engine
/// has to run only one of them. A SOURCE may be any image, even one that is incomplete or was not made by wasm-oci.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Image or module to check instead"))]
    source: Option<Location>,
    #[command(flatten)]
    check: CheckArgs,
    /// Formats to check, instead of those in the settings: universal, container, module, combined, artifact
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<Format>,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    cargo: CargoArgs,
    #[command(flatten)]
    module: ModuleArgs,
    #[command(flatten)]
    read: ReadArgs,
}

impl Check {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        if let Some(source) = &self.source {
            return Ok(check(source, &self.check, &self.read.connections(shell)?, shell).await?);
        }
        let own = Settings { format: unless_empty(&self.format), ..self.read.registry.settings() };
        let flags = self.module.settings().over(self.cargo.settings()).over(own);
        let no_cache = self.cache.no_cache;
        let request = Request { no_cache, ..Request::new(self.cargo.selection(output), flags) };
        let built = build(&request, shell).await?;
        let mut programs = Vec::new();
        for program in &built {
            programs.push(self.show(program, shell).await?);
        }
        // After all reports, so that a program that fails does not hide the others.
        for (program, shapes) in built.iter().zip(programs) {
            require_shapes(&program.project.target, &self.check.engines, &shapes)?;
        }
        Ok(())
    }

    /// Prints the compatibility of each image of a program.
    async fn show(&self, program: &BuiltImages, shell: &Shell) -> Result<Vec<Shape>, Error> {
        let mut shapes = Vec::new();
        for image in program.load().await? {
            let tag = image.tags.first().map_or(String::new(), |tag| format!(":{tag}"));
            let source = format!("oci:{}{tag}", program.layout.display());
            let shape = Shape::of(&image.image).map_err(AppError::from)?;
            let checked =
                CheckReport::new(source, image.image.digest(), &shape, &self.check.engines);
            // Both formats, because some engines may need the one that there is.
            let command =
                |format| format!("cargo wasm-oci build --format {},{format}", image.format);
            checked.print(command, self.check.json, shell)?;
            shapes.push(shape);
        }
        Ok(shapes)
    }
}

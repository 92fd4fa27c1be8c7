//! `cargo wasm-oci size`: sizes of the parts of a crate's module.

use clap::Args;
use wasm_oci_app::config::args::CacheArgs;
use wasm_oci_app::error::UsageError;
use wasm_oci_app::inspect::size::{ModuleSizes, SizeArgs};
use wasm_oci_app::registry::connection::{Connections, RegistryArgs};
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;
use crate::ops::build_modules;
use crate::ops::package::OptimizedProgram;
use crate::ops::request::{BuildArgs, Request};
use crate::ops::resolve::print_plans;

/// Build every program of a package or workspace, and show the size of its module by section, crate and function
///
/// Measures the module that would be in the image: optimized as planned, and without names unless they are shipped. Writes no image.
#[derive(Debug, Args)]
pub(super) struct Size {
    #[command(flatten)]
    size: SizeArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Size {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Error> {
        let no_cache = self.cache.no_cache;
        let request = Request { no_cache, ..self.build.request(self.registry.settings(), output) };
        if self.build.dry_run {
            return print_plans(&request, shell);
        }
        let programs = build_modules(&request, shell)?;
        let args = SizeArgs { json: self.size.json || self.build.json(), ..self.size };
        // A treemap or a difference is about one module.
        if let [_, _, ..] = programs.as_slice()
            && (args.html.is_some() || args.diff.is_some())
        {
            let argument = "each of `--html` and `--diff`".to_owned();
            return Err(UsageError::SeveralPrograms { argument }.into());
        }
        for (number, OptimizedProgram { project, settings, module }) in programs.iter().enumerate()
        {
            if number > 0 && !args.json {
                shell.print("")?;
            }
            let connections = Connections::new(&self.registry, settings, shell)?;
            ModuleSizes {
                package: Some(&project.package),
                name: &project.target,
                report: module.sizes()?,
                layers: Vec::new(),
            }
            .show(&args, &connections, shell)
            .await?;
        }
        Ok(())
    }
}

//! `wasm-oci run`: a module, here and now.

use clap::Args;
use wasm_oci_core::image::{Config, Manifest};
use wasm_oci_core::module::{BuiltModule, ValidateOptions, validate};
use wasm_oci_core::run::{RunOptions, run};
use wasm_oci_core::store::Location;

use super::{Found, find};
use crate::args::{RegistryArgs, RunArgs};
use crate::error::Error;
use crate::pipeline::block_on;

/// Run a module: of a .wasm file, a layout, an archive or a registry
///
/// An image's entrypoint, arguments and environment count as in a container. The program sees nothing of this
/// machine but its standard streams and what is given. Its exit code becomes this command's.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What to run: a .wasm file, oci:DIR[:TAG], oci-archive:FILE[:TAG] or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    run: RunArgs,
}

impl Run {
    pub(crate) fn run(self) -> Result<u8, Error> {
        let insecure = self.registry.insecure();
        match block_on(find(&self.source, &insecure))? {
            Found::Module(module) => {
                let name = module.name().rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
                run_module(module, vec![name], Vec::new(), &self.run)
            }
            Found::Manifest(manifest) => run_manifest(&manifest, &self.run),
        }
    }
}

/// Runs the module of an image as a container engine would: arguments replace the image's own, variables are
/// added to them.
///
/// # Errors
/// What reading or running it fails with.
pub fn run_manifest(manifest: &Manifest, run: &RunArgs) -> Result<u8, Error> {
    let Config { entrypoint, args, env, .. } = manifest.config();
    let module = manifest.module()?;
    let mut command = entrypoint.clone();
    if command.is_empty() {
        command.push(module.name().to_owned());
    }
    if run.args.is_empty() {
        command.extend(args.iter().cloned());
    }
    run_module(module, command, env.clone().into_iter().collect(), run)
}

/// Runs a module with `command`, to which the user's arguments are added.
fn run_module(
    module: BuiltModule,
    mut command: Vec<String>,
    mut env: Vec<(String, String)>,
    args: &RunArgs,
) -> Result<u8, Error> {
    command.extend(args.args.iter().cloned());
    env.extend(args.variables()?);
    let module = validate(module.unoptimized(), &ValidateOptions::default())?;
    let code = run(&module, &RunOptions { args: command, env, dirs: args.dirs.clone() })?;
    // What the operating system keeps of an exit code.
    Ok((code & 0xff) as u8)
}

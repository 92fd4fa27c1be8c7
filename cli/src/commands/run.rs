//! `wasm-oci run`: a module, here and now.

use std::path::Path;

use clap::Args;
use tempfile::TempDir;
use wasm_oci_core::image::{Config, IncludedFile, Manifest};
use wasm_oci_core::module::{BuiltModule, ValidateOptions, validate};
use wasm_oci_core::run::{Dir, RunOptions, run};
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
/// added to them, and files beside the module are there. What the program does to those is gone afterwards.
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
    let root = root_folder(&manifest.included()?)?;
    let mut given = run.clone();
    if let Some(root) = &root
        && !given.dirs.iter().any(|dir| dir.guest == "/")
    {
        let dir = Dir { host: root.path().to_owned(), guest: "/".to_owned(), read_only: false };
        given.dirs.insert(0, dir);
    }
    run_module(module, command, env.clone().into_iter().collect(), &given)
}

/// A temporary folder with the files of an image, if it has any.
fn root_folder(files: &[IncludedFile]) -> Result<Option<TempDir>, Error> {
    if files.is_empty() {
        return Ok(None);
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    };
    let folder = tempfile::tempdir().map_err(failed(&std::env::temp_dir()))?;
    for file in files {
        let path = folder.path().join(file.path());
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(failed(&path))?;
        std::fs::write(&path, file.content()).map_err(failed(&path))?;
    }
    Ok(Some(folder))
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

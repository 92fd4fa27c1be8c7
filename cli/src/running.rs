//! Running programs for a user: `run`, of both commands.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use tempfile::TempDir;
use wasm_oci_core::image::{Config, IncludedFile, Manifest};
use wasm_oci_core::module::{BuiltModule, ValidateOptions};
use wasm_oci_core::run::{
    Cache, Dir, End, Engine, Identity, Limit, Limits, Program, RunOptions, Stdin, Streams, run,
};

use crate::args::RunArgs;
use crate::env_vars::{self, WASM_OCI_CACHE_DIR, WASM_OCI_CACHE_SIZE};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::shell::Shell;

/// The engine for programs with such limits, with the user's cache of compiled code.
///
/// # Errors
/// When wasmtime can't work here, or a variable for the cache makes no sense. A cache that can't be used is a warning.
pub fn engine(limits: &Limits, no_cache: bool, shell: &Shell) -> Result<Engine, Error> {
    let cache = match no_cache {
        true => None,
        false => cache(shell)?,
    };
    Ok(Engine::new(limits, cache)?)
}

fn cache(shell: &Shell) -> Result<Option<Cache>, Error> {
    let limit = env_vars::value(WASM_OCI_CACHE_SIZE).map(|text| {
        text.parse::<ByteSize>()
            .map_err(|e| Error::Usage(format!("{WASM_OCI_CACHE_SIZE} is `{text}`, and no size: {e}")))
    });
    let limit = limit.transpose()?.map(|size| size.as_u64());
    let dir = env_vars::value(WASM_OCI_CACHE_DIR).map(PathBuf::from).or_else(Cache::default_dir);
    let Some(dir) = dir else { return Ok(None) };
    match Cache::open(&dir, limit) {
        Ok(cache) => Ok(Some(cache)),
        Err(error) => {
            shell.warn(error);
            Ok(None)
        }
    }
}

/// Runs a module in a file. Returns its exit code.
///
/// # Errors
/// What reading or starting it fails with.
pub fn run_file(path: &Path, args: &RunArgs, shell: &Shell) -> Result<u8, Error> {
    let engine = engine(&args.limits.limits(), args.no_cache, shell)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let identity = Identity::of_file(path);
    // In messages it is the file that the user named, whether its code is known or not.
    let known = identity.as_ref().and_then(|identity| engine.recall(identity, &path.display().to_string()));
    let program = match known {
        Some(program) => program,
        None => {
            let program = engine.program(BuiltModule::read(path)?, &ValidateOptions::default())?;
            if let Some(identity) = &identity {
                engine.remember(identity, &program);
            }
            program
        }
    };
    let options = options(args, vec![name], Vec::new())?;
    run_program(&engine, &program, &options, shell)
}

/// Runs the module of an image as a container engine would: arguments replace the image's own, variables are
/// added to them, and files beside the module are there. What the program does to those is gone afterwards.
///
/// # Errors
/// What reading or starting it fails with.
pub fn run_manifest(manifest: &Manifest, args: &RunArgs, shell: &Shell) -> Result<u8, Error> {
    let engine = engine(&args.limits.limits(), args.no_cache, shell)?;
    let prepared = Prepared::new(&engine, manifest)?;
    let mut options = options(args, prepared.command(manifest, &args.args), prepared.env(manifest))?;
    if let Some(root) = prepared.root_dir()
        && !options.dirs.iter().any(|dir| dir.guest == "/")
    {
        options.dirs.insert(0, root);
    }
    run_program(&engine, &prepared.program, &options, shell)
}

/// The program of an image, and a folder with the image's other files.
struct Prepared {
    program: Program,
    root: Option<TempDir>,
}

impl Prepared {
    fn new(engine: &Engine, manifest: &Manifest) -> Result<Prepared, Error> {
        let identity = Identity::of_manifest(manifest.digest());
        if let Some(program) = engine.recall(&identity, &manifest.module_name()) {
            return Ok(Prepared { program, root: None });
        }
        let program = engine.program(manifest.module()?, &ValidateOptions::default())?;
        let root = root_folder(&manifest.included()?)?;
        // With files, the layers have to be unpacked each time, and the code is found by the module.
        if root.is_none() {
            engine.remember(&identity, &program);
        }
        Ok(Prepared { program, root })
    }

    fn command(&self, manifest: &Manifest, given: &[String]) -> Vec<String> {
        let Config { entrypoint, args, .. } = manifest.config();
        let mut command = entrypoint.clone();
        if command.is_empty() {
            command.push(self.program.name().to_owned());
        }
        if given.is_empty() {
            command.extend(args.iter().cloned());
        }
        command
    }

    fn env(&self, manifest: &Manifest) -> Vec<(String, String)> {
        manifest.config().env.clone().into_iter().collect()
    }

    fn root_dir(&self) -> Option<Dir> {
        let host = self.root.as_ref()?.path().to_owned();
        Some(Dir { host, guest: "/".to_owned(), read_only: false })
    }
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

/// What the user gives, added to a command and variables.
fn options(
    args: &RunArgs,
    mut command: Vec<String>,
    mut env: Vec<(String, String)>,
) -> Result<RunOptions, Error> {
    command.extend(args.args.iter().cloned());
    env.extend(args.variables()?);
    Ok(RunOptions {
        args: command,
        env,
        dirs: args.dirs.clone(),
        stdin: args.stdin.clone().map_or(Stdin::Inherit, Stdin::File),
        streams: Streams::Inherit,
        network: args.net,
        limits: args.limits.limits(),
    })
}

/// Runs a program to its end, and says how it ended if that was not by itself.
///
/// # Errors
/// When it can't be started.
pub fn run_program(
    engine: &Engine,
    program: &Program,
    options: &RunOptions,
    shell: &Shell,
) -> Result<u8, Error> {
    let outcome = run(engine, program, options)?;
    let code = match &outcome.end {
        // What the operating system keeps of an exit code.
        End::Exit(code) => (code & 0xff) as u8,
        End::Trap(trace) => {
            shell.error(format_args!("`{}` was stopped: {trace}", program.name()));
            ExitCode::Trap.code()
        }
        End::Limit(limit) => {
            shell.error(format_args!("`{}` was stopped: {limit}", program.name()));
            limit_code(limit).code()
        }
    };
    for hint in &outcome.hints {
        shell.hint(hint);
    }
    Ok(code)
}

/// The exit code of a program that was stopped by a limit.
#[must_use]
pub fn limit_code(limit: &Limit) -> ExitCode {
    match limit {
        Limit::Timeout(_) => ExitCode::Timeout,
        Limit::Memory(_) => ExitCode::Memory,
        Limit::Fuel(_) => ExitCode::Fuel,
        Limit::TableElements(_) => ExitCode::TableElements,
        Limit::Instances(_) => ExitCode::Instances,
        Limit::Output(_) => ExitCode::Output,
        _ => ExitCode::Failure,
    }
}

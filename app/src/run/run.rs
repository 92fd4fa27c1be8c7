//! The command `run`, and the parts that smoke tests share with it.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use wasm_oci_core::error_chain;
use wasm_oci_core::fs::{CacheFolder, TemporaryFolder};
use wasm_oci_core::image::{FileTree, Manifest};
use wasm_oci_core::module::{BuiltModule, ValidateOptions};
use wasm_oci_core::run::{
    Cache, Dir, Engine, ExitReason, Identity, Limit, Limits, Program, RunOptions, Stdin, Streams,
    run,
};
use wasm_oci_core::store::{CachedSource, Location, load_wasm};
use wasm_oci_core::text::visible;
use wasm_oci_core::trace::OrTrace;

use crate::config::args::{CacheArgs, GivenArgs, RunArgs};
use crate::config::env_vars::{cache_dir, cache_size};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::files::{is_stdin, read_module};
use crate::pipeline::optimize_cache::OptimizedCache;
use crate::registry::connection::{Connections, blob_info_cache};
use crate::registry::source::{AnySource, open};
use crate::run::root::write_root;
use crate::ui::shell::Shell;

/// Default limit of the cache of pulled blobs, in bytes.
const DEFAULT_PULLED: u64 = 1 << 30;

/// Returns an engine for programs with these limits, with the user's cache of compiled code. Warns if the cache can't be used.
pub fn engine(limits: &Limits, no_cache: bool, shell: &Shell) -> Result<Engine, Error> {
    Ok(Engine::new(limits)?.cached(cache(no_cache, shell)?))
}

/// Returns the user's cache of compiled code, unless `no_cache` is set. Warns if it can't be used.
pub(super) fn cache(no_cache: bool, shell: &Shell) -> Result<Option<Cache>, Error> {
    let Some(dir) = cache_dir().filter(|_| !no_cache) else { return Ok(None) };
    match Cache::open(&dir, cache_size()?) {
        Ok(cache) => Ok(Some(cache)),
        // The program runs without the cache, too; it only starts more slowly.
        Err(error) => {
            shell.warn(error_chain(&error));
            Ok(None)
        }
    }
}

pub fn optimized_cache(args: CacheArgs) -> OptimizedCache {
    OptimizedCache::among(cache_dir().filter(|_| !args.no_cache))
}

/// Reads the Wasm manifest of the image at a location. Blobs from a registry are cached next to the compiled code.
pub async fn pull(
    location: &Location,
    connections: &Connections,
    no_cache: bool,
) -> Result<Manifest, Error> {
    let connections = connections.clone().with_blob_info_cache(blob_info_cache(no_cache)?);
    let (source, name) = open(location, &connections)?;
    // Layouts and archives are on this machine already.
    let dir = cache_dir().filter(|_| !no_cache && matches!(source, AnySource::Registry(_)));
    // Without a cache, such as in a home that can't be written, all blobs are fetched. `cache` warns about that.
    let cache = |dir: PathBuf| CacheFolder::open(&dir)?.folder("images");
    let folder = dir.and_then(|dir| cache(dir).or_trace("use the cache of blobs"));
    Ok(match folder {
        None => load_wasm(&source, &name).await?,
        Some(folder) => {
            let limit = cache_size()?.unwrap_or(DEFAULT_PULLED);
            load_wasm(&CachedSource::new(source, &folder, limit), &name).await?
        }
    })
}

/// Runs the module in a file. Returns its exit code.
pub async fn run_file(path: &Path, args: &RunArgs, shell: &Shell) -> Result<u8, Error> {
    run_prepared(|engine| Prepared::of_file(engine, path), args, shell).await
}

/// Runs the module of an image as a container engine would: arguments replace those of the image, and variables are added
/// to those of the image. The program sees the image's files, and its changes to them are lost. `named` is a file with the
/// same module and the names of its functions, for traps.
pub async fn run_manifest(
    manifest: &Manifest,
    named: Option<&Path>,
    args: &RunArgs,
    shell: &Shell,
) -> Result<u8, Error> {
    let prepared = |engine: &Engine| {
        let prepared = Prepared::of_manifest(engine, manifest)?;
        Ok(match named {
            Some(file) => prepared.named_by(file),
            None => prepared,
        })
    };
    run_prepared(prepared, args, shell).await
}

/// Warns of what is unusual in an image.
pub fn warn_of_image(manifest: &Manifest, shell: &Shell) {
    manifest.warnings().iter().for_each(|warning| shell.warn(warning));
}

async fn run_prepared(
    prepared: impl FnOnce(&Engine) -> Result<Prepared, Error>,
    args: &RunArgs,
    shell: &Shell,
) -> Result<u8, Error> {
    let engine = engine(&args.given.sandbox.limits.limits(), args.given.sandbox.no_cache, shell)?;
    // The process exits next, which frees everything at once. Dropping the parts of a large module takes a fifth of the
    // time of loading it.
    let engine = ManuallyDrop::new(engine);
    let prepared = ManuallyDrop::new(prepared(&engine)?);
    prepared.warnings.iter().for_each(|warning| shell.warn(warning));
    let given = (!args.args.is_empty()).then_some(args.args.as_slice());
    let mut options = options(&args.given, prepared.command(given), prepared.env.clone())?;
    options.export = prepared.export.clone();
    let _root = prepared.add_root(&mut options.dirs, false)?;
    run_program(&engine, &prepared.program, &options, shell).await
}

/// Program with the settings and files of its image.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub program: Program,
    /// The root file system of the image; empty if there is nothing but the module.
    pub(crate) files: FileTree,
    /// Mistakes in the image, for the user.
    pub(crate) warnings: Vec<String>,
    entrypoint: Vec<String>,
    /// Function that the entrypoint names, such as `/app.wasm#function`, to call instead of the module's entry point.
    pub(crate) export: Option<String>,
    args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

impl Prepared {
    /// Prepares the module in a file, without an image.
    pub fn of_file(engine: &Engine, path: &Path) -> Result<Prepared, Error> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let (name, identity) = match is_stdin(path) {
            // There may be a file with this name, which is another program.
            true => ("module.wasm".to_owned(), None),
            false => (name, Identity::of_file(path)),
        };
        // Messages name the file as the user did, cached or not.
        let known = identity.as_ref().and_then(|it| engine.recall(it, &path.display().to_string()));
        let program = match known {
            Some(program) => program,
            None => {
                let program = engine.program(read_module(path)?, &ValidateOptions::default())?;
                if let Some(identity) = &identity {
                    engine.remember(identity, &program);
                }
                program
            }
        };
        Ok(Prepared {
            program,
            files: FileTree::default(),
            warnings: Vec::new(),
            entrypoint: vec![name],
            export: None,
            args: Vec::new(),
            env: Vec::new(),
        })
    }

    /// Replaces the module by the one in a file, and keeps the settings and files of the image.
    pub fn with_module(&self, engine: &Engine, path: &Path) -> Result<Prepared, Error> {
        let program = engine.program(BuiltModule::read(path)?, &ValidateOptions::any_import())?;
        Ok(Prepared { program, ..self.clone() })
    }

    pub fn of_manifest(engine: &Engine, manifest: &Manifest) -> Result<Prepared, Error> {
        let config = manifest.config();
        let (entrypoint, args) = config.module_and_args();
        let identity = Identity::of_manifest(manifest.digest());
        let (program, files) = match engine.recall(&identity, &manifest.module_name()) {
            Some(program) => (program, FileTree::default()),
            None => {
                let (module, files) = manifest.module_and_root()?;
                let program = engine.program(module, &ValidateOptions::default())?;
                // With files, we have to unpack the layers each time anyway, and find the code by the module's digest.
                if files.is_empty() {
                    engine.remember(&identity, &program);
                }
                (program, files)
            }
        };
        let entrypoint = match entrypoint.is_empty() {
            true => vec![program.name().to_owned()],
            false => entrypoint.to_vec(),
        };
        let export = entrypoint.first().and_then(|word| Some(word.split_once('#')?.1.to_owned()));
        let env = config.env.clone().into_iter().collect();
        let warnings = manifest.warnings();
        Ok(Prepared { program, files, warnings, entrypoint, export, args: args.to_vec(), env })
    }

    /// Takes the names of functions from the module in `file`, as [`Program::named_by`].
    pub fn named_by(self, file: &Path) -> Prepared {
        Prepared { program: self.program.named_by(file.to_owned()), ..self }
    }

    /// Returns the entrypoint with the given arguments, or with those of the image.
    pub fn command(&self, given: Option<&[String]>) -> Vec<String> {
        [&self.entrypoint, given.unwrap_or(&self.args)].concat()
    }

    /// Writes the files of the image, if it has any, to a temporary folder, and makes that the program's `/` unless the user
    /// gives another.
    pub(crate) fn add_root(
        &self,
        dirs: &mut Vec<Dir>,
        read_only: bool,
    ) -> Result<Option<TemporaryFolder>, Error> {
        if self.files.is_empty() {
            return Ok(None);
        }
        let temporary = std::env::temp_dir();
        let folder =
            TemporaryFolder::new().map_err(|source| Error::Write { path: temporary, source })?;
        write_root(&self.files, folder.path())?;
        if !dirs.iter().any(|dir| dir.guest == "/") {
            dirs.insert(
                0,
                Dir { host: folder.path().to_owned(), guest: "/".to_owned(), read_only },
            );
        }
        Ok(Some(folder))
    }
}

pub fn options(
    given: &GivenArgs,
    command: Vec<String>,
    mut env: Vec<(String, String)>,
) -> Result<RunOptions, Error> {
    let sandbox = &given.sandbox;
    // The last of two variables with the same name counts, so that the user's come after those of the image.
    env.extend(sandbox.variables()?);
    Ok(RunOptions {
        args: command,
        export: None,
        env,
        dirs: sandbox.dirs.clone(),
        stdin: given.stdin.clone().map_or(Stdin::Inherit, Stdin::File),
        streams: Streams::Inherit,
        network: sandbox.net,
        limits: sandbox.limits.limits(),
    })
}

/// Runs a program to its end, and reports a trap or an exceeded limit. Returns the exit code.
pub async fn run_program(
    engine: &Engine,
    program: &Program,
    options: &RunOptions,
    shell: &Shell,
) -> Result<u8, Error> {
    let outcome = run(engine, program, options).await?;
    let (code, stopped) = exit_status(&outcome.exit_reason);
    if let Some(reason) = stopped {
        let name = visible(program.name());
        shell.error_lines(format_args!("`{name}` was stopped: {reason}"));
    }
    for hint in &outcome.hints {
        shell.hint(hint);
    }
    Ok(code)
}

/// Returns the exit code of a run, and the trap or limit that stopped the program, if any.
pub fn exit_status(reason: &ExitReason) -> (u8, Option<String>) {
    match reason {
        // The operating system keeps only 8 bits.
        ExitReason::Exit(code) => ((code & 0xff) as u8, None),
        ExitReason::Trap(trap) => (ExitCode::Trap.code(), Some(trap.to_string())),
        ExitReason::Limit(limit) => (limit_code(limit).code(), Some(limit.to_string())),
    }
}

/// Returns the exit code for a program that a limit stopped.
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

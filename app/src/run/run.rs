//! Running programs for a user: `run`, of both commands, and what smoke tests share with it.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use tempfile::TempDir;
use wasm_oci_core::error_chain;
use wasm_oci_core::image::{IncludedFile, Manifest};
use wasm_oci_core::module::{BuiltModule, ValidateOptions};
use wasm_oci_core::run::{
    Cache, Dir, Engine, ExitReason, Identity, Limit, Limits, Program, RunOptions, Stdin, Streams,
    run,
};
use wasm_oci_core::store::{CachedSource, Location, load_wasm};

use crate::config::args::{CacheArgs, GivenArgs, RunArgs};
use crate::config::env_vars::{self, WASM_OCI_CACHE_DIR, WASM_OCI_CACHE_SIZE};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::pipeline::optimize_cache::OptimizedCache;
use crate::registry::connection::Connections;
use crate::registry::source::{AnySource, open};
use crate::ui::shell::Shell;

/// The size that pulled blobs are kept below, in bytes, unless told otherwise.
const DEFAULT_KEPT: u64 = 1 << 30;

/// The engine for programs with such limits, with the user's cache of compiled code.
///
/// # Errors
/// When wasmtime can't work here, or a variable for the cache makes no sense. A cache that can't be used is a warning.
pub fn engine(limits: &Limits, no_cache: bool, shell: &Shell) -> Result<Engine, Error> {
    Ok(Engine::new(limits, cache_unless(no_cache, shell)?)?)
}

/// The same for `serve`.
///
/// # Errors
/// As [`engine`].
pub fn pooled_engine(limits: &Limits, no_cache: bool, shell: &Shell) -> Result<Engine, Error> {
    Ok(Engine::pooled(limits, cache_unless(no_cache, shell)?)?)
}

fn cache_unless(no_cache: bool, shell: &Shell) -> Result<Option<Cache>, Error> {
    if no_cache { Ok(None) } else { cache(shell) }
}

fn cache(shell: &Shell) -> Result<Option<Cache>, Error> {
    let Some(dir) = cache_dir() else { return Ok(None) };
    match Cache::open(&dir, cache_size()?) {
        Ok(cache) => Ok(Some(cache)),
        Err(error) => {
            shell.warn(error_chain(&error));
            Ok(None)
        }
    }
}

/// The user's modules that were optimized before.
#[must_use]
pub fn optimized_cache(args: CacheArgs) -> OptimizedCache {
    match cache_dir().filter(|_| !args.no_cache) {
        Some(dir) => OptimizedCache::at(dir.join("optimized")),
        None => OptimizedCache::none(),
    }
}

fn cache_dir() -> Option<PathBuf> {
    env_vars::value(WASM_OCI_CACHE_DIR).map(PathBuf::from).or_else(Cache::default_dir)
}

/// In bytes.
fn cache_size() -> Result<Option<u64>, Error> {
    let limit = env_vars::value(WASM_OCI_CACHE_SIZE).map(|text| {
        text.parse::<ByteSize>().map_err(|e| {
            Error::Usage(format!("{WASM_OCI_CACHE_SIZE} is `{text}`, and no size: {e}"))
        })
    });
    Ok(limit.transpose()?.map(|size| size.as_u64()))
}

/// Reads the Wasm part of the image at a location. What comes from a registry is kept beside the compiled code, and
/// not fetched again.
///
/// # Errors
/// What opening or reading it fails with.
pub async fn pulled(
    location: &Location,
    connections: &Connections,
    no_cache: bool,
) -> Result<Manifest, Error> {
    let (source, name) = open(location, connections)?;
    let dir = cache_dir().filter(|_| !no_cache && matches!(source, AnySource::Registry(_)));
    Ok(match dir {
        None => load_wasm(&source, &name).await?,
        Some(dir) => {
            let limit = cache_size()?.unwrap_or(DEFAULT_KEPT);
            load_wasm(&CachedSource::new(source, &dir.join("images"), limit)?, &name).await?
        }
    })
}

/// Runs a module in a file. Returns its exit code.
///
/// # Errors
/// What reading or starting it fails with.
pub fn run_file(path: &Path, args: &RunArgs, shell: &Shell) -> Result<u8, Error> {
    let engine = engine(&args.given.limits.limits(), args.given.no_cache, shell)?;
    run_prepared(engine, |engine| Prepared::of_file(engine, path), args, shell)
}

/// Runs the module of an image as a container engine would: arguments replace the image's own, variables are
/// added to them, and files beside the module are there. What the program does to those is gone afterwards. `named` is a
/// file with the same module and the names of its functions, for traps.
///
/// # Errors
/// What reading or starting it fails with.
pub fn run_manifest(
    manifest: &Manifest,
    named: Option<&Path>,
    args: &RunArgs,
    shell: &Shell,
) -> Result<u8, Error> {
    let engine = engine(&args.given.limits.limits(), args.given.no_cache, shell)?;
    let prepared = |engine: &Engine| {
        let prepared = Prepared::of_manifest(engine, manifest)?;
        Ok(match named {
            Some(file) => prepared.named_by(file),
            None => prepared,
        })
    };
    run_prepared(engine, prepared, args, shell)
}

fn run_prepared(
    engine: Engine,
    prepared: impl FnOnce(&Engine) -> Result<Prepared, Error>,
    args: &RunArgs,
    shell: &Shell,
) -> Result<u8, Error> {
    // The process ends next, and the system takes all back at once. Piece by piece, it would take a fifth as long as
    // reading what is known of a large module's code.
    let engine = ManuallyDrop::new(engine);
    let prepared = ManuallyDrop::new(prepared(&engine)?);
    let given = (!args.args.is_empty()).then_some(args.args.as_slice());
    let mut options = options(&args.given, prepared.command(given), prepared.env.clone())?;
    options.export = prepared.export.clone();
    let _root = prepared.add_root(&mut options.dirs, false)?;
    run_program(&engine, &prepared.program, &options, shell)
}

/// A program, and what its image gives it.
#[derive(Debug)]
pub struct Prepared {
    program: Program,
    /// The image's files beside the module.
    files: Vec<IncludedFile>,
    entrypoint: Vec<String>,
    /// The function that the entrypoint names, as `/app.wasm#function`.
    export: Option<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Prepared {
    /// The module in a file, which has no image.
    ///
    /// # Errors
    /// What reading or compiling it fails with.
    pub fn of_file(engine: &Engine, path: &Path) -> Result<Prepared, Error> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let identity = Identity::of_file(path);
        // In messages it is the file that the user named, whether its code is known or not.
        let known = identity.as_ref().and_then(|it| engine.recall(it, &path.display().to_string()));
        let program = match known {
            Some(program) => program,
            None => {
                let program =
                    engine.program(BuiltModule::read(path)?, &ValidateOptions::default())?;
                if let Some(identity) = &identity {
                    engine.remember(identity, &program);
                }
                program
            }
        };
        Ok(Prepared {
            program,
            files: Vec::new(),
            entrypoint: vec![name],
            export: None,
            args: Vec::new(),
            env: Vec::new(),
        })
    }

    /// The same in every way, but with the module in a file: as an image with it would be.
    ///
    /// # Errors
    /// What reading or compiling it fails with.
    pub fn with_module(&self, engine: &Engine, path: &Path) -> Result<Prepared, Error> {
        let program = engine.program(BuiltModule::read(path)?, &ValidateOptions::any_import())?;
        let Prepared { program: _, files, entrypoint, export, args, env } = self;
        Ok(Prepared {
            program,
            files: files.clone(),
            entrypoint: entrypoint.clone(),
            export: export.clone(),
            args: args.clone(),
            env: env.clone(),
        })
    }

    /// The program of an image.
    ///
    /// # Errors
    /// What reading or compiling it fails with.
    pub fn of_manifest(engine: &Engine, manifest: &Manifest) -> Result<Prepared, Error> {
        let config = manifest.config();
        let (entrypoint, args) = config.module_and_args();
        let identity = Identity::of_manifest(manifest.digest());
        let (program, files) = match engine.recall(&identity, &manifest.module_name()) {
            Some(program) => (program, Vec::new()),
            None => {
                let program = engine.program(manifest.module()?, &ValidateOptions::default())?;
                let files = manifest.included()?;
                // With files, the layers have to be unpacked each time, and the code is found by the module.
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
        Ok(Prepared { program, files, entrypoint, export, args: args.to_vec(), env })
    }

    /// The same, whose functions have names in the module in `file`: [`Program::named_by`].
    #[must_use]
    pub fn named_by(self, file: &Path) -> Prepared {
        Prepared { program: self.program.named_by(file.to_owned()), ..self }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The function that is called instead of the module's entry point, if the entrypoint names one.
    #[must_use]
    pub fn export(&self) -> Option<&str> {
        self.export.as_deref()
    }

    /// The entrypoint, and the given arguments or else the image's.
    #[must_use]
    pub fn command(&self, given: Option<&[String]>) -> Vec<String> {
        [&self.entrypoint, given.unwrap_or(&self.args)].concat()
    }

    /// The image's variables.
    #[must_use]
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// The image's files beside the module.
    #[must_use]
    pub fn files(&self) -> &[IncludedFile] {
        &self.files
    }

    /// A temporary folder with the files of the image, if it has any: the program's `/`, unless the user gives another.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(crate) fn add_root(
        &self,
        dirs: &mut Vec<Dir>,
        read_only: bool,
    ) -> Result<Option<TempDir>, Error> {
        if self.files.is_empty() {
            return Ok(None);
        }
        let temporary = std::env::temp_dir();
        let folder =
            tempfile::tempdir().map_err(|source| Error::Write { path: temporary, source })?;
        write_files(&self.files, folder.path())?;
        if !dirs.iter().any(|dir| dir.guest == "/") {
            dirs.insert(
                0,
                Dir { host: folder.path().to_owned(), guest: "/".to_owned(), read_only },
            );
        }
        Ok(Some(folder))
    }
}

/// Writes files into a folder, as they lie in an image.
///
/// # Errors
/// [`Error::Write`].
pub fn write_files(files: &[IncludedFile], folder: &Path) -> Result<(), Error> {
    for file in files {
        let path = folder.join(file.path());
        let written = fs_err::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| fs_err::write(&path, file.content()));
        written.map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    Ok(())
}

/// What the user gives, with a command, and variables that the user's come after.
///
/// # Errors
/// [`Error::Usage`] for a variable to be passed on that is not set.
pub fn options(
    given: &GivenArgs,
    command: Vec<String>,
    mut env: Vec<(String, String)>,
) -> Result<RunOptions, Error> {
    env.extend(given.variables()?);
    Ok(RunOptions {
        args: command,
        export: None,
        env,
        dirs: given.dirs.clone(),
        stdin: given.stdin.clone().map_or(Stdin::Inherit, Stdin::File),
        streams: Streams::Inherit,
        network: given.net,
        limits: given.limits.limits(),
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
    let (code, stopped) = exit_status(&outcome.exit_reason);
    if let Some(reason) = stopped {
        shell.error(format_args!("`{}` was stopped: {reason}", program.name()));
    }
    for hint in &outcome.hints {
        shell.hint(hint);
    }
    Ok(code)
}

/// The exit code of a run, and by what the program was stopped if it did not end by itself.
#[must_use]
pub fn exit_status(reason: &ExitReason) -> (u8, Option<String>) {
    match reason {
        // What the operating system keeps of an exit code.
        ExitReason::Exit(code) => ((code & 0xff) as u8, None),
        ExitReason::Trap(trap) => (ExitCode::Trap.code(), Some(trap.to_string())),
        ExitReason::Limit(limit) => (limit_code(limit).code(), Some(limit.to_string())),
    }
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

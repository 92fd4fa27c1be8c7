//! Native parts of standalone images: runners, and the code that is compiled for them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;
use wasm_oci_core::fs::{CacheFolder, Durability};
use wasm_oci_core::image::{
    Architecture, Digest, Manifest, NativeContent, NativeProgram, Platform,
};
use wasm_oci_core::module::{ValidateOptions, ValidatedModule, validate};
use wasm_oci_core::run::{engine_version, precompile};

use crate::config::env_vars::{self, cache_dir};
use crate::config::runner::Runner;
use crate::error::{Error, UsageError};
use crate::ui::shell::Shell;

/// Compiles the module for each of the platforms, and reads the runners for it.
pub fn natives(
    module: &ValidatedModule,
    platforms: &[Platform],
    runners: &[Runner],
    shell: &Shell,
) -> Result<Vec<NativeProgram>, Error> {
    let is_http = |name: &str| name.starts_with("wasi:http/");
    let serves = module.report().exports.iter().any(|export| is_http(&export.name));
    let sends = module.report().imports.iter().any(|import| is_http(&import.name));
    let kind = if serves || sends { RunnerKind::Http } else { RunnerKind::Command };
    let native = |platform: &Platform| {
        let architecture = architecture(platform)?;
        let given = runners.iter().find(|runner| runner.architecture == architecture);
        let runner = match given {
            Some(given) => given.clone(),
            None => Runner::read(&find(architecture, kind, shell)?)?,
        };
        Ok(NativeProgram {
            architecture,
            runner: runner.bytes,
            code: precompile(module, architecture)?.into(),
            engine: engine_version(),
            serves,
        })
    };
    platforms.iter().map(native).collect()
}

fn architecture(platform: &Platform) -> Result<Architecture, Error> {
    let found = Architecture::ALL.into_iter().find(|it| it.platform() == *platform);
    found.ok_or_else(|| UsageError::NoRunner { platform: platform.to_string() }.into())
}

/// Refuses a native manifest whose runner is not that of this version, or whose code is not what this version compiles from
/// its module.
pub fn require_own(manifest: &Manifest) -> Result<(), Error> {
    let platform =
        manifest.config().platform.clone().unwrap_or_else(|| Platform::new("linux", "unknown"));
    let refused = |reason| Error::UnknownCode { platform: platform.to_string(), reason };
    let architecture = architecture(&platform)?;
    let NativeContent { module, runner, code } = manifest.native_content()?;
    let module = validate(module.unoptimized(), &ValidateOptions::any_import())?;
    if code != precompile(&module, architecture)? {
        return Err(refused("its code is not what this version compiles from its module"));
    }
    let is_own = |kind| {
        let file = present(architecture, kind).ok().flatten();
        file.and_then(|file| fs::read(file).ok()).is_some_and(|own| own == runner)
    };
    match [RunnerKind::Command, RunnerKind::Http].into_iter().any(is_own) {
        true => Ok(()),
        false => Err(refused("its runner is not known to be that of this version")),
    }
}

/// Kind of a runner. The one for commands is half as large, and most modules need no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerKind {
    Command,
    /// For components that send or answer HTTP requests.
    Http,
}

impl RunnerKind {
    fn file_name(self, architecture: Architecture) -> String {
        match self {
            RunnerKind::Command => format!("wasm-oci-runner-{architecture}"),
            RunnerKind::Http => format!("wasm-oci-runner-http-{architecture}"),
        }
    }
}

/// Returns the file of this version's runner: in the folder of this program, as releases have it, or in the cache, where it is
/// built from its sources if it is not there.
pub fn find(architecture: Architecture, kind: RunnerKind, shell: &Shell) -> Result<PathBuf, Error> {
    let missing = |reason| {
        Error::from(UsageError::MissingRunner { name: kind.file_name(architecture), reason })
    };
    if let Some(file) = present(architecture, kind).map_err(missing)? {
        return Ok(file);
    }
    let sources = sources().ok_or_else(|| missing(NO_SOURCES.to_owned()))?;
    built(&sources, architecture, kind, shell).map_err(missing)
}

const NO_SOURCES: &str = "take an archive of a release, which has the runners beside the command, or name one with --runner";

/// Returns the file of this version's runner, if it is there.
fn present(architecture: Architecture, kind: RunnerKind) -> Result<Option<PathBuf>, String> {
    let name = kind.file_name(architecture);
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(&name)));
    if let Some(beside) = beside.filter(|file| file.is_file()) {
        return Ok(Some(beside));
    }
    let Some(sources) = sources() else { return Ok(None) };
    let (folder, entry) = cached(&sources, architecture, kind)?;
    Ok(Some(folder.path().join(entry)).filter(|file| file.is_file()))
}

/// Returns the folder of the runner's sources, if this program was built from a checkout that is still there.
fn sources() -> Option<PathBuf> {
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../runner")).filter(|it| it.is_dir())
}

/// Returns the folder of built runners, and the name that this runner has in it.
fn cached(
    sources: &Path,
    architecture: Architecture,
    kind: RunnerKind,
) -> Result<(CacheFolder, String), String> {
    let text = |e: std::io::Error| e.to_string();
    let cache = cache_dir().ok_or("there is no folder for caches: set WASM_OCI_CACHE_DIR")?;
    let cache = CacheFolder::open(&cache).and_then(|cache| cache.folder("runners"));
    let key = digest_of_sources(sources).map_err(text)?.hex();
    Ok((cache.map_err(text)?, format!("{}-{key}", kind.file_name(architecture))))
}

fn built(
    sources: &Path,
    architecture: Architecture,
    kind: RunnerKind,
    shell: &Shell,
) -> Result<PathBuf, String> {
    let text = |e: std::io::Error| e.to_string();
    let (folder, entry) = cached(sources, architecture, kind)?;
    let name = kind.file_name(architecture);
    shell.status("Building", format_args!("the runner `{name}` from its sources, once"));
    let bytes = fs::read(build(sources, architecture, kind, &folder.path().join("target"))?);
    let bytes = bytes.map_err(text)?;
    let fill = |file: &mut std::fs::File| file.write_all(&bytes);
    folder.write(&entry, Durability::Full, fill).map_err(text)?;
    Ok(folder.path().join(entry))
}

/// Builds the runner, and returns its file.
fn build(
    sources: &Path,
    architecture: Architecture,
    kind: RunnerKind,
    target_dir: &Path,
) -> Result<PathBuf, String> {
    let triple = architecture.triple();
    let mut cargo = Command::new(env_vars::value("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    cargo
        .args(["build", "--release", "--locked", "--quiet", "--target", triple])
        // For its .cargo/config.toml.
        .current_dir(sources)
        .arg("--target-dir")
        .arg(target_dir);
    if kind == RunnerKind::Http {
        cargo.args(["--features", "http"]);
    }
    // The compiler of this machine is one for musl, too, because the little C in it needs no C library's headers but the
    // standard ones.
    let variable = format!("CC_{}", triple.replace('-', "_"));
    if architecture == Architecture::of_this_machine() && env_vars::value(&variable).is_none() {
        cargo.env(&variable, "cc");
    }
    let status = cargo.status().map_err(|e| format!("cargo can't be started: {e}"))?;
    if !status.success() {
        return Err(format!(
            "cargo can't build it ({status}); it needs the target (`rustup target add {triple}`) and a C compiler for it \
             ({variable})"
        ));
    }
    Ok(target_dir.join(triple).join("release/wasm-oci-runner"))
}

/// Returns a digest of everything that the runner is built from.
fn digest_of_sources(runner: &Path) -> std::io::Result<Digest> {
    let mut files = Vec::new();
    let mut folders = vec![runner.join("src"), runner.join("../core/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.extend(
        ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "../core/Cargo.toml"]
            .map(|it| runner.join(it)),
    );
    files.sort();
    let digests: Result<Vec<Digest>, _> =
        files.iter().map(|file| fs::read(file).map(|bytes| Digest::of(&bytes))).collect();
    let digests: Vec<String> = digests?.iter().map(Digest::to_string).collect();
    Ok(Digest::of(digests.join("\n").as_bytes()))
}

//! Runners of standalone images: static Linux programs that releases have beside the commands, and that a command which was
//! built from a checkout builds from its sources.

mod build;
mod c_compiler;
mod sources;
mod toolchain;

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use wasm_oci_core::fs::{CacheFolder, Durability, TemporaryFolder};
use wasm_oci_core::image::Architecture;
use wasm_oci_core::trace::OrTrace;

use self::build::build_into;
use self::sources::{folder, key};
use self::toolchain::Toolchain;
use crate::config::env_vars::cache_dir;
use crate::error::{Error, RunnerError, UsageError};
use crate::ui::shell::Shell;

/// Kind of a runner. The one for commands is half as large, and most modules need no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerKind {
    Command,
    /// For components that send or answer HTTP requests.
    Http,
}

impl RunnerKind {
    pub const ALL: [RunnerKind; 2] = [RunnerKind::Command, RunnerKind::Http];
}

/// One of the runners of this version: its kind, and the architecture that it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunnerVariant {
    pub kind: RunnerKind,
    pub architecture: Architecture,
}

impl RunnerVariant {
    fn file_name(self) -> String {
        match self.kind {
            RunnerKind::Command => format!("wasm-oci-runner-{}", self.architecture),
            RunnerKind::Http => format!("wasm-oci-runner-http-{}", self.architecture),
        }
    }

    /// Returns the file of this version's runner. Builds it if it is not there, and keeps it in the cache. `downloads` allows cargo
    /// and rustup to download what they need for that.
    pub fn find(self, downloads: bool, shell: &Shell) -> Result<PathBuf, Error> {
        let found = self.present().and_then(|file| match file {
            Some(file) => Ok(file),
            None => self.build_to_cache(false, downloads, shell),
        });
        found.map_err(|source| self.missing(source))
    }

    /// Builds the runner from its sources, even if it is there, and returns its file in the cache.
    pub fn build(self, downloads: bool, shell: &Shell) -> Result<PathBuf, Error> {
        self.build_to_cache(true, downloads, shell).map_err(|source| self.missing(source))
    }

    fn missing(self, source: RunnerError) -> Error {
        UsageError::MissingRunner { name: self.file_name(), source }.into()
    }

    /// Returns the file of this version's runner if it is there: in the folder of this program, or in the cache.
    pub fn present(self) -> Result<Option<PathBuf>, RunnerError> {
        let beside =
            std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(self.file_name())));
        if let Some(beside) = beside.filter(|file| file.is_file()) {
            return Ok(Some(beside));
        }
        let Some(sources) = folder() else { return Ok(None) };
        let (folder, entry) = self.cached(&sources)?;
        Ok(Some(folder.path().join(entry)).filter(|file| file.is_file()))
    }

    /// Returns the folder of built runners, and the name that this runner has in it.
    fn cached(self, sources: &Path) -> Result<(CacheFolder, String), RunnerError> {
        let cache = cache_dir().ok_or(RunnerError::NoCache)?;
        let cache = CacheFolder::open(&cache).and_then(|cache| cache.folder("runners"));
        let name = format!("{}-{}", self.file_name(), key(sources)?);
        Ok((cache.map_err(RunnerError::Cache)?, name))
    }

    fn build_to_cache(
        self,
        again: bool,
        downloads: bool,
        shell: &Shell,
    ) -> Result<PathBuf, RunnerError> {
        let sources = folder().ok_or(RunnerError::NoSources)?;
        let (folder, entry) = self.cached(&sources)?;
        let file = folder.path().join(&entry);
        // One build at a time: others wait for its result.
        let lock = fs::File::create(folder.path().join("lock")).map_err(RunnerError::Cache)?;
        lock.file().lock().or_trace("lock the folder of runners");
        if file.is_file() && !again {
            return Ok(file);
        }
        shell.status(
            "Building",
            format_args!("the runner `{}` from its sources, which takes minutes", self.file_name()),
        );
        let toolchain = Toolchain::of(&sources)?;
        let target_dir = TemporaryFolder::new_in(folder.path()).map_err(RunnerError::Cache)?;
        let program = build_into(target_dir.path(), self, &sources, &toolchain, downloads, shell)?;
        let bytes = fs::read(program).map_err(RunnerError::Cache)?;
        let fill = |file: &mut std::fs::File| file.write_all(&bytes);
        folder.write(&entry, Durability::Full, fill).map_err(RunnerError::Cache)?;
        Ok(file)
    }
}

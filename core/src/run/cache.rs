//! Cache of compiled code, mapped into memory without a copy.
//!
//! wasmtime trusts compiled code. It is native code, so anyone who can write it can act as the user. Therefore:
//!
//! - We use the folder only if it belongs to the user and nobody else can write to it.
//! - An entry is valid only with its record, which is written after the code. The record contains the code's digest and
//!   the state of its file (inode, size, times). If the file is in another state, its content must match the digest.
//!
//! Every file is replaced as a whole: a killed process leaves no valid entry, and two processes that write the same entry
//! write the same bytes. Code depends on the engine's version, its settings and the processor's features, so their hash
//! names the folder.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasmtime::Precompiled;

use super::engine::Code;
use super::{EntryKind, Error};
use crate::fs::{CacheFolder, Durability, FileState, evict, mark_used, require_owned};
use crate::image::{Digest, Digester};
use crate::trace::OrTrace;

/// Default limit of the cache's size, in bytes.
const DEFAULT_LIMIT: u64 = 1 << 30;

/// A folder of compiled code.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    limit: u64,
}

/// Key by which the cache finds a program without reading its module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(String);

impl Identity {
    /// Returns the identity of the module in a file. `None` for a file that has just changed: a second change within the
    /// same tick of the clock would not show in its times.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Identity> {
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let state = FileState::from_metadata(&metadata)?;
        let text = serde_json::to_string(&state).ok()?;
        state.is_settled(SystemTime::now()).then_some(Identity(text))
    }

    /// Returns the identity of the module in the image whose manifest has this digest.
    #[must_use]
    pub fn of_manifest(digest: Digest) -> Identity {
        Identity(digest.to_string())
    }
}

/// Record of an entry, in a file next to the code.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    entry: EntryKind,
    /// Digest of the compiled code.
    digest: Digest,
    state: FileState,
}

impl Cache {
    /// Opens the cache in the folder `code` of `dir`, and creates it if it is missing. `limit` is its largest size in
    /// bytes (1 GiB by default).
    ///
    /// # Errors
    /// [`Error::Cache`] if the folder can't be created, or others can write to it.
    pub fn open(dir: &Path, limit: Option<u64>) -> Result<Cache, Error> {
        let refused = |reason: String| Error::Cache { dir: dir.to_owned(), reason };
        let own = CacheFolder::open(dir).and_then(|dir| dir.folder("code"));
        let own = own.map_err(|e| refused(e.to_string()))?;
        Ok(Cache { dir: own.path().to_owned(), limit: limit.unwrap_or(DEFAULT_LIMIT) })
    }

    /// Returns the folder `wasm-oci` in the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache` on Linux).
    #[must_use]
    pub fn default_dir() -> Option<PathBuf> {
        Some(dirs::cache_dir()?.join("wasm-oci"))
    }

    pub(super) fn recall(&self, identity: &Identity) -> Option<Digest> {
        read_record(&self.identity_file(identity))
    }

    pub(super) fn remember(&self, identity: &Identity, module: Digest) {
        write_record(&self.identity_file(identity), &module);
    }

    /// Returns the code of a module, if it is cached and undamaged.
    pub(super) fn load(
        &self,
        engine: &wasmtime::Engine,
        module: Digest,
    ) -> Option<(EntryKind, Code)> {
        let (code, record_file) = self.entry(engine, module);
        // Other users may have created the file at a time when they could write to the cache.
        require_owned(&code).or_trace("use cached code")?;
        let mut record: Record = read_record(&record_file)?;
        let state = FileState::of(&code)?;
        if state != record.state {
            let digest = fs_err::File::open(&code).and_then(|file| digest_of(file.into_file()));
            if digest.or_trace("read cached code")? != record.digest {
                tracing::debug!(file = %code.display(), "cached code is damaged");
                return None;
            }
            record.state = state;
            write_record(&record_file, &record);
        }
        mark_used(&record_file);
        let kind = match record.entry {
            EntryKind::Module | EntryKind::Library => Precompiled::Module,
            EntryKind::Component | EntryKind::Http => Precompiled::Component,
        };
        #[expect(unsafe_code, reason = "wasmtime wrote the file")]
        // SAFETY: only this user can write to the file and its folder. Its state is the one in which we left wasmtime's output,
        // or its content has the digest of that output.
        let code = unsafe { Code::map(engine, kind, &code) }.or_trace("map cached code")?;
        tracing::debug!(%module, "compiled code is cached");
        Some((record.entry, code))
    }

    /// Stores the code of a module. A failure costs only time: the module is compiled again.
    pub(super) fn store(
        &self,
        engine: &wasmtime::Engine,
        module: Digest,
        entry: EntryKind,
        code: &Code,
    ) {
        let bytes = match code {
            // The record of a library doesn't say if it is a component, and `load` maps it as a module.
            Code::Component(_) if entry == EntryKind::Library => return,
            Code::Module(module) => module.serialize(),
            Code::Component(component) => component.serialize(),
        };
        let (file, record_file) = self.entry(engine, module);
        let keep = |bytes: Vec<u8>| {
            // The state in the record spares `load` the digest, so the code has to be on disk before the record is.
            write(&file, &bytes, Durability::Full)?;
            let state = FileState::of(&file).ok_or(io::ErrorKind::NotFound)?;
            write_record(&record_file, &Record { entry, digest: Digest::of(&bytes), state });
            io::Result::Ok(())
        };
        let bytes = bytes.or_trace("serialize compiled code");
        if bytes.and_then(|bytes| keep(bytes).or_trace("cache compiled code")).is_some() {
            self.shrink();
        }
    }

    fn shrink(&self) {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        evict(&folders, self.limit, Duration::ZERO);
    }

    /// Returns the paths of a module's code and of its record.
    fn entry(&self, engine: &wasmtime::Engine, module: Digest) -> (PathBuf, PathBuf) {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = self.dir.join(format!("{:016x}", hasher.finish()));
        (
            folder.join(format!("{}.code", module.hex())),
            folder.join(format!("{}.json", module.hex())),
        )
    }

    fn identity_file(&self, Identity(text): &Identity) -> PathBuf {
        self.dir.join("identities").join(format!("{}.json", Digest::of(text.as_bytes()).hex()))
    }
}

fn read_record<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let (folder, name) = split(file)?;
    let read = CacheFolder::existing(folder).and_then(|folder| folder.read(name));
    serde_json::from_slice(&read.or_trace("read a record of the cache")?)
        .or_trace("understand a record of the cache")
}

fn split(file: &Path) -> Option<(&Path, &str)> {
    Some((file.parent()?, file.file_name()?.to_str()?))
}

/// Writes a record. A failure costs only time: the module is compiled again.
fn write_record(file: &Path, record: &impl Serialize) {
    let written = serde_json::to_vec(record).map_err(io::Error::from);
    // JSON that was cut short or zeroed does not parse.
    let written = written.and_then(|bytes| write(file, &bytes, Durability::Checked));
    written.or_trace("write a record of the cache");
}

fn write(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let (folder, name) = split(path).ok_or(io::ErrorKind::InvalidInput)?;
    CacheFolder::open(folder)?.write(name, durability, |file| file.write_all(bytes))
}

fn digest_of(mut file: File) -> io::Result<Digest> {
    struct Writer(Digester);
    impl io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = Writer(Digester::default());
    io::copy(&mut file, &mut writer)?;
    Ok(writer.0.finish())
}

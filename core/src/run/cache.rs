//! Compiled code on disk, mapped into memory as it is.
//!
//! wasmtime trusts compiled code: it is native code, and who can write it can do what the user can. So
//!
//! - the folder is the user's own and nobody else can write to it, or it isn't used;
//! - an entry counts only with its record, which is written after it. The record has the code's digest and the state
//!   of the file that was written (inode, size, times); when the file isn't in that state any more, its content has to
//!   have the digest.
//!
//! Every file is written under another name and then renamed: a process that is killed leaves nothing that counts, and
//! two that write the same entry write the same bytes. Code depends on the engine's version, its settings and the
//! processor's features, which make the name of the folder that it is in.

use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasmtime::Module;
use wasmtime::component::Component;

use super::engine::Code;
use super::{Error, World};
use crate::image::{Digest, Digester};

/// The size that the cache is kept below, in bytes, unless told otherwise.
const DEFAULT_LIMIT: u64 = 1 << 30;

/// How old a file has to be for its times to tell it from what it may become: clocks of file systems have ticks.
const TICK: Duration = Duration::from_millis(50);

/// An entry's last use is noted no more often.
const USE_NOTED_AFTER: Duration = Duration::from_secs(60 * 60);

/// What the names of files begin with that are being written.
const TEMPORARY: &str = ".wasm-oci-";

/// After this time, a file that is being written belongs to nobody any more.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(60 * 60);

/// A folder of compiled code.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    limit: u64,
}

/// What tells a program from others without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(String);

impl Identity {
    /// Of a module in a file. None when the file has just been changed: then it could change again without a trace.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Identity> {
        let metadata = fs::metadata(path).ok()?;
        let state = FileState::of(&metadata);
        let is_old = |time: SystemTime| time.elapsed().is_ok_and(|age| age > TICK);
        (metadata.is_file() && is_old(state.last_change())).then(|| Identity(format!("{state:?}")))
    }

    /// Of the module of an image, whose manifest has this digest.
    #[must_use]
    pub fn of_manifest(digest: Digest) -> Identity {
        Identity(digest.to_string())
    }
}

/// What changes with a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FileState {
    /// Device and inode, where there are such.
    number: (u64, u64),
    size: u64,
    modified: SystemTime,
    /// When the file or what is known about it was changed, which nobody can set; where there is such a time.
    changed: SystemTime,
}

#[cfg(unix)]
impl FileState {
    fn of(metadata: &Metadata) -> FileState {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, nanoseconds: i64| {
            SystemTime::UNIX_EPOCH
                + Duration::new(
                    u64::try_from(seconds).unwrap_or(0),
                    u32::try_from(nanoseconds).unwrap_or(0),
                )
        };
        FileState {
            number: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(not(unix))]
impl FileState {
    fn of(metadata: &Metadata) -> FileState {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let created = metadata.created().unwrap_or(SystemTime::UNIX_EPOCH);
        FileState { number: (0, 0), size: metadata.len(), modified, changed: created }
    }
}

impl FileState {
    fn last_change(&self) -> SystemTime {
        self.modified.max(self.changed)
    }
}

/// What is known of an entry, in a file beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    world: World,
    /// Of the compiled code.
    digest: Digest,
    state: FileState,
}

impl Cache {
    /// The cache in the folder `code` of `dir`, which is made if it isn't there. `limit` is the size to stay below, in
    /// bytes.
    ///
    /// # Errors
    /// [`Error::Cache`] when the folder can't be made, or others can write to it.
    pub fn open(dir: &Path, limit: Option<u64>) -> Result<Cache, Error> {
        let refused = |reason: String| Error::Cache { dir: dir.to_owned(), reason };
        let own = dir.join("code");
        for folder in [dir, &own] {
            make_folder(folder).map_err(|e| refused(e.to_string()))?;
            let metadata = fs::symlink_metadata(folder).map_err(|e| refused(e.to_string()))?;
            if let Some(reason) = why_not_ours(&metadata) {
                return Err(refused(reason.to_owned()));
            }
        }
        Ok(Cache { dir: own, limit: limit.unwrap_or(DEFAULT_LIMIT) })
    }

    /// The folder for what can be made again: `wasm-oci` in the user's folder for such things.
    #[must_use]
    pub fn default_dir() -> Option<PathBuf> {
        Some(dirs::cache_dir()?.join("wasm-oci"))
    }

    pub(super) fn recall(&self, identity: &Identity) -> Option<Digest> {
        read_ours(&self.identity_file(identity))
    }

    pub(super) fn remember(&self, identity: &Identity, module: Digest) {
        // What can't be kept is found out again.
        write(&self.identity_file(identity), &serde_json::to_vec(&module).unwrap_or_default()).ok();
    }

    /// The code of a module, if it is there and as it was written.
    pub(super) fn load(&self, engine: &wasmtime::Engine, module: Digest) -> Option<(World, Code)> {
        let (code, record_file) = self.entry(engine, module);
        // Others may have made it while they could write to the cache.
        let folder = fs::symlink_metadata(code.parent()?).ok()?;
        if why_not_ours(&folder).is_some() {
            return None;
        }
        let mut record: Record = read_ours(&record_file)?;
        let file = fs::File::open(&code).ok()?;
        let metadata = file.metadata().ok().filter(|metadata| why_not_ours(metadata).is_none())?;
        let state = FileState::of(&metadata);
        if state != record.state {
            if digest_of(file.into_file()).ok()? != record.digest {
                return None;
            }
            record.state = state;
            write(&record_file, &serde_json::to_vec(&record).ok()?).ok();
        }
        note_use(&record_file);
        let code = match record.world {
            World::Module | World::Library => Code::Module(map_module(engine, &code)?),
            World::Component | World::Http => Code::Component(map_component(engine, &code)?),
        };
        Some((record.world, code))
    }

    /// Keeps the code of a module. That this fails costs only time: it is compiled again.
    pub(super) fn store(
        &self,
        engine: &wasmtime::Engine,
        module: Digest,
        world: World,
        code: &Code,
    ) {
        let bytes = match code {
            // There is no way to tell a library's code of a component from a core module's.
            Code::Component(_) if world == World::Library => return,
            Code::Module(module) => module.serialize(),
            Code::Component(component) => component.serialize(),
        };
        let (file, record_file) = self.entry(engine, module);
        let keep = |bytes: Vec<u8>| {
            write(&file, &bytes)?;
            let record = Record {
                world,
                digest: Digest::of(&bytes),
                state: FileState::of(&fs::metadata(&file)?),
            };
            write(&record_file, &serde_json::to_vec(&record)?)?;
            self.shrink()
        };
        bytes.ok().map(keep);
    }

    /// Removes what was not used for longest, until the cache is below its limit, and what killed processes left.
    /// Other processes do so at the same time, and the folder may have files that are not the cache's.
    fn shrink(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for folder in fs::read_dir(&self.dir)?.flatten() {
            for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let path = file.path();
                let Ok(metadata) = file.metadata() else { continue };
                let Ok(modified) = metadata.modified() else { continue };
                if is_temporary(&path)
                    && modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND_AFTER)
                {
                    fs::remove_file(path).ok();
                } else if is_temporary(&path) || is_of_an_entry(&path) {
                    files.push((modified, metadata.len(), path));
                }
            }
        }
        // Code is as old as its record: that is what a use is noted on.
        let mut used = std::collections::HashMap::new();
        for (time, _, path) in &files {
            used.entry(path.with_extension(""))
                .and_modify(|known: &mut SystemTime| *known = (*time).max(*known))
                .or_insert(*time);
        }
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort_by_key(|(time, _, path)| {
            used.get(&path.with_extension("")).copied().unwrap_or(*time)
        });
        for (_, size, path) in files {
            if total <= self.limit {
                break;
            }
            if !is_temporary(&path) {
                fs::remove_file(path).ok();
                total = total.saturating_sub(size);
            }
        }
        Ok(())
    }

    /// The file of a module's code, and that of its record.
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

// The two places where native code is taken from a file.

#[expect(unsafe_code, reason = "`Cache` has made sure that the file is what wasmtime wrote")]
fn map_module(engine: &wasmtime::Engine, file: &Path) -> Option<Module> {
    // SAFETY: the file is in a folder that only this user can write to, belongs to this user, and is as it was when
    // wasmtime's output was written to it, or has that output's digest.
    unsafe { Module::deserialize_file(engine, file) }.ok()
}

#[expect(unsafe_code, reason = "`Cache` has made sure that the file is what wasmtime wrote")]
fn map_component(engine: &wasmtime::Engine, file: &Path) -> Option<Component> {
    // SAFETY: as above.
    unsafe { Component::deserialize_file(engine, file) }.ok()
}

/// Why what is there can't be trusted.
#[cfg(unix)]
fn why_not_ours(metadata: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    match metadata {
        it if it.is_symlink() => Some("it is a symbolic link; name the folder itself"),
        it if it.uid() != rustix::process::geteuid().as_raw() => Some("it belongs to another user"),
        it if it.mode() & 0o022 != 0 => {
            Some("other users can write to it; take that away with `chmod go-w`")
        }
        _ => None,
    }
}

#[cfg(not(unix))]
fn why_not_ours(metadata: &Metadata) -> Option<&'static str> {
    metadata.is_symlink().then_some("it is a symbolic link; name the folder itself")
}

/// Makes a folder that only this user can look into.
fn make_folder(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

fn read_ours<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let metadata = fs::symlink_metadata(file).ok()?;
    if why_not_ours(&metadata).is_some() {
        return None;
    }
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Writes a file as a whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    // Its mode is 0600.
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(TEMPORARY))
}

/// Whether it has a name as only this cache gives: what else is there is not touched.
fn is_of_an_entry(path: &Path) -> bool {
    let is_digest =
        |stem: &str| stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    path.extension().is_some_and(|it| it == "code" || it == "json")
        && path.file_stem().and_then(|stem| stem.to_str()).is_some_and(is_digest)
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

/// Makes the record young, so that its entry stays when the cache gets too large.
fn note_use(record: &Path) {
    let age = fs::metadata(record).and_then(|it| it.modified()).map(|time| time.elapsed());
    if !matches!(age, Ok(Ok(age)) if age < USE_NOTED_AFTER) {
        File::options()
            .write(true)
            .open(record)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .ok();
    }
}

//! Cache of optimized modules, so that no module is optimized twice.
//!
//! The name of an entry is a digest of everything that decides its bytes: the digest of the input module, the version of this
//! package, and the options. Its first line is the digest of the rest, the optimized module with its names.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use wasm_oci_core::fs::{CacheFolder, Durability, evict, mark_used};
use wasm_oci_core::image::Digest;
use wasm_oci_core::module::{
    BuiltModule, Level, OptimizeError, OptimizeOptions, OptimizedModule, optimize, optimized_before,
};
use wasm_oci_core::trace::OrTrace;

use crate::config::plan::CACHE_VERSION;

/// Limit of the size of all entries in a folder, in bytes.
const LIMIT: u64 = 256 << 20;

/// Cache of optimized modules in a folder, or no cache.
#[derive(Debug, Clone)]
pub struct OptimizedCache {
    dir: Option<Dir>,
}

/// Folder of a cache, which may not exist yet.
#[derive(Debug, Clone)]
struct Dir {
    /// Folder of all caches. It needs the same protection, because who can write to it can replace those in it.
    outer: Option<PathBuf>,
    own: PathBuf,
}

impl Dir {
    fn open(&self) -> std::io::Result<CacheFolder> {
        self.outer.as_deref().map(CacheFolder::open).transpose()?;
        CacheFolder::open(&self.own)
    }
}

impl OptimizedCache {
    /// Returns the cache in `dir`, which may not exist yet.
    pub fn new(dir: Option<PathBuf>) -> OptimizedCache {
        OptimizedCache { dir: dir.map(|own| Dir { outer: None, own }) }
    }

    /// Returns the cache in a folder of caches, which may not exist yet.
    pub fn among(caches: Option<PathBuf>) -> OptimizedCache {
        let dir = |caches: PathBuf| Dir { own: caches.join("optimized"), outer: Some(caches) };
        OptimizedCache { dir: caches.map(dir) }
    }

    /// Returns the module as [`optimize`] does, from the cache if possible. Calls `announce` before it optimizes.
    pub fn optimize(
        &self,
        module: BuiltModule,
        options: &OptimizeOptions,
        announce: impl FnOnce(),
    ) -> Result<OptimizedModule, OptimizeError> {
        if options.level == Level::Off {
            return optimize(module, options);
        }
        // Level 0 only removes sections, which takes no longer than reading an entry.
        let dir = self.dir.as_ref().filter(|_| options.level > Level::O0);
        let folder = dir.and_then(|dir| dir.open().or_trace("use the cache of optimized modules"));
        let Some(folder) = folder else {
            announce();
            return optimize(module, options);
        };
        let name = entry(&module, options);
        let cached = recall(&folder, &name);
        tracing::debug!(name, hit = cached.is_some(), "cache of optimized modules");
        if let Some(named) = cached {
            return optimized_before(module, named, options);
        }
        announce();
        let optimized = optimize(module, options)?;
        // A note means that the module was optimized less than requested.
        if optimized.note().is_none() {
            keep(&folder, &name, optimized.named());
        }
        Ok(optimized)
    }
}

fn entry(module: &BuiltModule, options: &OptimizeOptions) -> String {
    let key = format!(
        "{} {CACHE_VERSION} {} {options} {} {}",
        env!("CARGO_PKG_VERSION"),
        Digest::of(module.bytes()),
        options.debug_info,
        options.compressed
    );
    Digest::of(key.as_bytes()).hex()
}

fn recall(folder: &CacheFolder, name: &str) -> Option<Vec<u8>> {
    let mut bytes = folder.read(name).or_trace("read an optimized module")?;
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let module = bytes.split_off(line + 1);
    let is_whole = bytes.trim_ascii_end() == Digest::of(&module).to_string().as_bytes();
    mark_used(&folder.path().join(name));
    is_whole.then_some(module)
}

fn keep(folder: &CacheFolder, name: &str, module: &[u8]) {
    let digest = Digest::of(module).to_string();
    let fill = |file: &mut File| writeln!(file, "{digest}").and_then(|()| file.write_all(module));
    // Not synced: `recall` checks the digest, so that what a crash leaves behind is ignored and replaced.
    let kept = folder.write(name, Durability::Checked, fill);
    if kept.or_trace("cache an optimized module").is_some() {
        // No entry stays open, because `recall` reads it at once.
        evict(&[folder.path().to_owned()], LIMIT, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wasm_oci_core::module::DebugInfo;

    use super::*;

    fn module() -> BuiltModule {
        let wat = r#"(module (func $f (export "f") (result i32) i32.const 1 i32.const 2 i32.add) (func $unused))"#;
        BuiltModule::new("test.wasm", wat::parse_str(wat).unwrap()).unwrap()
    }

    fn entries(dir: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_comes_from_the_cache_is_what_would_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let cache = OptimizedCache::new(Some(dir.path().join("new")));
        for debug_info in [DebugInfo::None, DebugInfo::Names] {
            let options =
                OptimizeOptions { level: Level::Oz, debug_info, ..OptimizeOptions::default() };
            let made = optimize(module(), &options).unwrap();
            for _ in 0..2 {
                let cached = cache.optimize(module(), &options, || {}).unwrap();
                assert_eq!(cached.bytes(), made.bytes());
                assert_eq!(cached.named(), made.named());
                assert_eq!(cached.raw_size(), made.raw_size());
            }
        }
        assert_eq!(entries(&dir.path().join("new")).len(), 2);
    }

    #[test]
    fn an_entry_is_used_and_a_damaged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let cache = OptimizedCache::new(Some(dir.path().to_owned()));
        let options = OptimizeOptions { level: Level::O1, ..OptimizeOptions::default() };
        let made = cache.optimize(module(), &options, || {}).unwrap();
        let [entry] = &entries(dir.path())[..] else { panic!("one entry") };
        // A different module in its place proves that the entry is used.
        let other = wat::parse_str("(module)").unwrap();
        let (folder, name) = (CacheFolder::open(dir.path()).unwrap(), entry.file_name().unwrap());
        keep(&folder, name.to_str().unwrap(), &other);
        assert_eq!(cache.optimize(module(), &options, || {}).unwrap().bytes(), other);
        let damaged = [std::fs::read(entry).unwrap(), vec![0]].concat();
        std::fs::write(entry, damaged).unwrap();
        assert_eq!(cache.optimize(module(), &options, || {}).unwrap().bytes(), made.bytes());
    }

    #[cfg(unix)]
    #[test]
    fn an_entry_in_a_folder_that_others_can_write_to_is_not_used() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let caches = dir.path().join("caches");
        let cache = OptimizedCache::among(Some(caches.clone()));
        let options = OptimizeOptions { level: Level::O1, ..OptimizeOptions::default() };
        let made = cache.optimize(module(), &options, || {}).unwrap();
        let own = caches.join("optimized");
        let [entry] = &entries(&own)[..] else { panic!("one entry") };
        let (folder, name) = (CacheFolder::open(&own).unwrap(), entry.file_name().unwrap());
        keep(&folder, name.to_str().unwrap(), &wat::parse_str("(module)").unwrap());
        for path in [&caches, &own, entry] {
            let mode = path.metadata().unwrap().permissions();
            set_permissions(path, Permissions::from_mode(0o777)).unwrap();
            let optimized = cache.optimize(module(), &options, || {}).unwrap();
            assert_eq!(optimized.bytes(), made.bytes(), "{}", path.display());
            set_permissions(path, mode).unwrap();
        }
    }

    #[test]
    fn each_level_has_its_own_entry_and_nothing_else_has() {
        let dir = tempfile::tempdir().unwrap();
        let cache = OptimizedCache::new(Some(dir.path().to_owned()));
        for level in [Level::Off, Level::O0, Level::O1, Level::Oz] {
            let options = OptimizeOptions { level, ..OptimizeOptions::default() };
            cache.optimize(module(), &options, || {}).unwrap();
        }
        assert_eq!(entries(dir.path()).len(), 2);
    }
}

//! Source files of programs, and changes to them.
//!
//! We don't watch the whole folders of packages, because builds, editors and the programs themselves write there, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use fs_err as fs;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use wasm_oci_core::image::Digest;
use wasm_oci_core::trace::OrTrace;

use crate::cargo::dep_info::listed_files;
use crate::cargo::project::Workspace;
use crate::error::Error;

/// Pause that ends a change: an editor may save several files at once.
const QUIET: Duration = Duration::from_millis(50);

/// Longest duration of one change, if there is no pause.
const MAX_DURATION: Duration = Duration::from_secs(1);

/// Folders of a package in which cargo looks for sources and settings by default.
const FOLDERS: [&str; 3] = ["src", "examples", ".cargo"];

/// Files next to a `Cargo.toml` that change the build.
const FILES: [&str; 5] =
    ["Cargo.toml", "Cargo.lock", "build.rs", "rust-toolchain", "rust-toolchain.toml"];

/// The files to watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// Folders with a `Cargo.toml`. Files directly in them count if they have a name of [`FILES`], or are Rust sources.
    packages: BTreeSet<PathBuf>,
    /// Folders whose whole content counts.
    trees: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
    /// Folders of build results, which never count.
    built: BTreeSet<PathBuf>,
}

impl Sources {
    pub(super) fn of(workspace: &Workspace) -> Sources {
        let packages = workspace.package_folders().chain([workspace.root()]);
        let packages: BTreeSet<PathBuf> = packages.map(Path::to_owned).collect();
        let usual = packages.iter().flat_map(|package| FOLDERS.map(|name| package.join(name)));
        let named = workspace.source_folders().map(Path::to_owned);
        // `build.rs` is in the package's own folder, which also contains the target directory.
        let trees = usual.chain(named).filter(|folder| !packages.contains(folder)).collect();
        let built = [workspace.target_dir(), workspace.build_dir()].map(Path::to_owned).into();
        Sources { packages, trees, files: BTreeSet::new(), built }
    }

    /// Adds a file or folder.
    pub(super) fn add(&mut self, path: PathBuf) {
        match path.is_dir() {
            true => self.trees.insert(path),
            false => self.files.insert(path),
        };
    }

    /// Adds the files that a program was made of: those that cargo lists for the module, such as those of
    /// `include_str!`, and those that are next to the module in the image.
    pub(super) fn add_program(
        &mut self,
        wasm: &Path,
        included: impl Iterator<Item = PathBuf>,
        cwd: &Path,
    ) {
        let listed = fs::read_to_string(wasm.with_extension("d")).unwrap_or_default();
        for path in listed_files(&listed).into_iter().chain(included) {
            self.add(cwd.join(path));
        }
    }

    fn counts(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Files that the user or the program names count even with a temporary or hidden name.
        if self.files.contains(path) {
            return true;
        }
        let is_in =
            |folders: &BTreeSet<PathBuf>| folders.iter().any(|folder| path.starts_with(folder));
        if is_temporary(&name)
            || is_in(&self.built)
            || path.components().any(|it| it.as_os_str() == ".git")
        {
            return false;
        }
        let is_beside_manifest = || {
            let counts =
                FILES.contains(&&*name) || FOLDERS.contains(&&*name) || name.ends_with(".rs");
            counts && path.parent().is_some_and(|folder| self.packages.contains(folder))
        };
        is_in(&self.trees) || is_beside_manifest()
    }

    /// Returns the paths that the system has to watch.
    fn watched(&self) -> BTreeMap<PathBuf, RecursiveMode> {
        // Editors replace files, and a watch on a file would stay with the old one.
        let parents = self.files.iter().filter_map(|file| file.parent());
        let single = self.packages.iter().map(PathBuf::as_path).chain(parents);
        let single =
            single.filter(|folder| !self.trees.iter().any(|tree| folder.starts_with(tree)));
        let single = single.map(|folder| (folder.to_owned(), RecursiveMode::NonRecursive));
        let trees = self.trees.iter().map(|tree| (tree.clone(), RecursiveMode::Recursive));
        single.chain(trees).filter(|(path, _)| path.is_dir()).collect()
    }
}

/// Returns true for files that editors write next to the file that they edit.
fn is_temporary(name: &str) -> bool {
    let ends = ["~", ".swp", ".swx", ".swo", ".tmp", ".bak", "___jb_tmp___", "___jb_old___"];
    // `.cargo` is the only hidden name with a meaning for cargo. vim creates `4913` to test whether it can write.
    (name.starts_with('.') && name != ".cargo")
        || name.starts_with('#')
        || name == "4913"
        || ends.iter().any(|end| name.ends_with(end))
}

/// Reports changes to sources.
pub(super) struct Watcher {
    watcher: RecommendedWatcher,
    events: Receiver<Event>,
    sources: Sources,
    watched: BTreeMap<PathBuf, RecursiveMode>,
    /// Digests of the files that have changed.
    known: HashMap<PathBuf, Option<Digest>>,
}

impl Watcher {
    pub(super) fn new(sources: Sources) -> Result<Watcher, Error> {
        let (sender, events) = channel();
        let tell = move |event: notify::Result<Event>| {
            // The receiver is gone only at the end. A removed folder is not an error.
            if let Ok(event) = event
                // A build reads all sources. That is not a change.
                && !event.kind.is_access()
            {
                sender.send(event).or_trace("report a changed file");
            }
        };
        let watcher = notify::recommended_watcher(tell)
            .map_err(|source| Error::Watch { path: PathBuf::from("."), source })?;
        let (watched, known) = (BTreeMap::new(), HashMap::new());
        let mut watcher = Watcher { watcher, events, sources: Sources::default(), watched, known };
        watcher.set(sources)?;
        Ok(watcher)
    }

    /// Watches other sources from now on.
    pub(super) fn set(&mut self, sources: Sources) -> Result<(), Error> {
        let wanted = sources.watched();
        self.sources = sources;
        for path in self.watched.keys().filter(|path| !wanted.contains_key(*path)) {
            self.watcher.unwatch(path).or_trace("stop watching, maybe because it is gone");
        }
        for (path, mode) in &wanted {
            if self.watched.get(path) != Some(mode) {
                let failed = |source| Error::Watch { path: path.clone(), source };
                self.watcher.watch(path, *mode).map_err(failed)?;
            }
        }
        self.watched = wanted;
        Ok(())
    }

    /// Returns the sources that changed during a build.
    pub(super) fn changed_meanwhile(&mut self) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        while let Ok(event) = self.events.try_recv() {
            changed.extend(self.counted(event));
        }
        // cargo itself writes the lock file, and a build script may write a source with the same
        // content at every build.
        changed.retain(|path| !path.ends_with("Cargo.lock"));
        changed.into_iter().filter(|path| self.is_news(path)).collect()
    }

    /// Waits until changes pause, and for the first change until `timeout`. Returns an empty set if there is none.
    pub(super) fn wait(&mut self, timeout: Duration) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        let mut start = None;
        let mut end = Instant::now() + timeout;
        while let Ok(event) =
            self.events.recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            let paths = self.counted(event);
            if !paths.is_empty() {
                let now = Instant::now();
                end = (*start.get_or_insert(now) + MAX_DURATION).min(now + QUIET);
                changed.extend(paths);
            }
        }
        // Remembers the contents: a second event for the same save must not cause another build.
        for path in &changed {
            self.is_news(path);
        }
        changed
    }

    fn counted(&self, event: Event) -> Vec<PathBuf> {
        // The system has lost events, so anything may have changed.
        if event.need_rescan() {
            return self.sources.packages.iter().cloned().collect();
        }
        event.paths.into_iter().filter(|path| self.sources.counts(path)).collect()
    }

    /// Returns true if the content of a file is not that of the last call.
    fn is_news(&mut self, path: &Path) -> bool {
        let content =
            fs::read(path).or_trace("read a changed file").map(|bytes| Digest::of(&bytes));
        self.known.insert(path.to_owned(), content) != Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_count_and_nothing_else() {
        let set = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        let sources = Sources {
            packages: set(&["/w"]),
            trees: set(&["/w/src", "/w/.cargo"]),
            files: set(&["/data/.hidden"]),
            built: set(&["/w/src/target"]),
        };
        for path in [
            "/w/src/a/b.rs",
            "/w/src/data.txt",
            "/w/Cargo.toml",
            "/w/.cargo/config.toml",
            "/data/.hidden",
        ] {
            assert!(sources.counts(Path::new(path)), "{path}");
        }
        let others = [
            "/w/out.txt",
            "/w/src/.main.rs.swp",
            "/w/src/main.rs~",
            "/w/src/4913",
            "/w/src/target/x.rs",
            "/w/.git/index",
            "/w/a/Cargo.toml",
            "/data/other",
        ];
        for path in others {
            assert!(!sources.counts(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn changes_are_told_once_they_pause() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Sources::default();
        sources.add(folder.path().to_owned());
        let mut watcher = Watcher::new(sources).unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        assert!(watcher.wait(Duration::from_millis(10)).is_empty());
        fs::write(&a, "1").unwrap();
        fs::write(&b, "1").unwrap();
        assert_eq!(watcher.wait(Duration::from_secs(10)), BTreeSet::from([a.clone(), b.clone()]));
        // The same content again is not a change.
        fs::write(&a, "1").unwrap();
        fs::write(&b, "2").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(watcher.changed_meanwhile(), BTreeSet::from([b]));
    }
}

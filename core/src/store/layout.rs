//! OCI image layout directories.

mod integrity;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::graph::{Graph, Parts};
use super::names::{default_name, find, matching, tagged};
use super::{Error, Name, Outcome, Progress, RefName, Silent, Sink, Source};
use crate::fs::{
    Durability, WriteOptions, create_folder, lock_beside, open_regular, read_regular, read_whole,
    sweep_unfinished, sync_folder,
};
use crate::image::{Blob, Descriptor, Digest, IndexDocument, MAX_DOCUMENT, Tag};
use crate::limits::{Budget, ReadLimits};
use crate::trace::OrTrace;
use integrity::{EMPTY_INDEX, is_lost};

/// The annotation that holds a tag in a layout's index (image-spec, annotations.md).
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation from which containerd and Docker take the name of an imported image.
pub(super) const CONTAINERD_NAME: &str = "io.containerd.image.name";
pub(super) const LAYOUT_FILE: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// A directory with blobs and an index of tagged images
/// ([image-spec, image-layout.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md)).
///
/// Several processes may write one layout: complete blobs are renamed into place, and the index changes under a lock. Only
/// [`Layout::prune`] removes blobs.
#[derive(Debug, Clone)]
pub struct Layout {
    path: PathBuf,
    durability: Durability,
    limits: ReadLimits,
    // A shared lock on the folder of blobs, which keeps other processes from pruning it.
    _in_use: Option<Arc<File>>,
}

impl Layout {
    /// Opens the layout in a directory, or makes one if the directory is empty or missing.
    ///
    /// # Errors
    /// [`Error::NotAStore`] for a directory with other files in it, [`Error::Io`] when the layout can't be made.
    pub fn create(path: &Path) -> Result<Layout, Error> {
        let layout = Layout::at(path);
        if layout.marker().is_file() {
            sweep_unfinished(path);
            layout.heal();
            return Layout::open(path);
        }
        // Another process may be making the layout at this moment, or a killed one may have begun it.
        if !layout.blobs().is_dir() && layout.is_occupied() {
            let reason = "it holds other files: choose another folder, or an empty one".to_owned();
            return Err(layout.not_a_layout(reason));
        }
        create_folder(&layout.blobs()).map_err(Error::io("create", &layout.blobs()))?;
        sweep_unfinished(path);
        // The marker comes last: other processes take it for a sign of a complete layout.
        for (file, content) in
            [(layout.index_file(), EMPTY_INDEX), (layout.marker(), LAYOUT_FILE.as_bytes())]
        {
            let created = layout.writing().create(&file, |it| it.write_all(content));
            created.map_err(Error::io("write", &file))?;
        }
        Ok(layout.in_use())
    }

    /// Opens the layout in a directory.
    ///
    /// # Errors
    /// [`Error::NotAStore`] when the directory has no layout.
    pub fn open(path: &Path) -> Result<Layout, Error> {
        let layout = Layout::at(path);
        let reason = match read_regular(&layout.marker(), MAX_DOCUMENT) {
            Err(error) => format!("its file `oci-layout` can't be read ({error})"),
            // It can have no other content.
            Ok(bytes) if is_lost(&bytes) && layout.blobs().is_dir() => return Ok(layout.in_use()),
            Ok(bytes) => match serde_json::from_slice::<serde_json::Value>(&bytes) {
                Ok(json) if json["imageLayoutVersion"] == "1.0.0" => return Ok(layout.in_use()),
                _ => "its file `oci-layout` doesn't say version 1.0.0".to_owned(),
            },
        };
        Err(layout.not_a_layout(reason))
    }

    /// Sets other limits for reading its images than the default ones.
    #[must_use]
    pub fn with_limits(self, limits: ReadLimits) -> Layout {
        Layout { limits, ..self }
    }

    /// Returns the directory of the layout.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the images, in the order of the index, each with its tag if it has one.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Image`] when the index can't be read.
    pub fn images(&self) -> Result<Vec<(Option<Tag>, Descriptor)>, Error> {
        Ok(tagged(self.index()?))
    }

    /// Returns the name of the only image, otherwise `latest`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there are several images, none of them with the tag `latest`.
    pub fn default_name(&self) -> Result<Name, Error> {
        default_name(&self.images()?, || self.to_string())
    }

    /// Removes an image and all its tags from the index, and returns true if it was there. Its blobs stay, because other
    /// images may share them.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Image`] when the index can't be changed.
    pub fn forget(&self, digest: Digest) -> Result<bool, Error> {
        let mut found = false;
        self.change_index(|index| {
            let before = index.manifests.len();
            index.manifests.retain(|entry| entry.digest != digest);
            found = index.manifests.len() < before;
            Ok(())
        })?;
        Ok(found)
    }

    /// Removes the blobs that no image of the index needs, and returns their size in bytes. It removes nothing while another
    /// process has the layout open, or where folders can't be locked.
    ///
    /// # Errors
    /// Errors of reading a manifest or removing a blob.
    pub async fn prune(self) -> Result<u64, Error> {
        let layout = Layout::at(&self.path).with_limits(self.limits);
        // Our own shared lock would keep us from pruning.
        drop(self);
        let path = layout.blobs();
        let Some(folder) = open_folder(&path) else { return Ok(0) };
        if folder.try_lock().is_err() {
            return Ok(0);
        }
        let mut needed = BTreeSet::new();
        for (_, descriptor) in layout.images()? {
            let graph = Graph::new(&layout);
            let root = graph.document(&descriptor).await?;
            let Parts { manifests, indexes, leaves } = graph.walk(&root).await?;
            let documents = manifests.iter().chain(&indexes).chain([&root]).map(Blob::descriptor);
            needed.extend(documents.chain(&leaves).map(|blob| blob.digest.hex()));
        }
        let mut freed = 0;
        for entry in path.read_dir().map_err(Error::io("read", &path))? {
            let entry = entry.map_err(Error::io("read", &path))?;
            // Every file in this folder has a digest as its name.
            if !needed.contains(&*entry.file_name().to_string_lossy()) {
                freed += entry.metadata().map_err(Error::io("read", &entry.path()))?.len();
                std::fs::remove_file(entry.path()).map_err(Error::io("remove", &entry.path()))?;
            }
        }
        Ok(freed)
    }

    /// Returns the content stored under a digest, without checking it; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when it can't be read.
    pub fn bytes(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        let path = self.blob_file(digest);
        // Whoever asks for the content needs all of it.
        match read_regular(&path, u64::MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    fn at(path: &Path) -> Layout {
        Layout {
            path: path.to_owned(),
            durability: Durability::Full,
            limits: ReadLimits::default(),
            _in_use: None,
        }
    }

    /// Writes blobs without waiting for the disk.
    pub(super) fn checked(self) -> Layout {
        // Their digests are checked before each use, which detects a blob that a crash has damaged.
        Layout { durability: Durability::Checked, ..self }
    }

    fn in_use(self) -> Layout {
        // Where folders can't be locked, `prune` removes nothing, so no lock is needed.
        let folder = open_folder(&self.blobs()).filter(|folder| folder.lock_shared().is_ok());
        Layout { _in_use: folder.map(Arc::new), ..self }
    }

    /// Returns true if the directory has the marker of a layout.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        Layout::at(path).marker().is_file()
    }

    fn marker(&self) -> PathBuf {
        self.path.join("oci-layout")
    }

    fn index_file(&self) -> PathBuf {
        self.path.join("index.json")
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.path.join("blobs/sha256")
    }

    pub(super) fn blob_file(&self, digest: Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    fn index(&self) -> Result<IndexDocument, Error> {
        let path = self.index_file();
        let failed = || Error::io("read", &path);
        let budget = Budget::new(self.limits);
        let file = open_regular(&path).map_err(failed())?;
        // Its size is counted before it is read, and no more is read, even if another process makes it longer.
        let size = file.metadata().map_err(failed())?.len();
        budget.hold_document(size)?;
        let bytes = read_whole(file, size).map_err(failed())?;
        if is_lost(&bytes) {
            tracing::warn!(path = %path.display(), "the index is empty, as after a power failure");
            return Ok(IndexDocument::default());
        }
        let index = IndexDocument::parse(&bytes)?;
        budget.list_tags(index.manifests.len())?;
        Ok(index)
    }

    /// Gives an image in it a name that need not be a tag.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Image`] when the index can't be changed.
    pub fn set_ref(&self, root: &Descriptor, name: &RefName) -> Result<(), Error> {
        self.set_name(root, name.as_str())
    }

    fn set_name(&self, root: &Descriptor, name: &str) -> Result<(), Error> {
        let mut entry = root.clone();
        entry.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        self.change_index(|index| {
            let has_name = |other: &Descriptor| {
                other.annotations.get(REF_NAME).is_some_and(|other| other == name)
            };
            index.manifests.retain(|other| !has_name(other));
            index.manifests.push(entry);
            Ok(())
        })
    }

    /// Moves a name from one image to another, which must be there. The digest of an image stands for all of its names.
    ///
    /// # Errors
    /// [`Error::Changed`] when the name no longer means the image `former`; [`Error::Io`] or [`Error::Image`] when the index
    /// can't be changed.
    pub fn replace(&self, name: &Name, former: Digest, root: &Descriptor) -> Result<(), Error> {
        let changed = || Error::Changed { place: self.to_string(), name: name.to_string() };
        self.change_index(|index| {
            let images = tagged(index.clone());
            let (found, replaced) = matching(&images, name, || self.to_string())
                .or_trace("look for an image in the index again")
                .ok_or_else(changed)?;
            if found.digest != former {
                return Err(changed());
            }
            for entry in &mut index.manifests {
                if replaced.iter().any(|(_, replaced)| replaced == entry) {
                    let annotations = entry.annotations.clone();
                    *entry = Descriptor { annotations, platform: None, ..root.clone() };
                }
            }
            Ok(())
        })
    }

    fn not_a_layout(&self, reason: String) -> Error {
        Error::NotAStore { path: self.path.clone(), expected: "an OCI image layout", reason }
    }

    fn writing(&self) -> WriteOptions<'_> {
        WriteOptions {
            durability: self.durability,
            // Not the folder of blobs, where every name is a digest.
            staging: Some(&self.path),
            ..WriteOptions::default()
        }
    }

    fn change_index(
        &self,
        change: impl FnOnce(&mut IndexDocument) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // All processes lock the same file: `oci-layout` is replaced only after it has lost its content.
        let _lock = lock_beside(&self.marker()).map_err(Error::io("lock", &self.marker()))?;
        let mut index = self.index()?;
        change(&mut index)?;
        // Another process may have renamed a blob that we found here, and not yet synced the folder.
        sync_folder(&self.blobs()).map_err(Error::io("write", &self.blobs()))?;
        let (file, bytes) = (self.index_file(), index.to_blob()?.bytes()?);
        let replaced = self.writing().replace(&file, |it| it.write_all(&bytes));
        replaced.map_err(Error::io("write", &file))
    }
}

/// Opens a folder, and nothing else: opening a pipe waits for ever.
fn open_folder(path: &Path) -> Option<File> {
    path.is_dir().then(|| File::open(path).or_trace("open the folder of blobs")).flatten()
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the layout `{}`", self.path.display())
    }
}

impl Source for Layout {
    async fn resolve(&self, name: &Name) -> Result<Descriptor, Error> {
        find(&self.images()?, name, || self.to_string())
    }

    fn limits(&self) -> ReadLimits {
        self.limits
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.read(descriptor)
    }
}

impl Sink for Layout {
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let exists = self.contains(descriptor.digest, descriptor.size);
        if exists && self.durability == Durability::Full {
            // Another tool may have written it, and not waited for the disk.
            let path = self.blob_file(descriptor.digest);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.or_trace("sync a blob");
        }
        Ok(exists)
    }

    async fn push(&self, blob: &Blob, progress: &dyn Progress) -> Result<(), Error> {
        let descriptor = blob.descriptor();
        progress.begin(descriptor);
        let file = self.blob_file(descriptor.digest);
        let written = self.writing().replace(&file, |file| blob.copy_to(file));
        written.map_err(Error::io("write", &file))?;
        progress.advance(descriptor, descriptor.size);
        Ok(())
    }

    async fn tag(&self, root: &Blob, tag: &Tag) -> Result<Outcome, Error> {
        if !self.exists(root.descriptor()).await? {
            self.push(root, &Silent).await?;
        }
        self.set_name(root.descriptor(), tag.as_str())?;
        Ok(Outcome::Moved)
    }
}

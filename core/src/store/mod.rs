//! Where images live: layout directories, archives, registries.
//!
//! [`load`] reads an image from a [`Source`], [`save`] writes one to a [`Sink`]; together they copy. An archive
//! is written whole by [`write_archive`]. What is read is checked against its digest and size before anything
//! is done with it, and a tag moves only when everything below it is there.

mod archive;
mod cached_source;
mod error;
mod graph;
mod layout;
mod location;
mod partial_image;
mod progress;
#[cfg(feature = "registry")]
mod registry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, ready};

use futures_util::{StreamExt, TryStreamExt, stream};

pub use archive::{Archive, ArchiveImage, write_archive};
pub use cached_source::CachedSource;
pub use error::Error;
pub use layout::Layout;
pub use location::Location;
pub use partial_image::{PartialImage, load_partial};
pub use progress::{Outcome, Progress, Silent};
#[cfg(feature = "registry")]
pub use registry::{
    Credentials, DryRun, OnRetry, Registry, RegistryError, RegistryOptions, Request, RetryEvent,
    RetryPolicy, Secret, Stored, Tls, forget_login, log_in, store_login,
};

use self::graph::{Graph, Parts};
use crate::image::{
    Blob, Descriptor, Digest, Error as ImageError, Image, Manifest, Reference, Tag,
};
use crate::limits::ReadLimits;

/// How many blobs move at once. More of them share the same connection's speed.
const MAX_CONCURRENT: usize = 4;

/// How an image is called in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// By a tag, which may move.
    Tag(Tag),
    /// By the digest of its manifest or index.
    Digest(Digest),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Tag(tag) => tag.fmt(f),
            Name::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<&Reference> for Name {
    /// The digest if the reference has one, else its tag, else `latest`.
    fn from(reference: &Reference) -> Name {
        match reference.digest() {
            Some(digest) => Name::Digest(digest),
            None => Name::Tag(reference.tag().cloned().unwrap_or_else(Tag::latest)),
        }
    }
}

/// A store that images are read from.
pub trait Source: Sync {
    /// The descriptor of the manifest or index that `name` means.
    ///
    /// # Errors
    /// [`Error::NotFound`] or `RegistryError::Missing`, or what reading fails with.
    fn resolve(&self, name: &Name) -> impl Future<Output = Result<Descriptor, Error>> + Send;

    /// The blob that `descriptor` names, its digest and size checked.
    ///
    /// # Errors
    /// As [`Source::resolve`], or [`ImageError::Mismatch`].
    fn fetch(&self, descriptor: &Descriptor) -> impl Future<Output = Result<Blob, Error>> + Send;

    /// The limits for reading one image of this store.
    fn limits(&self) -> ReadLimits {
        ReadLimits::default()
    }
}

/// A store that images are written to.
pub trait Sink: Sync {
    /// Whether the blob, manifest or index is there already.
    ///
    /// # Errors
    /// What asking fails with.
    fn exists(&self, descriptor: &Descriptor) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Has the store take the blob from where it knows it already, if it can; whether it did.
    ///
    /// # Errors
    /// What asking fails with.
    fn mount(&self, descriptor: &Descriptor) -> impl Future<Output = Result<bool, Error>> + Send {
        let _ = descriptor;
        async { Ok(false) }
    }

    /// Stores a blob, manifest or index under its digest. Everything that it lists must be there.
    ///
    /// # Errors
    /// What writing fails with; nothing that can be seen has changed then.
    fn push(
        &self,
        blob: &Blob,
        progress: &dyn Progress,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Makes `tag` mean the manifest or index `root`, and stores it if it isn't there. Whether anything changed.
    ///
    /// # Errors
    /// What writing fails with; the tag is where it was then.
    fn tag(&self, root: &Blob, tag: &Tag) -> impl Future<Output = Result<Outcome, Error>> + Send;
}

/// Reads the whole image that `name` means.
///
/// # Errors
/// What [`Source`] fails with, or [`Error::Image`] for an image that can't be read or that is over [`Source::limits`].
pub async fn load(source: &impl Source, name: &Name) -> Result<Image, Error> {
    let graph = Graph::new(source);
    graph.image(graph.root(name).await?).await
}

/// Reads the one manifest of the image that holds the module: that of a Wasm platform in an index. Nothing else
/// of the index is fetched.
///
/// # Errors
/// As [`load`].
pub async fn load_wasm(source: &impl Source, name: &Name) -> Result<Manifest, Error> {
    let graph = Graph::new(source);
    let entries = graph.entries(&graph.root(name).await?)?;
    let of_wasm =
        |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|platform| platform.is_wasm());
    let entry = entries.iter().find(of_wasm).or(entries.first()).ok_or(ImageError::NoManifest)?;
    graph.manifest(entry).await
}

/// Writes an image: what it lists first, then itself, the tags last.
///
/// # Errors
/// What [`Sink`] fails with; each tag is at this image or where it was then.
pub async fn save(
    image: &Image,
    sink: &impl Sink,
    tags: &[Tag],
    progress: &dyn Progress,
) -> Result<(), Error> {
    let blobs: BTreeMap<Digest, &Blob> =
        image.blobs().map(|blob| (blob.descriptor().digest, blob)).collect();
    let source = Held(blobs);
    transfer(&Graph::new(&source), image.root().clone(), sink, tags, progress).await
}

/// Copies the image that `root` describes, as [`Source::resolve`] found it, from one store to another. Only what isn't there
/// is read, some blobs at once, none of them held in memory.
///
/// # Errors
/// As [`load`] and [`save`].
pub async fn copy(
    source: &impl Source,
    root: &Descriptor,
    sink: &impl Sink,
    tags: &[Tag],
    progress: &dyn Progress,
) -> Result<(), Error> {
    let graph = Graph::new(source);
    transfer(&graph, graph.document(root).await?, sink, tags, progress).await
}

/// What is below `root`: blobs, manifests, then itself, then the tags; each only after all before it.
async fn transfer(
    graph: &Graph<'_, impl Source>,
    root: Blob,
    sink: &impl Sink,
    tags: &[Tag],
    progress: &dyn Progress,
) -> Result<(), Error> {
    let Parts { manifests, leaves } = graph.walk(&root).await?;
    let moves = leaves.iter().map(|leaf| move_blob(leaf, graph.fetch(leaf), sink, progress));
    all_at_once(moves).await?;
    let document = |blob: &Blob| ready(Ok(blob.clone()));
    let moves =
        manifests.iter().map(|blob| move_blob(blob.descriptor(), document(blob), sink, progress));
    all_at_once(moves).await?;
    // A tag stores what it means.
    if tags.is_empty() {
        move_blob(root.descriptor(), document(&root), sink, progress).await?;
    }
    for tag in tags {
        let outcome = sink.tag(&root, tag).await?;
        progress.end(root.descriptor(), outcome);
    }
    Ok(())
}

/// Carries a few of them out at a time, until one fails.
async fn all_at_once(
    moves: impl Iterator<Item = impl Future<Output = Result<(), Error>>>,
) -> Result<(), Error> {
    stream::iter(moves).buffer_unordered(MAX_CONCURRENT).try_collect().await
}

/// `content` is only waited for when it is needed.
async fn move_blob(
    descriptor: &Descriptor,
    content: impl Future<Output = Result<Blob, Error>>,
    sink: &impl Sink,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let outcome = if sink.exists(descriptor).await? {
        Outcome::Existed
    } else if sink.mount(descriptor).await? {
        Outcome::Mounted
    } else {
        sink.push(&content.await?, progress).await?;
        Outcome::Moved
    };
    progress.end(descriptor, outcome);
    Ok(())
}

/// The blobs of an image that is here, as a source.
struct Held<'a>(BTreeMap<Digest, &'a Blob>);

impl Held<'_> {
    fn missing(name: impl fmt::Display) -> Error {
        Error::NotFound { place: "the image".to_owned(), name: name.to_string(), known: Vec::new() }
    }
}

impl Source for Held<'_> {
    /// It has blobs, and no names.
    async fn resolve(&self, name: &Name) -> Result<Descriptor, Error> {
        Err(Held::missing(name))
    }

    fn limits(&self) -> ReadLimits {
        ReadLimits::NONE
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let held = self.0.get(&descriptor.digest);
        held.map(|blob| (*blob).clone()).ok_or_else(|| Held::missing(descriptor.digest))
    }
}

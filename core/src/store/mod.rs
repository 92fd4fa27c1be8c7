//! Stores of images: layout directories, archives and registries.
//!
//! [`load`] reads an image from a [`Source`], [`save`] writes one to a [`Sink`], and [`copy`] does both without holding the
//! image. [`write_archive`] writes a whole archive. Nothing is used before its digest and size are checked, and no image
//! takes more than the [`ReadLimits`] of its source. A tag moves only after everything below it is stored.

mod archive;
mod archive_writer;
mod cached_source;
mod compressed_archive;
mod docker_archive;
mod error;
mod graph;
mod index_draft;
mod layout;
mod listed;
mod location;
mod names;
mod partial_image;
mod progress;
mod ref_name;
#[cfg(feature = "registry")]
mod registry;
mod saved_part;
#[cfg(test)]
mod tests;
mod two_listings;

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, ready};

use futures_util::{StreamExt, TryStreamExt, stream};

pub use archive::Archive;
pub use archive_writer::{ArchiveImage, write_archive};
pub use cached_source::CachedSource;
pub use error::Error;
pub use index_draft::{DraftedIndex, IndexDraft};
pub use layout::Layout;
pub use listed::{ListedManifest, list, list_and_load_wasm};
pub use location::Location;
pub use partial_image::{PartialImage, load_partial};
pub use progress::{Outcome, Progress, Silent};
pub use ref_name::RefName;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use registry::fuzzing;
#[cfg(feature = "registry")]
pub use registry::{
    BlobInfoCache, Credentials, DryRun, OnRetry, Registry, RegistryError, RegistryOptions, Request,
    RetryEvent, RetryPolicy, Secret, Stored, StoredLogin, Tls, forget_login, log_in, store_login,
};

use self::graph::{Graph, Parts};
use crate::image::{
    Blob, Descriptor, Digest, Error as ImageError, Image, Manifest, Reference, Tag,
};
use crate::limits::ReadLimits;

// More concurrent transfers would only share the speed of the same connection.
const MAX_CONCURRENT: usize = 4;

/// The name of an image in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A tag, which may move.
    Tag(Tag),
    /// The digest of the image's manifest or index.
    Digest(Digest),
    /// A name in the index of a layout or an archive that is no tag, such as `localhost/app:v2`.
    Ref(RefName),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Tag(tag) => tag.fmt(f),
            Name::Digest(digest) => digest.fmt(f),
            Name::Ref(name) => name.fmt(f),
        }
    }
}

impl Name {
    /// Parses the name of an image in a layout or an archive.
    ///
    /// # Errors
    /// [`ImageError::InvalidTag`] when it is neither a tag nor another name.
    pub(crate) fn of_entry(text: &str) -> Result<Name, ImageError> {
        match text.parse() {
            Ok(tag) => Ok(Name::Tag(tag)),
            Err(error) => text.parse().map(Name::Ref).map_err(|_: ImageError| error),
        }
    }

    /// Returns the tag, also that of a whole reference.
    #[must_use]
    pub fn tag(&self) -> Option<Tag> {
        match self {
            Name::Tag(tag) => Some(tag.clone()),
            Name::Digest(_) => None,
            Name::Ref(_) => self.reference()?.tag().cloned(),
        }
    }

    /// Returns the reference that the name is, if it is one.
    #[must_use]
    pub fn reference(&self) -> Option<Reference> {
        match self {
            Name::Ref(name) => name.as_str().parse().ok(),
            _ => None,
        }
    }
}

impl From<&Reference> for Name {
    /// Returns the digest if the reference has one, otherwise its tag, otherwise `latest`.
    fn from(reference: &Reference) -> Name {
        match reference.digest() {
            Some(digest) => Name::Digest(digest),
            None => Name::Tag(reference.tag().cloned().unwrap_or_else(Tag::latest)),
        }
    }
}

/// A store that images are read from.
pub trait Source: Sync {
    /// Returns the descriptor of the manifest or index that `name` means.
    ///
    /// # Errors
    /// [`Error::NotFound`] or `RegistryError::Missing` when the store lacks it, and errors of reading the store.
    fn resolve(&self, name: &Name) -> impl Future<Output = Result<Descriptor, Error>> + Send;

    /// Fetches the blob that `descriptor` names, and checks its digest and size.
    ///
    /// # Errors
    /// Errors of [`Source::resolve`], and [`ImageError::Mismatch`] when digest or size differ.
    fn fetch(&self, descriptor: &Descriptor) -> impl Future<Output = Result<Blob, Error>> + Send;

    /// Returns the limits for reading one image of this store.
    fn limits(&self) -> ReadLimits {
        ReadLimits::default()
    }
}

/// A store that images are written to.
pub trait Sink: Sync {
    /// Returns true if the store has this blob, manifest or index.
    ///
    /// # Errors
    /// Errors of reading the store.
    fn exists(&self, descriptor: &Descriptor) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Returns how the store has this blob, manifest or index without a push: it was there, or the store copied it from another
    /// of its repositories. `None` if it has to be pushed.
    ///
    /// # Errors
    /// Errors of reading the store. A refusal to copy is not an error.
    fn reuse(
        &self,
        descriptor: &Descriptor,
    ) -> impl Future<Output = Result<Option<Outcome>, Error>> + Send {
        async { Ok(self.exists(descriptor).await?.then_some(Outcome::Existed)) }
    }

    /// Stores a blob, manifest or index under its digest. Everything that it lists must be there.
    ///
    /// # Errors
    /// Errors of writing the store. It then has no part of the blob under its digest.
    fn push(
        &self,
        blob: &Blob,
        progress: &dyn Progress,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Moves `tag` to the manifest or index `root`, and stores `root` if it isn't there.
    ///
    /// # Errors
    /// Errors of writing the store. The tag is then where it was.
    fn tag(&self, root: &Blob, tag: &Tag) -> impl Future<Output = Result<Outcome, Error>> + Send;
}

/// Reads the whole image that `name` means.
///
/// # Errors
/// Errors of the [`Source`], and [`Error::Image`] for an image that is invalid or over [`Source::limits`].
pub async fn load(source: &impl Source, name: &Name) -> Result<Image, Error> {
    let graph = Graph::new(source);
    graph.image(graph.root(name).await?).await
}

/// Reads the manifest of the image that holds the module. In an index, this is the one for a Wasm platform, and nothing
/// else is fetched.
///
/// # Errors
/// Errors of [`load`].
pub async fn load_wasm(source: &impl Source, name: &Name) -> Result<Manifest, Error> {
    let graph = Graph::new(source);
    let entries = graph.listing(&graph.root(name).await?).await?.manifests;
    graph.wasm_manifest(&entries).await
}

/// Writes an image: its blobs, then its manifests, then its index, and the tags last.
///
/// # Errors
/// Errors of the [`Sink`]. Each tag is then at this image or where it was.
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

/// Copies the image that `root`, a result of [`Source::resolve`], describes from one store to another. It reads only the
/// blobs that the sink lacks, several at once, and holds none of them in memory.
///
/// # Errors
/// Errors of [`load`] and [`save`].
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

async fn transfer(
    graph: &Graph<'_, impl Source>,
    root: Blob,
    sink: &impl Sink,
    tags: &[Tag],
    progress: &dyn Progress,
) -> Result<(), Error> {
    let Parts { manifests, indexes, leaves } = graph.walk(&root).await?;
    // Each step waits for the one before: registries may reject a manifest with missing blobs (distribution-spec,
    // pushing manifests), and a tag must never refer to an incomplete image.
    let moves = leaves.iter().map(|leaf| move_blob(leaf, graph.fetch(leaf), sink, progress));
    all_at_once(moves).await?;
    let document = |blob: &Blob| ready(Ok(blob.clone()));
    let moves =
        manifests.iter().map(|blob| move_blob(blob.descriptor(), document(blob), sink, progress));
    all_at_once(moves).await?;
    // One after the other, because they may list each other.
    for index in &indexes {
        move_blob(index.descriptor(), document(index), sink, progress).await?;
    }
    // Setting a tag also stores the root.
    if tags.is_empty() {
        move_blob(root.descriptor(), document(&root), sink, progress).await?;
    }
    for tag in tags {
        let outcome = sink.tag(&root, tag).await?;
        progress.end(root.descriptor(), outcome);
    }
    Ok(())
}

async fn all_at_once(
    moves: impl Iterator<Item = impl Future<Output = Result<(), Error>>>,
) -> Result<(), Error> {
    stream::iter(moves).buffer_unordered(MAX_CONCURRENT).try_collect().await
}

async fn move_blob(
    descriptor: &Descriptor,
    content: impl Future<Output = Result<Blob, Error>>,
    sink: &impl Sink,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let outcome = match sink.reuse(descriptor).await? {
        Some(outcome) => outcome,
        None => {
            // The future fetches nothing before it is polled, which only this line does.
            sink.push(&content.await?, progress).await?;
            Outcome::Moved
        }
    };
    progress.end(descriptor, outcome);
    Ok(())
}

/// The blobs of an image in memory, as a source.
struct Held<'a>(BTreeMap<Digest, &'a Blob>);

impl Held<'_> {
    fn missing(name: impl fmt::Display) -> Error {
        Error::NotFound { place: "the image".to_owned(), name: name.to_string(), known: Vec::new() }
    }
}

impl Source for Held<'_> {
    /// Fails: an image in memory has no names for its parts.
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

//! Storage of the development registry: blobs, manifests and tags are in layouts, running uploads in memory (`uploads.rs`).

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use ferro_blob_store::{BlobStore, BlobStoreError, Digest as FerroDigest, Result as Stored};
use ferro_oci_server::{
    InMemoryRegistryMeta, Reference, ReferrerDescriptor, RegistryMeta, UploadAdmission, UploadState,
};
use serde::Deserialize;
use wasm_oci_core::error_chain;
use wasm_oci_core::image::{Blob, Digest, MediaType, Tag};
use wasm_oci_core::store::{Layout, Name, Silent, Sink, Source};
use wasm_oci_core::trace::OrTrace;

use super::uploads::Uploads;

/// Folder of blobs without a manifest.
const INCOMING: &str = ".incoming";
/// Maximum number of parts in the name of a repository.
const DEEPEST: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct Layouts {
    pub(super) folder: PathBuf,
}

impl Layouts {
    /// Returns the layout of a repository. The folder may be a layout itself: then it is the repository with the folder's name.
    fn path(&self, repository: &str) -> PathBuf {
        match Layout::is_at(&self.folder) && self.own_name() == repository {
            true => self.folder.clone(),
            false => self.folder.join(repository),
        }
    }

    fn own_name(&self) -> String {
        // A path such as `.` has no name of its own.
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        // Names of repositories have no capital letters (distribution-spec, Pulling manifests).
        folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().to_lowercase())
    }

    fn open(&self, repository: &str) -> Option<Layout> {
        Layout::open(&self.path(repository)).ok()
    }

    fn incoming(&self) -> Stored<Layout> {
        Layout::create(&self.folder.join(INCOMING)).map_err(failed)
    }

    /// Returns the sorted names of all repositories.
    fn repositories(&self) -> Vec<String> {
        let mut names = Vec::new();
        if Layout::is_at(&self.folder) {
            names.push(self.own_name());
        }
        collect(&self.folder, "", 0, &mut names);
        names.sort();
        names
    }

    /// Returns all layouts, which are the places where a blob may be.
    fn all(&self) -> impl Iterator<Item = Layout> {
        // ferro-oci-server stores blobs by digest and does not pass on their repository.
        let incoming = Layout::open(&self.folder.join(INCOMING)).ok();
        incoming.into_iter().chain(self.repositories().into_iter().filter_map(|it| self.open(&it)))
    }

    /// Returns an undamaged blob.
    fn read(&self, digest: Digest) -> Option<Vec<u8>> {
        let mut blobs =
            self.all().filter_map(|layout| layout.bytes(digest).or_trace("read a blob").flatten());
        // One layout may have it damaged, and another whole.
        blobs.find(|bytes| Digest::of(bytes) == digest)
    }
}

fn collect(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        // `blobs` is a part of the layout, and `.incoming` is not a repository.
        if name.starts_with('.') || (name == "blobs" && Layout::is_at(folder)) {
            continue;
        }
        let whole = format!("{prefix}{name}");
        if Layout::is_at(&entry.path()) {
            names.push(whole.clone());
        }
        if depth < DEEPEST {
            collect(&entry.path(), &format!("{whole}/"), depth + 1, names);
        }
    }
}

fn failed(error: impl std::error::Error) -> BlobStoreError {
    BlobStoreError::Io(std::io::Error::other(error_chain(&error)))
}

fn ours(digest: &FerroDigest) -> Stored<Digest> {
    digest.to_string().parse().map_err(failed)
}

fn theirs(digest: Digest) -> Stored<FerroDigest> {
    Ok(digest.to_string().parse()?)
}

#[async_trait]
impl BlobStore for Layouts {
    async fn put(&self, digest: &FerroDigest, bytes: Bytes) -> Stored<()> {
        let blob = Blob::new(MediaType::from("application/octet-stream"), bytes.to_vec());
        // Clients choose the digest, so it is only a claim until here.
        let (expected, computed) = (digest.to_string(), blob.descriptor().digest.to_string());
        if expected != computed {
            return Err(BlobStoreError::DigestMismatch { expected, computed });
        }
        self.incoming()?.push(&blob, &Silent).await.map_err(failed)
    }

    async fn get(&self, digest: &FerroDigest) -> Stored<Bytes> {
        let bytes = self.read(ours(digest)?);
        bytes.map(Bytes::from).ok_or_else(|| BlobStoreError::NotFound(digest.to_string()))
    }

    async fn contains(&self, digest: &FerroDigest) -> Stored<bool> {
        let digest = ours(digest)?;
        Ok(self.all().any(|layout| layout.holds(digest)))
    }

    async fn delete(&self, _: &FerroDigest) -> Stored<()> {
        // Images of a layout share blobs, and other tools read them.
        Ok(())
    }

    async fn list(&self) -> Stored<Vec<FerroDigest>> {
        let mut digests = Vec::new();
        for layout in self.repositories().iter().filter_map(|name| self.open(name)) {
            for (_, descriptor) in layout.images().map_err(failed)? {
                digests.push(theirs(descriptor.digest)?);
            }
        }
        Ok(digests)
    }
}

/// Manifests and tags are in the layouts; running uploads and referrers are in memory.
pub(super) struct Meta {
    pub(super) layouts: Layouts,
    pub(super) uploads: Uploads,
    pub(super) memory: InMemoryRegistryMeta,
}

/// The fields of a manifest that the registry needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Entry>,
    #[serde(default)]
    layers: Vec<Entry>,
    #[serde(default)]
    manifests: Vec<Entry>,
    subject: Option<Entry>,
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: Digest,
}

impl Document {
    fn parse(bytes: &[u8]) -> Stored<Document> {
        serde_json::from_slice(bytes).map_err(failed)
    }

    fn media_type(&self) -> String {
        // `mediaType` may be missing (image-spec, manifest.md and image-index.md), so the other fields decide.
        let by_shape = match self.config.is_none() && self.layers.is_empty() {
            true => MediaType::ImageIndex,
            false => MediaType::ImageManifest,
        };
        self.media_type.clone().unwrap_or_else(|| by_shape.to_string())
    }
}

impl Meta {
    /// Puts the blobs of a manifest into its repository's layout, and then the manifest.
    async fn keep(
        &self,
        repository: &str,
        reference: &Reference,
        media_type: &str,
        body: &Bytes,
    ) -> Stored<()> {
        let layout = Layout::create(&self.layouts.path(repository)).map_err(failed)?;
        let document = Document::parse(body)?;
        // The manifest comes last, so that the layout never refers to a blob that it lacks.
        for entry in document.config.iter().chain(&document.layers).chain(&document.manifests) {
            // It was pushed before, or another image shares it.
            if layout.holds(entry.digest) {
                continue;
            }
            let bytes = self.layouts.read(entry.digest);
            let bytes = bytes.ok_or_else(|| BlobStoreError::NotFound(entry.digest.to_string()))?;
            let blob = Blob::new(MediaType::from(entry.media_type.as_str()), bytes);
            layout.push(&blob, &Silent).await.map_err(failed)?;
        }
        let manifest = Blob::new(MediaType::from(media_type), body.to_vec());
        match reference {
            Reference::Tag(tag) => {
                let tag: Tag = tag.parse().map_err(failed)?;
                layout.tag(&manifest, &tag).await.map(drop).map_err(failed)
            }
            Reference::Digest(_) => layout.push(&manifest, &Silent).await.map_err(failed),
        }
    }

    /// Registers the manifests of all layouts that refer to others.
    pub(super) async fn find_referrers(&self) -> Stored<()> {
        for repository in self.layouts.repositories() {
            let Some(layout) = self.layouts.open(&repository) else { continue };
            for (_, descriptor) in layout.images().map_err(failed)? {
                let Some(bytes) = layout.bytes(descriptor.digest).map_err(failed)? else {
                    continue;
                };
                let Ok(Document {
                    subject: Some(subject), artifact_type, annotations, config, ..
                }) = Document::parse(&bytes)
                else {
                    continue;
                };
                let referrer = ReferrerDescriptor {
                    media_type: descriptor.media_type.to_string(),
                    digest: theirs(descriptor.digest)?,
                    size: descriptor.size,
                    // The config's media type takes the place of a missing `artifactType` (distribution-spec, Listing
                    // Referrers).
                    artifact_type: artifact_type.or(config.map(|config| config.media_type)),
                    annotations,
                };
                self.memory
                    .register_referrer(&repository, &theirs(subject.digest)?, referrer)
                    .await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl RegistryMeta for Meta {
    async fn put_manifest(
        &self,
        name: &str,
        reference: &Reference,
        digest: &FerroDigest,
        media_type: &str,
        body: Bytes,
    ) -> Stored<()> {
        self.put_manifest_with_referrer(name, reference, digest, media_type, body, None).await
    }

    async fn put_manifest_with_referrer(
        &self,
        name: &str,
        reference: &Reference,
        _: &FerroDigest,
        media_type: &str,
        body: Bytes,
        referrer: Option<(FerroDigest, ReferrerDescriptor)>,
    ) -> Stored<()> {
        self.keep(name, reference, media_type, &body).await?;
        match referrer {
            Some((subject, descriptor)) => {
                self.memory.register_referrer(name, &subject, descriptor).await
            }
            None => Ok(()),
        }
    }

    async fn get_manifest(
        &self,
        name: &str,
        reference: &Reference,
    ) -> Stored<Option<(FerroDigest, String, Bytes)>> {
        let Some(layout) = self.layouts.open(name) else { return Ok(None) };
        let digest = match reference {
            Reference::Digest(digest) => ours(digest)?,
            Reference::Tag(tag) => {
                let Ok(tag) = tag.parse() else { return Ok(None) };
                match layout.resolve(&Name::Tag(tag)).await {
                    Ok(descriptor) => descriptor.digest,
                    Err(_) => return Ok(None),
                }
            }
        };
        let Some(bytes) = layout.bytes(digest).map_err(failed)? else { return Ok(None) };
        let media_type = Document::parse(&bytes)?.media_type();
        Ok(Some((theirs(digest)?, media_type, bytes.into())))
    }

    async fn delete_manifest(&self, name: &str, reference: &Reference) -> Stored<bool> {
        match (self.layouts.open(name), reference) {
            (Some(layout), Reference::Digest(digest)) => {
                layout.forget(ours(digest)?).map_err(failed)
            }
            _ => Ok(false),
        }
    }

    async fn list_tags(
        &self,
        name: &str,
        last: Option<&str>,
        n: Option<usize>,
    ) -> Stored<Vec<String>> {
        let Some(layout) = self.layouts.open(name) else { return Ok(Vec::new()) };
        let images = layout.images().map_err(failed)?;
        let mut tags: Vec<String> =
            images.into_iter().filter_map(|(tag, _)| Some(tag?.to_string())).collect();
        // In lexical order (distribution-spec, Listing Tags); a tag may be in the index more than once.
        tags.sort();
        tags.dedup();
        Ok(page(tags, last, n))
    }

    async fn list_repositories(&self, last: Option<&str>, n: Option<usize>) -> Stored<Vec<String>> {
        Ok(page(self.layouts.repositories(), last, n))
    }

    async fn start_upload(&self, name: &str) -> Stored<UploadAdmission> {
        Ok(self.uploads.start(name))
    }

    async fn append_upload(
        &self,
        name: &str,
        uuid: &str,
        offset: u64,
        chunk: Bytes,
    ) -> Stored<u64> {
        self.uploads.append(name, uuid, offset, &chunk)
    }

    async fn complete_upload(&self, name: &str, uuid: &str, _: &FerroDigest) -> Stored<()> {
        self.uploads.end(name, uuid);
        Ok(())
    }

    async fn get_upload_state(&self, name: &str, uuid: &str) -> Stored<Option<UploadState>> {
        Ok(self.uploads.state(name, uuid))
    }

    async fn cancel_upload(&self, name: &str, uuid: &str) -> Stored<bool> {
        Ok(self.uploads.end(name, uuid))
    }

    async fn list_referrers(
        &self,
        name: &str,
        digest: &FerroDigest,
        artifact_type: Option<&str>,
    ) -> Stored<Vec<ReferrerDescriptor>> {
        self.memory.list_referrers(name, digest, artifact_type).await
    }

    async fn take_upload_bytes(&self, name: &str, uuid: &str) -> Stored<Option<Bytes>> {
        Ok(self.uploads.take_bytes(name, uuid))
    }

    async fn register_referrer(
        &self,
        name: &str,
        subject: &FerroDigest,
        descriptor: ReferrerDescriptor,
    ) -> Stored<()> {
        self.memory.register_referrer(name, subject, descriptor).await
    }
}

/// Returns the part of a list after `last`, with at most `n` items (distribution-spec, Listing Tags).
fn page(all: Vec<String>, last: Option<&str>, n: Option<usize>) -> Vec<String> {
    let after = all.into_iter().filter(|item| last.is_none_or(|last| item.as_str() > last));
    after.take(n.unwrap_or(usize::MAX)).collect()
}

//! Registries: one repository of one, over the
//! [distribution specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md).
//!
//! Requests are made in [`wire`] only: [`Wire::attempt`] logs in once, carries one operation out, and names it in
//! the error.

mod blobs;
mod clients;
mod credentials;
mod error;
mod failure;
mod manifests;
mod wire;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use credentials::{Credentials, Secret};
pub use error::RegistryError;

use self::failure::Failure;
use self::manifests::Received;
use self::wire::{Access, Wire};
use super::{Error, Name, Progress, Sink, Source};
use crate::image::{Blob, Descriptor, MAX_DOCUMENT, Reference, Tag};

/// How a registry is spoken to.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Over plain http. A registry on this machine (`localhost`, 127.0.0.0/8, `[::1]`) always is.
    pub insecure: bool,
    /// As whom.
    pub credentials: Credentials,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the registry may send nothing when it should.
    pub read_timeout: Duration,
    /// How long an upload may stand still. At its end, when we have nothing more to send, the registry still
    /// receives what is under way and checks all of it.
    pub stall_timeout: Duration,
}

impl Default for RegistryOptions {
    /// Over TLS, as anybody, and with 10 s to connect, 60 s to read and 120 s for an upload that stands still.
    fn default() -> RegistryOptions {
        RegistryOptions {
            insecure: false,
            credentials: Credentials::Anonymous,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(120),
        }
    }
}

/// One repository of a registry.
///
/// Its methods need a Tokio runtime with time and I/O. It is logged in to when it is first used.
pub struct Registry {
    wire: Wire,
    /// What [`Source::resolve`] read last, which is fetched next.
    resolved: Mutex<Option<Blob>>,
}

impl Registry {
    /// The repository that `reference` is in. Nothing is sent yet; tag and digest don't matter here.
    ///
    /// # Errors
    /// [`RegistryError::Client`] when this machine's TLS certificates can't be read.
    pub fn new(reference: &Reference, options: RegistryOptions) -> Result<Registry, RegistryError> {
        match Wire::new(reference, options) {
            Ok(wire) => Ok(Registry { wire, resolved: Mutex::new(None) }),
            Err(reason) => Err(RegistryError::Client { reason }),
        }
    }

    /// Reads a manifest of at most `limit` bytes.
    async fn manifest(&self, name: &Name, limit: u64) -> Result<Received, Error> {
        let get = |authorization| async move {
            manifests::get(&self.wire, &authorization, name, limit)
                .await
                .map_err(|failure| self.or_missing(failure, name))
        };
        self.wire.attempt(Access::Pull, &self.fetching(name), get).await
    }

    async fn put_manifest(&self, blob: &Blob, name: &Name) -> Result<(), Error> {
        let action = format!("push the manifest `{name}` to {self}");
        let put = |authorization| async move { manifests::put(&self.wire, &authorization, name, blob).await };
        self.wire.attempt(Access::Push, &action, put).await
    }

    /// What is being done when `name` is read, as errors say it.
    fn fetching(&self, name: &impl fmt::Display) -> String {
        format!("fetch `{name}` of {self}")
    }

    /// [`RegistryError::Missing`] for what is read and not there; other failures stay what they are.
    fn or_missing(&self, failure: Failure, name: &impl fmt::Display) -> Failure {
        if failure.is_not_found() {
            let (place, name) = (self.to_string(), name.to_string());
            return Error::from(RegistryError::Missing { place, name }).into();
        }
        failure
    }

    /// Takes what was resolved, if it is what is wanted now.
    fn take_resolved(&self, descriptor: &Descriptor) -> Option<Blob> {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.take_if(|blob| blob.descriptor() == descriptor)
    }
}

impl Source for Registry {
    async fn resolve(&self, name: &Name) -> Result<Descriptor, Error> {
        let received = self.manifest(name, MAX_DOCUMENT).await?;
        let blob =
            received.into_blob().map_err(|failure| self.wire.explain(failure, &self.fetching(name)))?;
        let descriptor = blob.descriptor().clone();
        *self.resolved.lock().unwrap_or_else(PoisonError::into_inner) = Some(blob);
        Ok(descriptor)
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if let Some(blob) = self.take_resolved(descriptor) {
            return Ok(blob);
        }
        let digest = descriptor.digest;
        if is_manifest(descriptor) {
            let received = self.manifest(&Name::Digest(digest), descriptor.size).await?;
            let blob = received.into_blob_of(descriptor);
            return blob.map_err(|failure| self.wire.explain(failure, &self.fetching(&digest)));
        }
        let get = |_| async move {
            blobs::get(&self.wire, descriptor).await.map_err(|failure| self.or_missing(failure, &digest))
        };
        self.wire.attempt(Access::Pull, &self.fetching(&digest), get).await
    }
}

impl Sink for Registry {
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let digest = descriptor.digest;
        let action = format!("ask {self} for `{digest}`");
        let ask = |authorization| async move {
            match is_manifest(descriptor) {
                true => manifests::exists(&self.wire, &authorization, digest).await,
                false => blobs::exists(&self.wire, digest).await,
            }
        };
        self.wire.attempt(Access::Push, &action, ask).await
    }

    async fn push(&self, blob: &Blob, progress: &dyn Progress) -> Result<(), Error> {
        let descriptor = blob.descriptor();
        progress.begin(descriptor);
        if is_manifest(descriptor) {
            self.put_manifest(blob, &Name::Digest(descriptor.digest)).await?;
            progress.advance(descriptor, descriptor.size);
            return Ok(());
        }
        let action = format!("push the blob `{}` to {self}", descriptor.digest);
        let put = |_| async move { blobs::put(&self.wire, blob, progress).await };
        self.wire.attempt(Access::Push, &action, put).await
    }

    async fn tag(&self, root: &Blob, tag: &Tag) -> Result<(), Error> {
        self.put_manifest(root, &Name::Tag(tag.clone())).await
    }
}

/// Whether a registry keeps it among the manifests, and not among the blobs.
fn is_manifest(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire.name())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.wire.name()).finish()
    }
}

//! Registries: one repository of one, over the
//! [distribution specification](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md).
//!
//! Requests are made in [`transport`] only: [`Transport::send`] makes one, as who we are (see [`auth`]), and [`Transport::with_retries`]
//! carries one operation out, again when that may help (see [`retry`]), and names it in the error.

mod auth;
mod blobs;
mod clients;
mod credentials;
mod dry_run;
mod error;
mod login;
mod manifests;
mod request_error;
mod retry;
mod tls;
mod transport;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use credentials::{Credentials, Secret};
pub use dry_run::{DryRun, Request};
pub use error::RegistryError;
pub use login::{Stored, forget_login, store_login};
pub use retry::RetryPolicy;
pub use tls::Tls;

use self::auth::Access;
use self::blobs::MountOutcome;
use self::manifests::{ManifestStatus, Received};
use self::request_error::RequestError;
use self::transport::Transport;
use super::{Error, Name, Outcome, Progress, Sink, Source};
use crate::image::{Blob, Descriptor, Digest, MAX_DOCUMENT, Reference, Tag};

/// How a registry is spoken to.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Over plain http. A registry on this machine (`localhost`, 127.0.0.0/8, `[::1]`) is, unless there are files for TLS.
    pub insecure: bool,
    /// As whom.
    pub credentials: Credentials,
    /// Hosts that may see the credentials to make tokens of them, though by their names they are not the registry's.
    pub token_servers: Vec<String>,
    /// Certificates beside the system's.
    pub tls: Tls,
    /// When a request that failed is made again.
    pub retry: RetryPolicy,
    /// Who hears of requests that are made again.
    pub on_retry: Option<OnRetry>,
    /// Another repository of the same registry, whose blobs it is asked to take instead of being sent them.
    pub mount_from: Option<String>,
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
            token_servers: Vec::new(),
            tls: Tls::default(),
            retry: RetryPolicy::default(),
            on_retry: None,
            mount_from: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(120),
        }
    }
}

/// A request that failed and is made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryEvent {
    /// What it failed with.
    pub reason: String,
    /// How long we wait before.
    pub wait: Duration,
    /// Which try comes next, from 2.
    pub attempt: u32,
    /// How many there are at most.
    pub max_attempts: u32,
}

/// Hears of requests that are made again.
#[derive(Clone)]
pub struct OnRetry(Arc<dyn Fn(&RetryEvent) + Send + Sync>);

impl OnRetry {
    /// Calls `hear` before each wait.
    pub fn new(hear: impl Fn(&RetryEvent) + Send + Sync + 'static) -> OnRetry {
        OnRetry(Arc::new(hear))
    }

    fn tell(&self, event: &RetryEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for OnRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnRetry")
    }
}

/// Asks the registry `host` (with its port) whether it knows who we are.
///
/// # Errors
/// [`RegistryError::Unauthorized`] when it doesn't, and what asking fails with.
pub async fn log_in(host: &str, options: RegistryOptions) -> Result<(), Error> {
    let transport = Transport::new(host, "", options)?;
    let ask = |_| async {
        transport
            .send(Access::LogIn, || transport.clients().requests.get(transport.root_url()))
            .await
    };
    transport.with_retries(&format!("log in to {host}"), ask).await.map(drop)
}

/// One repository of a registry.
///
/// Its methods need a Tokio runtime with time and I/O. It is logged in to when it is first used.
pub struct Registry {
    transport: Transport,
    /// What [`Source::resolve`] read last, which is fetched next.
    resolved: Mutex<Option<Blob>>,
    /// Where uploads go on that began with a mount that was not made.
    begun: Mutex<BTreeMap<Digest, reqwest::Url>>,
}

impl Registry {
    /// The repository that `reference` is in. Nothing is sent yet; tag and digest don't matter here.
    ///
    /// # Errors
    /// [`RegistryError::Client`] when certificates can't be read.
    pub fn new(reference: &Reference, options: RegistryOptions) -> Result<Registry, RegistryError> {
        let transport = Transport::new(reference.registry(), reference.repository(), options)?;
        Ok(Registry { transport, resolved: Mutex::default(), begun: Mutex::default() })
    }

    /// All tags of the repository, in order.
    ///
    /// # Errors
    /// [`RegistryError::Missing`] when there is no such repository, and what asking fails with.
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        let get = |_| async {
            manifests::tags(&self.transport).await.map_err(|error| self.or_missing(error, &"tags"))
        };
        let mut tags =
            self.transport.with_retries(&format!("list the tags of {self}"), get).await?;
        // The specification wants them so; not all registries do it.
        tags.sort();
        Ok(tags)
    }

    /// Deletes a tag, or a manifest with all tags that mean it. The registry frees its blobs when it likes.
    ///
    /// # Errors
    /// [`RegistryError::Missing`] when it isn't there, [`RegistryError::Undeletable`] when the registry deletes no tags
    /// alone, or nothing at all.
    pub async fn delete(&self, name: &Name) -> Result<(), Error> {
        let delete = |attempts| async move {
            match manifests::delete(&self.transport, name).await {
                // It was deleted, and only the answer was lost.
                Err(error) if error.is_not_found() && attempts > 0 => Ok(()),
                Err(error) if matches!(error.status(), Some(400 | 405)) => {
                    Err(self.undeletable(name).into())
                }
                result => result.map_err(|error| self.or_missing(error, name)),
            }
        };
        self.transport.with_retries(&format!("delete `{name}` of {self}"), delete).await
    }

    fn undeletable(&self, name: &Name) -> Error {
        let reason = match name {
            Name::Tag(_) => format!(
                "the registry deletes no tag alone: `{self}@sha256:…` deletes the manifest, with all tags that mean it"
            ),
            Name::Digest(_) => {
                "the registry deletes nothing: that is usually a setting of its operator's"
                    .to_owned()
            }
        };
        RegistryError::Undeletable { action: format!("delete `{name}` of {self}"), reason }.into()
    }

    /// Reads a manifest of at most `limit` bytes.
    async fn manifest(&self, name: &Name, limit: u64) -> Result<Received, Error> {
        let get = |_| async move {
            let received = manifests::get(&self.transport, name, limit).await;
            received.map_err(|error| self.or_missing(error, name))
        };
        self.transport.with_retries(&self.fetching(name), get).await
    }

    async fn put_manifest(&self, blob: &Blob, name: &Name) -> Result<(), Error> {
        let action = format!("push the manifest `{name}` to {self}");
        let put = |_| async move { manifests::put(&self.transport, name, blob).await };
        let Err(error) = self.transport.with_retries(&action, put).await else { return Ok(()) };
        // A registry may take it and still say no, or nothing: what counts is where the name is now.
        match manifests::head(&self.transport, Access::Push, name).await {
            Ok(ManifestStatus::Exists(Some(digest))) if digest == blob.descriptor().digest => {
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// What the registry says of a manifest that is to be written.
    async fn seen(&self, name: &Name) -> Result<ManifestStatus, Error> {
        let ask = |_| manifests::head(&self.transport, Access::Push, name);
        self.transport.with_retries(&format!("ask {self} for `{name}`"), ask).await
    }

    /// Whether `name` means this manifest already.
    async fn is_at(&self, name: &Name, blob: &Blob) -> Result<bool, Error> {
        Ok(
            matches!(self.seen(name).await?, ManifestStatus::Exists(Some(digest)) if digest == blob.descriptor().digest),
        )
    }

    /// What is being done when `name` is read, as errors say it.
    fn fetching(&self, name: &impl fmt::Display) -> String {
        format!("fetch `{name}` of {self}")
    }

    /// [`RegistryError::Missing`] for what is read and not there; other failures stay what they are.
    fn or_missing(&self, error: RequestError, name: &impl fmt::Display) -> RequestError {
        if error.is_not_found() {
            let (place, name) = (self.to_string(), name.to_string());
            return Error::from(RegistryError::Missing { place, name }).into();
        }
        error
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
        let blob = received
            .into_blob()
            .map_err(|error| self.transport.explain(error, &self.fetching(name)))?;
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
            return blob.map_err(|error| self.transport.explain(error, &self.fetching(&digest)));
        }
        let partial = Mutex::default();
        let get = |_| async {
            let blob = blobs::get(&self.transport, descriptor, &partial).await;
            blob.map_err(|error| self.or_missing(error, &digest))
        };
        self.transport.with_retries(&self.fetching(&digest), get).await
    }
}

impl Sink for Registry {
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let digest = descriptor.digest;
        if is_manifest(descriptor) {
            return Ok(matches!(
                self.seen(&Name::Digest(digest)).await?,
                ManifestStatus::Exists(_)
            ));
        }
        let ask = |_| blobs::exists(&self.transport, Access::Push, descriptor);
        self.transport.with_retries(&format!("ask {self} for `{digest}`"), ask).await
    }

    async fn mount(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let Some(from) = &self.transport.options().mount_from else { return Ok(false) };
        let digest = descriptor.digest;
        let mount = |_| blobs::mount(&self.transport, digest, from);
        match self.transport.with_retries(&format!("mount `{digest}` in {self}"), mount).await? {
            MountOutcome::Yes => Ok(true),
            MountOutcome::Upload(place) => {
                let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
                begun.extend(place.map(|place| (digest, place)));
                Ok(false)
            }
        }
    }

    async fn push(&self, blob: &Blob, progress: &dyn Progress) -> Result<(), Error> {
        let descriptor = blob.descriptor();
        if is_manifest(descriptor) {
            progress.begin(descriptor);
            self.put_manifest(blob, &Name::Digest(descriptor.digest)).await?;
            progress.advance(descriptor, descriptor.size);
            return Ok(());
        }
        let action = format!("push the blob `{}` to {self}", descriptor.digest);
        let put = |attempts| async move {
            // Where it went on once, it doesn't a second time.
            let place = self
                .begun
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&descriptor.digest);
            blobs::put(&self.transport, blob, place, attempts > 0, progress).await
        };
        self.transport.with_retries(&action, put).await
    }

    async fn tag(&self, root: &Blob, tag: &Tag) -> Result<Outcome, Error> {
        let name = Name::Tag(tag.clone());
        if self.is_at(&name, root).await? {
            return Ok(Outcome::Existed);
        }
        self.put_manifest(root, &name).await?;
        Ok(Outcome::Moved)
    }
}

/// Whether a registry keeps it among the manifests, and not among the blobs.
fn is_manifest(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.transport.name())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.transport.name()).finish()
    }
}

//! Client for one repository of an OCI registry
//! ([distribution-spec 1.1](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md)).
//!
//! [`exchange`] sends every request. [`Transport::send`] authenticates it (see [`auth`]);
//! [`Transport::with_retries`] runs an operation, with retries (see [`retry`]).

mod access;
mod address;
mod auth;
mod blob_info_cache;
mod blobs;
mod challenge;
mod chunked;
mod clients;
mod credential_file;
mod credential_helper;
mod credentials;
mod dry_run;
mod error;
mod error_response;
mod exchange;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod link;
mod login;
mod manifests;
mod mounts;
mod owner;
mod request_error;
mod retry;
mod sent_secrets;
mod tls;
mod token;
mod transport;
mod uploads;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;

pub use blob_info_cache::BlobInfoCache;
pub use credentials::{Credentials, Secret, StoredLogin};
pub use dry_run::{DryRun, Request};
pub use error::RegistryError;
pub use login::{Stored, forget_login, store_login};
pub use retry::{OnRetry, RetryEvent, RetryPolicy};
pub use tls::Tls;

use self::access::Access;
use self::manifests::{ManifestStatus, Received};
use self::mounts::Refusals;
use self::request_error::RequestError;
use self::transport::Transport;
use self::uploads::Upload;
use super::graph::within_time;
use super::{Error, Name, Outcome, Progress, Sink, Source};
use crate::image::{Blob, Descriptor, Digest, MAX_DOCUMENT, Reference, Tag};
use crate::limits::{Budget, ReadLimits};
use crate::trace::OrTrace;

/// Options of a connection to a registry.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Use plain HTTP. Registries on this machine (`localhost`, 127.0.0.0/8, `[::1]`) do so anyway, unless `tls` names
    /// files.
    pub insecure: bool,
    /// Use plain HTTP unless there are credentials. For registries that somebody other than the user calls insecure, such
    /// as the settings of a crate: they must not decide how the user's credentials travel.
    pub insecure_if_anonymous: bool,
    /// Credentials for the registry.
    pub credentials: Credentials,
    /// True if the credentials are a stored login. If the registry refuses it, an image is read once more without it: a
    /// public image needs none, and stored logins expire.
    pub is_stored_login: bool,
    /// Hosts on other domains that may receive the credentials, to exchange them for tokens.
    pub token_servers: Vec<String>,
    /// Hosts, with or without a port, that the registry may send us to even though their addresses are not public. The
    /// registry itself and `token_servers` need not be among them.
    pub private_hosts: Vec<String>,
    /// Certificates in addition to the system's.
    pub tls: Tls,
    /// Number and delay of retries.
    pub retry: RetryPolicy,
    /// Callback invoked before each retry.
    pub on_retry: Option<OnRetry>,
    /// Another repository of the same registry that has the blobs of the next push, such as the source of a copy. The registry
    /// can take them from there, so that we needn't upload them.
    pub mount_from: Option<String>,
    /// Repositories where blobs were seen, which they can be mounted from, too.
    pub blob_info_cache: BlobInfoCache,
    /// Time limit for establishing a connection.
    pub connect_timeout: Duration,
    /// Longest pause while a response is due.
    pub read_timeout: Duration,
    /// Longest pause of an upload. It also limits the time between the end of our data and the response, in which the
    /// registry receives the rest and checks the digest of the whole blob.
    pub stall_timeout: Duration,
    /// Limits for reading an image or the list of tags.
    pub limits: ReadLimits,
}

impl Default for RegistryOptions {
    /// TLS, no credentials, and time limits of 10 s to connect, 60 s to read and 120 s for an upload without progress.
    fn default() -> RegistryOptions {
        RegistryOptions {
            insecure: false,
            insecure_if_anonymous: false,
            credentials: Credentials::Anonymous,
            is_stored_login: false,
            token_servers: Vec::new(),
            private_hosts: Vec::new(),
            tls: Tls::default(),
            retry: RetryPolicy::default(),
            on_retry: None,
            mount_from: None,
            blob_info_cache: BlobInfoCache::default(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(120),
            limits: ReadLimits::default(),
        }
    }
}

/// Checks the credentials with the registry `host` (with its port).
///
/// # Errors
/// [`RegistryError::Unauthorized`] if the registry rejects them, or any error of a request.
pub async fn log_in(host: &str, options: RegistryOptions) -> Result<(), Error> {
    let transport = Transport::new(host, "", options)?;
    let get = |_| async {
        let url = transport.root_url();
        transport.send(Access::LogIn, || transport.request(Method::GET, &url)).await
    };
    transport.with_retries(&format!("log in to {host}"), get).await.map(drop)
}

/// One repository of a registry.
///
/// Its methods need a Tokio runtime with time and I/O. The first request logs in.
pub struct Registry {
    transport: Transport,
    // The manifest of the last `resolve`: the next `fetch` usually wants it.
    resolved: Mutex<Option<Blob>>,
    refusals: Refusals,
}

impl Registry {
    /// Returns the repository of `reference`; tag and digest are ignored. This sends no request.
    ///
    /// # Errors
    /// [`RegistryError::Client`] if a certificate can't be read.
    pub fn new(reference: &Reference, options: RegistryOptions) -> Result<Registry, RegistryError> {
        let transport = Transport::new(reference.registry(), reference.repository(), options)?;
        Ok(Registry { transport, resolved: Mutex::default(), refusals: Refusals::default() })
    }

    /// Returns all tags of the repository, sorted.
    ///
    /// # Errors
    /// [`RegistryError::Missing`] if the repository does not exist, or any error of a request.
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        let get = |_| async {
            manifests::tags(&self.transport).await.map_err(|error| self.or_missing(error, &"tags"))
        };
        let action = format!("list the tags of {self}");
        let time = Budget::new(self.limits());
        let mut tags = within_time(&time, self.transport.with_retries(&action, get)).await?;
        // Version 1.1.1 of the spec requires an order that ignores case, later ones allow this one, too, and some registries
        // use neither.
        tags.sort();
        Ok(tags)
    }

    /// Deletes a tag, or a manifest with all of its tags. Blobs stay until the registry collects its garbage.
    ///
    /// # Errors
    /// [`RegistryError::Missing`] if there is nothing to delete, [`RegistryError::Undeletable`] if the registry can't
    /// delete single tags, or anything.
    pub async fn delete(&self, name: &Name) -> Result<(), Error> {
        let delete = |earlier_attempts| async move {
            match manifests::delete(&self.transport, name).await {
                // An earlier attempt deleted it, and only its response was lost.
                Err(error) if error.is_not_found() && earlier_attempts > 0 => Ok(()),
                // The spec allows both for a registry that has deletion disabled.
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
            Name::Tag(_) | Name::Ref(_) => format!(
                "the registry can't delete single tags; `{self}@sha256:…` deletes the manifest with all its tags"
            ),
            Name::Digest(_) => {
                "the registry does not allow deletions, which is usually a setting of its operator"
                    .to_owned()
            }
        };
        RegistryError::Undeletable { action: format!("delete `{name}` of {self}"), reason }.into()
    }

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
        // Some registries store a manifest and still answer with an error, or not at all. The state of the name counts.
        let status = manifests::head(&self.transport, Access::Push, name).await;
        let status = status.map_err(|error| self.transport.explain(error, &action));
        match status.or_trace("look for a manifest after a failed push") {
            Some(ManifestStatus::Exists(Some(digest))) if digest == blob.descriptor().digest => {
                Ok(())
            }
            _ => Err(error),
        }
    }

    async fn manifest_status(&self, name: &Name) -> Result<ManifestStatus, Error> {
        // With the token for pushing, which the writes that follow need, too.
        let head = |_| manifests::head(&self.transport, Access::Push, name);
        self.transport.with_retries(&format!("look for `{name}` in {self}"), head).await
    }

    async fn is_at(&self, name: &Name, blob: &Blob) -> Result<bool, Error> {
        let status = self.manifest_status(name).await?;
        let digest = blob.descriptor().digest;
        Ok(matches!(status, ManifestStatus::Exists(Some(found)) if found == digest))
    }

    fn blob_info(&self) -> &BlobInfoCache {
        &self.transport.options().blob_info_cache
    }

    /// Moves a tag from one manifest or index to another, which must be there.
    ///
    /// # Errors
    /// [`Error::Changed`] when the tag no longer means `former`, or any error of a request.
    pub async fn replace(&self, tag: &Tag, former: Digest, root: &Blob) -> Result<(), Error> {
        let name = Name::Tag(tag.clone());
        let found = match self.manifest_status(&name).await? {
            ManifestStatus::Missing => None,
            ManifestStatus::Exists(Some(digest)) => Some(digest),
            ManifestStatus::Exists(None) => Some(self.resolve(&name).await?.digest),
        };
        if found == Some(root.descriptor().digest) {
            return Ok(());
        }
        if found != Some(former) {
            return Err(Error::Changed { place: self.to_string(), name: name.to_string() });
        }
        // A change from here on is not seen: the protocol has no conditional request for that.
        self.put_manifest(root, &name).await
    }

    fn fetching(&self, name: &impl fmt::Display) -> String {
        format!("fetch `{name}` of {self}")
    }

    /// Turns a 404 for something that is read into [`RegistryError::Missing`].
    fn or_missing(&self, error: RequestError, name: &impl fmt::Display) -> RequestError {
        if error.is_not_found() {
            let (place, name) = (self.to_string(), name.to_string());
            return Error::from(RegistryError::Missing { place, name }).into();
        }
        error
    }

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

    fn limits(&self) -> ReadLimits {
        self.transport.options().limits
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let digest = descriptor.digest;
        if let Some(blob) = self.take_resolved(descriptor) {
            tracing::debug!(%digest, "cache hit: the resolved manifest");
            return Ok(blob);
        }
        if is_manifest(descriptor) {
            let received = self.manifest(&Name::Digest(digest), descriptor.size).await?;
            let blob = received.into_blob_of(descriptor);
            return blob.map_err(|error| self.transport.explain(error, &self.fetching(&digest)));
        }
        // All attempts share it, so that each continues where the one before ended.
        let partial = Mutex::default();
        let get = |_| async {
            let blob = blobs::get(&self.transport, descriptor, &partial).await;
            blob.map_err(|error| self.or_missing(error, &digest))
        };
        let blob = self.transport.with_retries(&self.fetching(&digest), get).await?;
        self.note_blob(digest);
        Ok(blob)
    }
}

impl Sink for Registry {
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let digest = descriptor.digest;
        if is_manifest(descriptor) {
            let status = self.manifest_status(&Name::Digest(digest)).await?;
            return Ok(matches!(status, ManifestStatus::Exists(_)));
        }
        let head = |_| blobs::exists(&self.transport, Access::Push, descriptor);
        self.transport.with_retries(&format!("look for `{digest}` in {self}"), head).await
    }

    async fn reuse(&self, descriptor: &Descriptor) -> Result<Option<Outcome>, Error> {
        if is_manifest(descriptor) {
            return Ok(self.exists(descriptor).await?.then_some(Outcome::Existed));
        }
        self.reuse_blob(descriptor).await
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
        let started = self.refusals.take_started(descriptor.digest);
        // All attempts share it, so that each continues where the one before ended.
        let upload = tokio::sync::Mutex::new(Upload::new(&self.transport, blob, started));
        let upload = &upload;
        let put = |earlier_attempts: u32| async move {
            upload.lock().await.put(&self.transport, blob, earlier_attempts > 0, progress).await
        };
        self.transport.with_retries(&action, put).await?;
        self.note_blob(descriptor.digest);
        Ok(())
    }

    async fn tag(&self, root: &Blob, tag: &Tag) -> Result<Outcome, Error> {
        let name = Name::Tag(tag.clone());
        // A push without a change writes nothing.
        if self.is_at(&name, root).await? {
            return Ok(Outcome::Existed);
        }
        self.put_manifest(root, &name).await?;
        Ok(Outcome::Moved)
    }
}

/// Returns true if the registry stores this under `manifests/` instead of `blobs/`.
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

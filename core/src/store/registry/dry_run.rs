//! Dry runs: the requests of a push, without its writes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use reqwest::Url;

use super::super::{Error, Name, Outcome, Progress, Sink};
use super::mounts::Candidates;
use super::{Registry, is_manifest};
use crate::image::{Blob, Descriptor, Digest, Tag};

/// Sink that sends only the read requests of a push and records all of them.
#[derive(Debug)]
pub struct DryRun<'a> {
    registry: &'a Registry,
    requests: Mutex<Vec<Request>>,
    /// What the push would have stored by now.
    stored: Mutex<BTreeSet<Digest>>,
}

/// Request of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// HTTP method: HEAD, POST or PUT.
    pub method: &'static str,
    /// URL. For the PUT of an upload, it is that of the POST before it: the registry only then decides on the real one.
    pub url: String,
    /// Length of the body.
    pub bytes: u64,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)?;
        match self.bytes {
            0 => Ok(()),
            bytes => write!(f, " ({bytes} bytes)"),
        }
    }
}

impl<'a> DryRun<'a> {
    /// Returns a dry run of a push to this repository.
    #[must_use]
    pub fn of(registry: &'a Registry) -> DryRun<'a> {
        DryRun { registry, requests: Mutex::default(), stored: Mutex::default() }
    }

    /// Returns the requests in order.
    #[must_use]
    pub fn into_requests(self) -> Vec<Request> {
        self.requests.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, method: &'static str, url: Url, bytes: u64) {
        let request = Request { method, url: url.into(), bytes };
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }

    fn store(&self, digest: Digest) {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }
}

impl Sink for DryRun<'_> {
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let transport = &self.registry.transport;
        let url = match is_manifest(descriptor) {
            true => transport.manifest_url(&Name::Digest(descriptor.digest)),
            false => transport.blob_url(descriptor.digest),
        };
        self.record("HEAD", url, 0);
        if self.stored.lock().unwrap_or_else(PoisonError::into_inner).contains(&descriptor.digest) {
            return Ok(true);
        }
        // Sent, because the answer decides which requests follow.
        self.registry.exists(descriptor).await
    }

    // In the order of `Registry::reuse_blob`.
    async fn reuse(&self, descriptor: &Descriptor) -> Result<Option<Outcome>, Error> {
        if is_manifest(descriptor) {
            return Ok(self.exists(descriptor).await?.then_some(Outcome::Existed));
        }
        let Candidates { sources, mount_first } = self.registry.candidates(descriptor.digest);
        if !mount_first && self.exists(descriptor).await? {
            return Ok(Some(Outcome::Existed));
        }
        let Some(from) = sources.first() else { return Ok(None) };
        let url = self.registry.transport.mount_url(descriptor.digest, from);
        self.record("POST", url, 0);
        // An assumption: the registry decides only when it receives the real request.
        self.registry.assume_blob(descriptor.digest);
        self.store(descriptor.digest);
        Ok(Some(Outcome::Mounted))
    }

    async fn push(&self, blob: &Blob, _: &dyn Progress) -> Result<(), Error> {
        let (transport, descriptor) = (&self.registry.transport, blob.descriptor());
        self.store(descriptor.digest);
        if is_manifest(descriptor) {
            self.record(
                "PUT",
                transport.manifest_url(&Name::Digest(descriptor.digest)),
                descriptor.size,
            );
        } else {
            let mut url = transport.uploads_url();
            self.record("POST", url.clone(), 0);
            url.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
            self.record("PUT", url, descriptor.size);
            // A push to the next repository would mount it from this one.
            self.registry.assume_blob(descriptor.digest);
        }
        Ok(())
    }

    async fn tag(&self, root: &Blob, tag: &Tag) -> Result<Outcome, Error> {
        let name = Name::Tag(tag.clone());
        let url = self.registry.transport.manifest_url(&name);
        self.record("HEAD", url.clone(), 0);
        if self.registry.is_at(&name, root).await? {
            return Ok(Outcome::Existed);
        }
        self.record("PUT", url, root.descriptor().size);
        Ok(Outcome::Moved)
    }
}

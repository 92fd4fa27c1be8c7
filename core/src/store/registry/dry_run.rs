//! What a push would do.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use reqwest::Url;

use super::super::{Error, Name, Outcome, Progress, Sink};
use super::{Registry, is_manifest};
use crate::image::{Blob, Descriptor, Tag};

/// A repository that is asked what it has, and not written to: what would be written is noted instead.
#[derive(Debug)]
pub struct DryRun<'a> {
    registry: &'a Registry,
    requests: Mutex<Vec<Request>>,
}

/// A request that was, or would be, made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method: HEAD, POST, PUT.
    pub method: &'static str,
    /// The address. Where an upload goes on, the registry decides: that is the address where it begins.
    pub url: String,
    /// How many bytes it sends.
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
    /// A push to this repository.
    #[must_use]
    pub fn of(registry: &'a Registry) -> DryRun<'a> {
        DryRun { registry, requests: Mutex::default() }
    }

    /// The requests, in their order.
    #[must_use]
    pub fn into_requests(self) -> Vec<Request> {
        self.requests.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, method: &'static str, url: Url, bytes: u64) {
        let request = Request { method, url: url.into(), bytes };
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
}

impl Sink for DryRun<'_> {
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let transport = &self.registry.transport;
        let url = match is_manifest(descriptor) {
            true => transport.manifest_url(&Name::Digest(descriptor.digest)),
            false => transport.blob_url(descriptor.digest),
        };
        self.note("HEAD", url, 0);
        self.registry.exists(descriptor).await
    }

    /// Whether the registry would, only it knows; that it does is what is noted.
    async fn mount(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let transport = &self.registry.transport;
        let Some(from) = &transport.options().mount_from else { return Ok(false) };
        self.note("POST", transport.mount_url(descriptor.digest, from), 0);
        Ok(true)
    }

    async fn push(&self, blob: &Blob, _: &dyn Progress) -> Result<(), Error> {
        let (transport, descriptor) = (&self.registry.transport, blob.descriptor());
        if is_manifest(descriptor) {
            self.note(
                "PUT",
                transport.manifest_url(&Name::Digest(descriptor.digest)),
                descriptor.size,
            );
        } else {
            let mut url = transport.uploads_url();
            self.note("POST", url.clone(), 0);
            url.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
            self.note("PUT", url, descriptor.size);
        }
        Ok(())
    }

    async fn tag(&self, root: &Blob, tag: &Tag) -> Result<Outcome, Error> {
        let name = Name::Tag(tag.clone());
        let url = self.registry.transport.manifest_url(&name);
        self.note("HEAD", url.clone(), 0);
        if self.registry.is_at(&name, root).await? {
            return Ok(Outcome::Existed);
        }
        self.note("PUT", url, root.descriptor().size);
        Ok(Outcome::Moved)
    }
}

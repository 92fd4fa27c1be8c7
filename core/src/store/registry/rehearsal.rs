//! What a push would do.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use reqwest::Url;

use super::super::{Error, Name, Outcome, Progress, Sink};
use super::manifests::Seen;
use super::{Registry, is_manifest};
use crate::image::{Blob, Descriptor, Tag};

/// A repository that is asked what it has, and not written to: what would be written is noted instead.
#[derive(Debug)]
pub struct Rehearsal<'a> {
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

impl<'a> Rehearsal<'a> {
    /// A push to this repository.
    #[must_use]
    pub fn of(registry: &'a Registry) -> Rehearsal<'a> {
        Rehearsal { registry, requests: Mutex::default() }
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

    fn manifest(&self, name: &Name) -> Url {
        self.registry.wire.url(&format!("manifests/{name}"))
    }
}

impl Sink for Rehearsal<'_> {
    async fn exists(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let url = match is_manifest(descriptor) {
            true => self.manifest(&Name::Digest(descriptor.digest)),
            false => self.registry.wire.blob_url(descriptor.digest),
        };
        self.note("HEAD", url, 0);
        self.registry.exists(descriptor).await
    }

    /// Whether the registry would, only it knows; that it does is what is noted.
    async fn mount(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let Some(from) = &self.registry.wire.options().mount_from else { return Ok(false) };
        let mut url = self.registry.wire.url("blobs/uploads/");
        url.query_pairs_mut().append_pair("mount", &descriptor.digest.to_string()).append_pair("from", from);
        self.note("POST", url, 0);
        Ok(true)
    }

    async fn push(&self, blob: &Blob, _: &dyn Progress) -> Result<(), Error> {
        let descriptor = blob.descriptor();
        if is_manifest(descriptor) {
            self.note("PUT", self.manifest(&Name::Digest(descriptor.digest)), descriptor.size);
        } else {
            let mut url = self.registry.wire.url("blobs/uploads/");
            self.note("POST", url.clone(), 0);
            url.query_pairs_mut().append_pair("digest", &descriptor.digest.to_string());
            self.note("PUT", url, descriptor.size);
        }
        Ok(())
    }

    async fn tag(&self, root: &Blob, tag: &Tag) -> Result<Outcome, Error> {
        let name = Name::Tag(tag.clone());
        self.note("HEAD", self.manifest(&name), 0);
        let there = self.registry.seen(&name).await?;
        if matches!(there, Seen::There(Some(digest)) if digest == root.descriptor().digest) {
            return Ok(Outcome::Existed);
        }
        self.note("PUT", self.manifest(&name), root.descriptor().size);
        Ok(Outcome::Moved)
    }
}

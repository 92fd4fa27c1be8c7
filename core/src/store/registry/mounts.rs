//! Mounts: blobs that the registry takes from another of its repositories, so that we needn't upload them
//! ([distribution-spec, mounting](https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#mounting-a-blob-from-another-repository)).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use reqwest::{Method, StatusCode, Url};

use super::super::{Error, Outcome, Sink};
use super::Registry;
use super::access::Access;
use super::blobs::empty;
use super::request_error::RequestError;
use super::transport::Transport;
use super::uploads::verify_reported_digest;
use crate::image::{Descriptor, Digest};
use crate::trace::trace_ignored;

// Each refused mount costs a request.
const MAX_ATTEMPTS: usize = 2;

/// Refusals of mounts in one repository.
#[derive(Default)]
pub(super) struct Refusals {
    /// Locations of the uploads that refused mounts have started.
    started: Mutex<BTreeMap<Digest, Url>>,
    /// Repositories that we can't mount from, such as those that the user may not read.
    sources: Mutex<BTreeSet<String>>,
}

impl Refusals {
    /// Returns the upload that a refused mount of this blob has started, once.
    pub(super) fn take_started(&self, digest: Digest) -> Option<Url> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest)
    }
}

/// The repositories that a blob can be mounted from, the best first.
pub(super) struct Candidates {
    pub(super) sources: Vec<String>,
    /// True if the mount comes before the question if the blob is there. The registry then answers both with one response.
    pub(super) mount_first: bool,
}

enum Answer {
    Mounted,
    /// The registry has started an upload instead, at this location.
    Started(Url),
}

impl Registry {
    pub(super) fn candidates(&self, digest: Digest) -> Candidates {
        let own = self.transport.repository();
        let seen = self.blob_info().repositories(self.transport.registry(), digest);
        let is_here = seen.iter().any(|repository| repository == own);
        let refused = self.refusals.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let is_usable = |source: &String| source != own && !refused.contains(source);
        let seen: Vec<String> = seen.into_iter().filter(is_usable).collect();
        let mount_first = !is_here && !seen.is_empty();
        let named = self.transport.options().mount_from.clone().filter(is_usable);
        // Not after the repository has lost a blob that it had: a registry may say that it has mounted what it has not.
        let seen = seen.into_iter().filter(|source| mount_first && Some(source) != named.as_ref());
        let sources = named.iter().cloned().chain(seen).take(MAX_ATTEMPTS).collect();
        Candidates { sources, mount_first }
    }

    /// Returns how the repository has got a blob without an upload, if it has.
    pub(super) async fn reuse_blob(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Option<Outcome>, Error> {
        let digest = descriptor.digest;
        let Candidates { sources, mount_first } = self.candidates(digest);
        if mount_first && self.mount(digest, &sources).await {
            return Ok(Some(Outcome::Mounted));
        }
        if self.exists(descriptor).await? {
            self.note_blob(digest);
            self.refusals.take_started(digest);
            return Ok(Some(Outcome::Existed));
        }
        self.forget_blob(self.transport.repository(), digest);
        let is_mounted = !mount_first && self.mount(digest, &sources).await;
        Ok(is_mounted.then_some(Outcome::Mounted))
    }

    /// Notes that the repository has this blob.
    pub(super) fn note_blob(&self, digest: Digest) {
        let (registry, repository) = (self.transport.registry(), self.transport.repository());
        self.blob_info().record(registry, repository, digest);
    }

    /// Notes for this process only that the repository would have this blob.
    pub(super) fn assume_blob(&self, digest: Digest) {
        let (registry, repository) = (self.transport.registry(), self.transport.repository());
        self.blob_info().assume(registry, repository, digest);
    }

    fn forget_blob(&self, repository: &str, digest: Digest) {
        self.blob_info().forget(self.transport.registry(), repository, digest);
    }

    /// Mounts a blob from one of these repositories. Returns false if the registry doesn't, whatever the reason: an upload is
    /// the other way, and reports an error that remains.
    async fn mount(&self, digest: Digest, sources: &[String]) -> bool {
        for source in sources {
            match self.mount_from(digest, source).await {
                Ok(Answer::Mounted) => {
                    self.note_blob(digest);
                    return true;
                }
                // The source does not have the blob any more, or this registry never mounts.
                Ok(Answer::Started(location)) => {
                    self.forget_blob(source, digest);
                    let started = &self.refusals.started;
                    started.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, location);
                    return false;
                }
                Err(error) => {
                    trace_ignored("mount a blob", error);
                    let refused = &self.refusals.sources;
                    refused.lock().unwrap_or_else(PoisonError::into_inner).insert(source.clone());
                }
            }
        }
        false
    }

    async fn mount_from(&self, digest: Digest, source: &str) -> Result<Answer, Error> {
        let action = format!("mount `{digest}` from `{source}` in {self}");
        let mount = || mount(&self.transport, digest, source);
        // The source of a copy surely has the blob, which may take longer to send than a retry.
        if self.transport.options().mount_from.as_deref() == Some(source) {
            return self.transport.with_retries(&action, |_| mount()).await;
        }
        // The cache is only a hint, so the upload does not wait for a second attempt.
        mount().await.map_err(|error| {
            // The user may not read the source, or it is gone.
            if !error.is_transient() {
                self.forget_blob(source, digest);
            }
            self.transport.explain(error, &action)
        })
    }
}

async fn mount(
    transport: &Transport,
    digest: Digest,
    source: &str,
) -> Result<Answer, RequestError> {
    let url = transport.mount_url(digest, source);
    let post = || empty(transport.request(Method::POST, &url));
    let response = transport.send(Access::Mount(source), post).await?;
    let status = response.status();
    tracing::debug!(%digest, source, status = status.as_u16(), "mount");
    if status == StatusCode::CREATED {
        // Otherwise it is about another blob.
        verify_reported_digest(&response, digest)?;
        return Ok(Answer::Mounted);
    }
    let location = transport.upload_location(&response)?;
    location
        .map(Answer::Started)
        .ok_or_else(|| RequestError::protocol("it neither mounts the blob nor starts an upload"))
}

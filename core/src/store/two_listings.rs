//! Archives that list their images twice, in OCI's `index.json` and in Docker's `manifest.json`. Loaders read one or the other.

use std::collections::BTreeSet;
use std::ops::Range;

use super::archive::{blob_path, read_range};
use super::docker_archive::{DOCKER_INDEX, digest, entries};
use super::names::names;
use super::saved_part::Files;
use super::{Error, RefName};
use crate::image::{Descriptor, Digest, IndexDocument, MAX_DOCUMENT, ManifestDocument};
use crate::limits::Budget;

/// Returns true unless `manifest.json` names an image that `index.json` doesn't have under that name.
pub(super) fn agree(files: &Files<'_>, budget: &Budget) -> Result<bool, Error> {
    let read = |name: &str| -> Result<Option<Vec<u8>>, Error> {
        let range = files.ranges.get(name).filter(|range| length(range) <= MAX_DOCUMENT);
        let bytes = range.map(|range| read_range(files.path, range)).transpose();
        bytes.map_err(Error::io("read", files.path))
    };
    let (Some(oci), Some(docker)) = (read("index.json")?, read(DOCKER_INDEX)?) else {
        return Ok(true);
    };
    let oci = IndexDocument::parse(&oci)?.manifests;
    budget.list_manifests(oci.len())?;
    for entry in entries(&docker, budget)? {
        let names = std::iter::once(entry.config).chain(entry.layers.unwrap_or_default());
        let wanted: Option<Vec<_>> = names.map(|name| files.ranges.get(&name)).collect();
        let Some(wanted) = wanted else { return Ok(false) };
        let tags = entry.repo_tags.unwrap_or_default();
        budget.list_tags(tags.len())?;
        let tags = tags.iter().map(Some).chain(tags.is_empty().then_some(None));
        for tag in tags {
            let named: Vec<_> =
                oci.iter().filter(|it| tag.is_some_and(|tag| has_name(it, tag))).collect();
            let among = if named.is_empty() { oci.iter().collect() } else { named };
            let mut search = Search { files, budget, wanted: &wanted, seen: BTreeSet::new() };
            if !search.is_in_any(among)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn has_name(entry: &Descriptor, name: &str) -> bool {
    name.parse::<RefName>().is_ok_and(|name| names(entry).any(|other| name.is_same(other)))
}

/// The search for a manifest with this configuration and these layers.
struct Search<'a> {
    files: &'a Files<'a>,
    budget: &'a Budget,
    wanted: &'a [&'a Range<u64>],
    seen: BTreeSet<Digest>,
}

impl Search<'_> {
    fn is_in_any(&mut self, entries: Vec<&Descriptor>) -> Result<bool, Error> {
        let mut open: Vec<Descriptor> = entries.into_iter().cloned().collect();
        while let Some(entry) = open.pop() {
            self.budget.time_left()?;
            if !self.seen.insert(entry.digest) {
                continue;
            }
            let Some(document) = self.files.document(&entry) else { continue };
            // What can't be read is an error for whoever reads that image.
            if entry.media_type.is_index() {
                self.budget.hold_document(document.len() as u64)?;
                let index = IndexDocument::parse(&document);
                open.extend(index.map(|index| index.manifests).unwrap_or_default());
                self.budget.list_manifests(open.len())?;
            } else if let Ok(manifest) = ManifestDocument::parse(&document)
                && self.is_wanted(&manifest)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_wanted(&self, manifest: &ManifestDocument) -> Result<bool, Error> {
        if manifest.layers.len() + 1 != self.wanted.len() {
            return Ok(false);
        }
        let all = std::iter::once(&manifest.config).chain(&manifest.layers);
        for (descriptor, wanted) in all.zip(self.wanted) {
            let is_same = match self.files.ranges.get(&blob_path(descriptor)) {
                Some(range) if range == *wanted => true,
                // A copy of it under another name.
                Some(range) if length(range) == length(wanted) => {
                    digest(self.files.path, wanted, self.budget)? == descriptor.digest
                }
                _ => false,
            };
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn length(range: &Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

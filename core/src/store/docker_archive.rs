//! Archives in Docker's own format, which `podman save` and older versions of `docker save` write
//! ([moby, image specification v1.2](https://github.com/moby/docker-image-spec/blob/v1.2/v1.2.md)).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;

use super::Error;
use super::archive::{blob_path, read_range};
use super::layout::REF_NAME;
use crate::image::{
    Blob, Descriptor, Digest, Digester, Error as ImageError, IndexDocument, MAX_DOCUMENT,
    ManifestDocument, MediaType, layer_type,
};
use crate::limits::Budget;

/// The file that lists the images.
pub(super) const DOCKER_INDEX: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Makes a manifest for each image in `listing`, and an index of them. The archive has no digests of its layers, so that
/// they are read once; then `files` has them under their digests, too.
pub(super) fn convert(
    path: &Path,
    listing: &[u8],
    files: &mut BTreeMap<String, Range<u64>>,
    made: &mut BTreeMap<Digest, Blob>,
    budget: &Budget,
) -> Result<IndexDocument, Error> {
    let entries: Vec<Entry> = serde_json::from_slice(listing)
        .map_err(|e| ImageError::Document { what: DOCKER_INDEX, reason: e.to_string() })?;
    budget.list_manifests(entries.len())?;
    let mut index = IndexDocument::default();
    // Images share their layers.
    let mut known: BTreeMap<String, Descriptor> = BTreeMap::new();
    for entry in entries {
        let names = entry.layers.unwrap_or_default();
        budget.list_layers(names.len())?;
        let config = add(path, &entry.config, true, files, &mut known, budget)?;
        let layers = names.iter().map(|name| add(path, name, false, files, &mut known, budget));
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        let document = ManifestDocument { config, layers, annotations: BTreeMap::new() };
        let manifest = document.to_blob()?;
        let tags = entry.repo_tags.unwrap_or_default();
        budget.list_tags(tags.len())?;
        let mut names: Vec<Option<String>> = tags.into_iter().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        for name in names {
            let mut descriptor = manifest.descriptor().clone();
            let annotation = name.map(|name| (REF_NAME.to_owned(), name));
            descriptor.annotations.extend(annotation);
            index.manifests.push(descriptor);
        }
        made.insert(manifest.descriptor().digest, manifest);
    }
    Ok(index)
}

/// Describes a file of the archive, and adds it to `files` under its digest.
fn add(
    path: &Path,
    name: &str,
    is_config: bool,
    files: &mut BTreeMap<String, Range<u64>>,
    known: &mut BTreeMap<String, Descriptor>,
    budget: &Budget,
) -> Result<Descriptor, Error> {
    if let Some(descriptor) = known.get(name) {
        return Ok(descriptor.clone());
    }
    let range = files.get(name).cloned().ok_or_else(|| Error::NotFound {
        place: format!("the archive `{}`", path.display()),
        name: name.to_owned(),
        known: Vec::new(),
    })?;
    let size = range.end.saturating_sub(range.start);
    if is_config && size > MAX_DOCUMENT {
        let reason = format!("it has {size} bytes, more than {MAX_DOCUMENT}");
        return Err(ImageError::Document { what: "configuration", reason }.into());
    }
    budget.fetch(size)?;
    let digest = digest(path, &range, budget)?;
    let media_type = if is_config {
        // The same content as OCI's.
        MediaType::ImageConfig
    } else {
        let start = range.start..range.end.min(range.start.saturating_add(6));
        layer_type(&read_range(path, &start).map_err(Error::io("read", path))?)
    };
    let descriptor = Descriptor::new(media_type, digest, size);
    files.insert(blob_path(&descriptor), range);
    known.insert(name.to_owned(), descriptor.clone());
    Ok(descriptor)
}

fn digest(path: &Path, range: &Range<u64>, budget: &Budget) -> Result<Digest, Error> {
    let failed = |source: io::Error| Error::io("read", path)(source);
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
    let mut file = file.take(range.end.saturating_sub(range.start));
    let (mut digester, mut buffer) = (Digester::default(), vec![0; 1 << 16]);
    loop {
        budget.time_left()?;
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            return Ok(digester.finish());
        }
        digester.update(&buffer[..read]);
    }
}

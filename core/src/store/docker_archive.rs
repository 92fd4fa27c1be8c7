//! Archives in Docker's own format, which `podman save` and older versions of `docker save` write
//! ([moby, image specification v1.2](https://github.com/moby/docker-image-spec/blob/v1.2/v1.2.md)).

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;

use super::Error;
use super::archive::{blob_path, read_range};
use super::layout::REF_NAME;
use crate::fs::open_regular;
use crate::image::unpack::diff_id;
use crate::image::{
    Blob, Descriptor, Digest, Digester, Error as ImageError, IndexDocument, MAX_DOCUMENT,
    ManifestDocument, MediaType, layer_type,
};
use crate::limits::Budget;

/// The file that lists the images.
pub(super) const DOCKER_INDEX: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) config: String,
    pub(super) repo_tags: Option<Vec<String>>,
    pub(super) layers: Option<Vec<String>>,
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
    let entries = entries(listing, budget)?;
    let mut index = IndexDocument::default();
    // Images share their layers.
    let mut known: BTreeMap<String, Descriptor> = BTreeMap::new();
    let mut diff_ids = BTreeMap::new();
    for entry in entries {
        let names = entry.layers.unwrap_or_default();
        budget.list_layers(names.len())?;
        let config = add(path, &entry.config, true, files, &mut known, budget)?;
        let layers = names.iter().map(|name| add(path, name, false, files, &mut known, budget));
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        check_diff_ids(path, &config, &layers, files, &mut diff_ids, budget)?;
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

/// Parses `manifest.json`.
pub(super) fn entries(listing: &[u8], budget: &Budget) -> Result<Vec<Entry>, Error> {
    let entries: Vec<Entry> = serde_json::from_slice(listing)
        .map_err(|e| ImageError::Document { what: DOCKER_INDEX, reason: e.to_string() })?;
    budget.list_manifests(entries.len())?;
    Ok(entries)
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

/// Compares the layers with `diff_ids` of the configuration, which name them in this format: nothing else does.
fn check_diff_ids(
    path: &Path,
    config: &Descriptor,
    layers: &[Descriptor],
    files: &BTreeMap<String, Range<u64>>,
    known: &mut BTreeMap<Digest, Digest>,
    budget: &Budget,
) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Config {
        rootfs: Option<Rootfs>,
    }
    #[derive(Deserialize)]
    struct Rootfs {
        diff_ids: Option<Vec<String>>,
    }
    let range = |descriptor: &Descriptor| files.get(&blob_path(descriptor)).cloned();
    budget.hold_document(config.size)?;
    let bytes = read_range(path, &range(config).unwrap_or_default());
    let config: Config = serde_json::from_slice(&bytes.map_err(Error::io("read", path))?)
        .map_err(|e| ImageError::Document { what: "configuration", reason: e.to_string() })?;
    let ids = config.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
    let wrong = |reason: String| Error::Image(ImageError::Layer { reason });
    if ids.len() != layers.len() {
        let (ids, layers) = (ids.len(), layers.len());
        return Err(wrong(format!("the configuration has {ids} `diff_ids` for {layers} of them")));
    }
    for (layer, id) in layers.iter().zip(ids) {
        // Most layers are not compressed, so that the digest of the file is the one.
        if layer.digest.to_string() == id {
            continue;
        }
        let found = match known.get(&layer.digest) {
            Some(found) => *found,
            None => {
                let range = range(layer).unwrap_or_default();
                let found = diff_id(&Blob::verified_file(layer.clone(), path, range)?, budget)?;
                known.insert(layer.digest, found);
                found
            }
        };
        if found.to_string() != id {
            return Err(wrong(format!(
                "its tar is {found}, but `diff_ids` of the configuration says {id}; save the image again"
            )));
        }
    }
    Ok(())
}

pub(super) fn digest(path: &Path, range: &Range<u64>, budget: &Budget) -> Result<Digest, Error> {
    let failed = |source: io::Error| Error::io("read", path)(source);
    let mut file = open_regular(path).map_err(failed)?;
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

#[cfg(test)]
mod tests {
    use super::super::Archive;
    use super::*;
    use crate::image::tests::layers::tar_of;
    use crate::limits::ReadLimits;

    #[test]
    fn layers_are_those_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("saved.tar");
        let layer = tar_of(&[("app.wasm", b"\0asm\x01\0\0\0")]);
        let open = |content: &[u8], ids: &[Digest]| {
            let config = serde_json::json!({ "rootfs": { "type": "layers", "diff_ids": ids } });
            let listing =
                br#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":["layer.tar"]}]"#;
            let config = config.to_string();
            let files = [
                ("config.json", config.as_bytes()),
                (DOCKER_INDEX, &listing[..]),
                ("layer.tar", content),
            ];
            std::fs::write(&path, tar_of(&files)).unwrap();
            Archive::open(&path, ReadLimits::default()).map(drop).map_err(|e| e.to_string())
        };
        let (id, other) = (Digest::of(&layer), Digest::of(b"other"));
        for content in [layer.clone(), crate::gzip::gzip(&layer)] {
            assert_eq!(open(&content, &[id]), Ok(()));
            assert!(open(&content, &[other]).unwrap_err().contains(&other.to_string()));
            assert!(open(&content, &[id, id]).unwrap_err().contains("2 `diff_ids`"));
            assert!(open(&content, &[]).unwrap_err().contains("0 `diff_ids`"));
        }
        let cut = &crate::gzip::gzip(&layer)[..40];
        assert!(open(cut, &[id]).unwrap_err().contains("can't be unpacked"));
    }
}

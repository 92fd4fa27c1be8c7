//! The layer that holds the module as a file.

use std::collections::{BTreeMap, BTreeSet};

use super::{Blob, Digest, Error, ImageSettings, MediaType};
use crate::gzip::gzip;

/// A compressed layer and what configurations call it.
#[derive(Clone)]
pub(super) struct Layer {
    pub(super) blob: Blob,
    /// The digest of the tar before compression (image-spec, config.md, `rootfs.diff_ids`).
    pub(super) diff_id: Digest,
}

/// Returns the layer with the module and the additional files.
pub(super) fn layer(module: &[u8], settings: &ImageSettings) -> Result<Layer, Error> {
    let tar = tar(module, settings)?;
    Ok(Layer { blob: Blob::new(MediaType::ImageLayerGzip, gzip(&tar)), diff_id: Digest::of(&tar) })
}

fn tar(module: &[u8], settings: &ImageSettings) -> Result<Vec<u8>, Error> {
    let module_file = settings.module_file();
    // Sorted, so that the same files give the same bytes in whatever order they were added.
    let mut files: BTreeMap<&str, (&[u8], u32)> = BTreeMap::new();
    // Executable, because engines that take the linux entry of a universal image check it.
    files.insert(&module_file, (module, 0o755));
    for file in &settings.include {
        if files.insert(file.path(), (file.content(), 0o644)).is_some() {
            let reason = "another file has this path";
            return Err(Error::InvalidInclude { path: file.path().to_owned(), reason });
        }
    }
    let folders: BTreeSet<&str> = files.keys().flat_map(|path| parents(path)).collect();
    if let Some(path) = folders.iter().find(|folder| files.contains_key(*folder)) {
        let reason = "another file has this path as its folder";
        return Err(Error::InvalidInclude { path: (*path).to_owned(), reason });
    }

    let mut tar = tar::Builder::new(Vec::with_capacity(module.len() + 4096));
    for folder in folders {
        append(&mut tar, &format!("{folder}/"), &[], 0o755, tar::EntryType::Directory)?;
    }
    for (path, (content, mode)) in files {
        append(&mut tar, path, content, mode, tar::EntryType::Regular)?;
    }
    tar.into_inner().map_err(Error::Io)
}

fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    content: &[u8],
    mode: u32,
    entry_type: tar::EntryType,
) -> Result<(), Error> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(entry_type);
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    // Nothing of this machine or of the time, so that the digest is the same everywhere.
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, path, content).map_err(Error::Io)
}

/// `a`, `a/b` of `a/b/c`.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(move |(end, _)| &path[..end])
}

//! The layer that holds the module as a file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::tar_entry::XATTR;
use super::{
    Attributes, Blob, Digest, Error, FileKind, ImageSettings, LayerCompression, ModuleFile,
};

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
    Ok(Layer { blob: settings.compression.layer(&tar)?, diff_id: Digest::of(&tar) })
}

/// Returns a layer with one file in one folder, which belong to root.
pub(super) fn layer_of(
    path: &str,
    content: &Arc<[u8]>,
    mode: u32,
    compression: LayerCompression,
) -> Result<Layer, Error> {
    let mut tar = tar::Builder::new(Vec::with_capacity(content.len() + 4096));
    for folder in parents(path) {
        let attributes = Attributes::of_mode(Attributes::FOLDER);
        append(&mut tar, folder, &FileKind::Folder, &attributes)?;
    }
    append(&mut tar, path, &FileKind::File(Arc::clone(content)), &Attributes::of_mode(mode))?;
    let tar = tar.into_inner().map_err(Error::Io)?;
    Ok(Layer { blob: compression.layer(&tar)?, diff_id: Digest::of(&tar) })
}

fn tar(module: &[u8], settings: &ImageSettings) -> Result<Vec<u8>, Error> {
    let ModuleFile { path, attributes } = settings.module_file();
    let content = FileKind::File(Arc::from(module));
    // Sorted, so that the same files give the same bytes in whatever order they were added.
    let mut files: BTreeMap<&str, (&FileKind, &Attributes)> = BTreeMap::new();
    files.insert(&path, (&content, &attributes));
    for file in &settings.include {
        if files.insert(file.path(), (file.kind(), file.attributes())).is_some() {
            let reason = "another file has this path";
            return Err(Error::InvalidInclude { path: file.path().to_owned(), reason });
        }
    }
    let is_folder = |path: &&str| matches!(files.get(path), Some((FileKind::Folder, _)));
    let mut folders: BTreeSet<&str> = files.keys().flat_map(|path| parents(path)).collect();
    if let Some(path) = folders.iter().find(|path| files.contains_key(*path) && !is_folder(path)) {
        let reason = "another file has this path as its folder";
        return Err(Error::InvalidInclude { path: (*path).to_owned(), reason });
    }
    folders.extend(files.keys().filter(|path| is_folder(path)));

    let mut tar = tar::Builder::new(Vec::with_capacity(module.len() + 4096));
    let usual = Attributes::of_mode(Attributes::FOLDER);
    for folder in &folders {
        let attributes = files.get(folder).map_or(&usual, |(_, attributes)| attributes);
        append(&mut tar, folder, &FileKind::Folder, attributes)?;
    }
    for (path, (kind, attributes)) in files.iter().filter(|(path, _)| !folders.contains(*path)) {
        append(&mut tar, path, kind, attributes)?;
    }
    tar.into_inner().map_err(Error::Io)
}

fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    kind: &FileKind,
    attributes: &Attributes,
) -> Result<(), Error> {
    let Attributes { mode, uid, gid, mtime, xattrs } = attributes;
    let records: Vec<(String, &[u8])> =
        xattrs.iter().map(|(name, value)| (format!("{XATTR}{name}"), value.as_slice())).collect();
    let records = records.iter().map(|(name, value)| (name.as_str(), *value));
    // A hard link is only another name of a file that has its attributes already.
    if !matches!(kind, FileKind::HardLink(_)) {
        tar.append_pax_extensions(records).map_err(Error::Io)?;
    }
    let mut header = tar::Header::new_ustar();
    header.set_mode(*mode);
    header.set_uid(*uid);
    header.set_gid(*gid);
    header.set_mtime(*mtime);
    match kind {
        FileKind::Folder => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            let path = if path.is_empty() { "./".to_owned() } else { format!("{path}/") };
            tar.append_data(&mut header, path, &[][..])
        }
        FileKind::File(content) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, &**content)
        }
        FileKind::Symlink(target) | FileKind::HardLink(target) => {
            let is_hard = matches!(kind, FileKind::HardLink(_));
            let entry_type = if is_hard { tar::EntryType::Link } else { tar::EntryType::Symlink };
            header.set_entry_type(entry_type);
            header.set_size(0);
            tar.append_link(&mut header, path, target)
        }
    }
    .map_err(Error::Io)
}

/// `a`, `a/b` of `a/b/c`.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(move |(end, _)| &path[..end])
}

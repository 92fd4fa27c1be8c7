//! Writing of archives.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;

use super::archive::{Archive, blob_path};
use super::graph::Graph;
use super::layout::{CONTAINERD_NAME, LAYOUT_FILE, REF_NAME};
use super::names::{matching, names};
use super::{Error, Name};
use crate::fs::{FileState, WriteOptions, folder_of, sweep_unfinished};
use crate::image::{
    Descriptor, Digest, Error as ImageError, Image, IndexDocument, Manifest, Reference, Tag,
};

/// An image for an archive, with its tags there.
#[derive(Debug, Clone)]
pub struct ArchiveImage<'a> {
    /// The image.
    pub image: &'a Image,
    /// Its tags.
    pub tags: &'a [Tag],
}

/// Writes an archive of images that `docker load`, `podman pull` and `ctr image import` take: an OCI layout
/// (image-spec, image-layout.md), with Docker's older `manifest.json` in addition if an image has a part for linux. The
/// images get the names `<repository>:<tag>`.
///
/// The file is replaced when the archive is complete. The same images give the same bytes.
///
/// # Errors
/// [`Error::Io`] when it can't be written.
pub fn write_archive(
    path: &Path,
    repository: &str,
    images: &[ArchiveImage<'_>],
) -> Result<(), Error> {
    let mut listed = Vec::new();
    for ArchiveImage { image, tags } in images {
        for tag in *tags {
            let mut entry = image.root().descriptor().clone();
            let names =
                [(REF_NAME, tag.to_string()), (CONTAINERD_NAME, containerd_name(repository, tag))];
            entry.annotations.extend(names.map(|(key, name)| (key.to_owned(), name)));
            let docker_name = Some(format!("{repository}:{tag}"));
            listed.push(Listed { image, entry, docker_name });
        }
        if tags.is_empty() {
            let entry = image.root().descriptor().clone();
            listed.push(Listed { image, entry, docker_name: None });
        }
    }
    write(path, &listed)
}

impl Archive {
    /// Puts an image in the place of another in the file. The images with other names stay as they are.
    ///
    /// The file is replaced when the new one is complete.
    ///
    /// # Errors
    /// [`Error::Changed`] when the file has changed since it was opened, and errors of [`load`](super::load) and
    /// [`write_archive`].
    pub async fn replace(&self, name: &Name, image: &Image) -> Result<(), Error> {
        let (_, replaced) = matching(self.images(), name, || self.to_string())?;
        let check_unchanged = || match FileState::of(&self.path) == self.state {
            true => Ok(()),
            false => Err(Error::Changed { place: self.to_string(), name: name.to_string() }),
        };
        check_unchanged()?;
        // One budget for all that stay.
        let graph = Graph::new(self);
        let mut kept = BTreeMap::new();
        for (_, entry) in self.images().iter().filter(|it| !replaced.contains(it)) {
            if let Entry::Vacant(new) = kept.entry(entry.digest) {
                new.insert(graph.image(graph.document(entry).await?).await?);
            }
        }
        let listed = self.images().iter().filter_map(|listed| {
            let entry = &listed.1;
            let (image, root) = match replaced.contains(&listed) {
                true => (image, image.root().descriptor()),
                false => (kept.get(&entry.digest)?, entry),
            };
            let entry = Descriptor { annotations: entry.annotations.clone(), ..root.clone() };
            Some(Listed { image, docker_name: docker_name(&entry), entry })
        });
        let listed: Vec<Listed<'_>> = listed.collect();
        // A change from here on is not seen: files have no conditional rename.
        check_unchanged()?;
        write(&self.path, &listed)
    }
}

/// Returns the name that Docker's own image store gives to an image of the archive.
fn docker_name(entry: &Descriptor) -> Option<String> {
    // The other name may be a tag alone.
    let whole = |name: &&str| name.parse::<Tag>().is_err() && name.parse::<Reference>().is_ok();
    let containerd = entry.annotations.get(CONTAINERD_NAME).map(String::as_str);
    containerd.into_iter().chain(names(entry)).find(whole).map(str::to_owned)
}

/// An image under one of its names.
struct Listed<'a> {
    image: &'a Image,
    /// The entry in the archive's index.
    entry: Descriptor,
    docker_name: Option<String>,
}

fn write(path: &Path, listed: &[Listed<'_>]) -> Result<(), Error> {
    let documents = Documents::of(listed)?;
    let fill = |file: &mut File| {
        append_all(&mut tar::Builder::new(io::BufWriter::new(file)), &documents, listed)
    };
    sweep_unfinished(folder_of(path));
    WriteOptions::default().replace(path, fill).map_err(Error::io("write", path))
}

struct Documents {
    index: std::sync::Arc<[u8]>,
    // Not a file with an empty list: Docker's classic store and podman load nothing from it, and report success.
    docker: Option<Vec<u8>>,
}

impl Documents {
    fn of(listed: &[Listed<'_>]) -> Result<Documents, Error> {
        let mut index = IndexDocument::default();
        // Docker's file lists each image once, with all of its names.
        let mut docker: Vec<(Digest, DockerEntry)> = Vec::new();
        for Listed { image, entry, docker_name } in listed {
            index.manifests.push(entry.clone());
            let position = docker.iter().position(|(digest, _)| *digest == entry.digest);
            match position {
                Some(position) => docker[position].1.repo_tags.extend(docker_name.clone()),
                None => docker.extend(
                    DockerEntry::of(image, docker_name.clone()).map(|it| (entry.digest, it)),
                ),
            }
        }
        let docker: Vec<DockerEntry> = docker.into_iter().map(|(_, entry)| entry).collect();
        let docker = (!docker.is_empty())
            .then(|| serde_json::to_vec(&docker))
            .transpose()
            .map_err(|e| ImageError::Document { what: "manifest.json", reason: e.to_string() })?;
        Ok(Documents { index: index.to_blob()?.bytes()?, docker })
    }
}

fn containerd_name(repository: &str, tag: &Tag) -> String {
    // containerd itself doesn't add Docker's default registry and namespace.
    match format!("{repository}:{tag}").parse::<Reference>() {
        Ok(reference) => reference.to_string(),
        Err(_) => format!("{repository}:{tag}"),
    }
}

/// An entry of `manifest.json`, which `docker load` reads when Docker's own image store is in use
/// ([moby, image specification v1.2](https://github.com/moby/docker-image-spec/blob/v1.2/v1.2.md)).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl DockerEntry {
    /// Returns the entry for the manifest that Docker's own store can hold.
    fn of(image: &Image, name: Option<String>) -> Option<DockerEntry> {
        // That store accepts only its own system, and only file systems as layers.
        let is_linux = |manifest: &&Manifest| {
            manifest.config().platform.as_ref().is_some_and(|p| p.os == "linux")
        };
        let manifest = image.manifests().iter().find(is_linux)?;
        Some(DockerEntry {
            config: blob_path(manifest.config_blob().descriptor()),
            repo_tags: name.into_iter().collect(),
            layers: manifest.layers().iter().map(|layer| blob_path(layer.descriptor())).collect(),
        })
    }
}

fn append_all(
    tar: &mut tar::Builder<impl io::Write>,
    documents: &Documents,
    listed: &[Listed<'_>],
) -> io::Result<()> {
    append(tar, "oci-layout", LAYOUT_FILE.len() as u64, LAYOUT_FILE.as_bytes())?;
    append(tar, "index.json", documents.index.len() as u64, &*documents.index)?;
    if let Some(docker) = &documents.docker {
        append(tar, "manifest.json", docker.len() as u64, &**docker)?;
    }
    // Images of one module share blobs.
    let mut written = BTreeSet::new();
    for blob in listed.iter().flat_map(|it| it.image.blobs()) {
        let descriptor = blob.descriptor();
        if written.insert(descriptor.digest) {
            append(
                tar,
                &blob_path(descriptor),
                descriptor.size,
                blob.reader().map_err(io::Error::other)?,
            )?;
        }
    }
    tar.finish()?;
    io::Write::flush(tar.get_mut())
}

fn append(
    tar: &mut tar::Builder<impl io::Write>,
    path: &str,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    // No time, so that the same images give the same bytes.
    header.set_mtime(0);
    tar.append_data(&mut header, path, content)
}

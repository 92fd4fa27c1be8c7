//! Archives: layouts in one tar file, or images in Docker's older format.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compressed_archive::unpacked;
use super::docker_archive::{self, DOCKER_INDEX};
use super::names::{default_name, find, tagged};
use super::saved_part::Files;
use super::two_listings::agree;
use super::{Error, Name, Source};
use crate::fs::{FileState, TemporaryFile, open_regular};
use crate::image::layer_path::without_dots;
use crate::image::tar_bounds::TarBounds;
use crate::image::{Blob, Descriptor, Digest, IndexDocument, MAX_DOCUMENT, Tag};
use crate::limits::{Budget, ReadLimits};

/// An archive that is open for reading, with its table of contents in memory.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(super) path: PathBuf,
    /// The state of the file before it was read.
    pub(super) state: Option<FileState>,
    /// The archive without its compression, if it has one.
    unpacked: Option<Arc<TemporaryFile>>,
    files: BTreeMap<String, Range<u64>>,
    /// Documents that the archive doesn't have itself, because it is of Docker's format, or has only a part of an index.
    made: BTreeMap<Digest, Blob>,
    missing: Vec<String>,
    images: Vec<(Option<Tag>, Descriptor)>,
    limits: ReadLimits,
    has_other_listing: bool,
}

impl Archive {
    /// Opens an archive, of OCI's format or of Docker's, to be read within these limits.
    ///
    /// # Errors
    /// [`Error::Io`] when it can't be read, [`Error::NotAStore`] when it is of neither format, [`Error::TwoListings`] when it
    /// is of both and they name different images, [`Error::Image`] when it is over a limit.
    pub fn open(path: &Path, limits: ReadLimits) -> Result<Archive, Error> {
        match Archive::open_as(path, limits, ["index.json", DOCKER_INDEX])? {
            archive if archive.has_other_listing => {
                Err(Error::TwoListings { path: path.to_owned() })
            }
            archive => Ok(archive),
        }
    }

    /// Opens an archive as podman's `docker-archive:` does: the images are those of its `manifest.json`, if it has one.
    ///
    /// # Errors
    /// As [`Archive::open`], except for [`Error::TwoListings`]: see [`Archive::has_other_listing`].
    pub fn open_docker(path: &Path, limits: ReadLimits) -> Result<Archive, Error> {
        Archive::open_as(path, limits, [DOCKER_INDEX, "index.json"])
    }

    fn open_as(path: &Path, limits: ReadLimits, names: [&str; 2]) -> Result<Archive, Error> {
        let not_an_archive = |reason: String| Error::NotAStore {
            path: path.to_owned(),
            expected: "an OCI archive",
            reason,
        };
        // Blobs are read where they are, in any order.
        let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
        if !metadata.is_file() && !metadata.is_dir() {
            return Err(not_an_archive(
                "it is not a regular file; save it to one first".to_owned(),
            ));
        }
        let state = FileState::of(path);
        let file = open_regular(path).map_err(Error::io("read", path))?;
        let budget = Budget::new(limits);
        let unpacked = unpacked(file, path, &budget)?;
        let shown = path.to_owned();
        let path = unpacked.as_ref().map_or(path, |it| it.path());
        let file = open_regular(path).map_err(Error::io("read", path))?;
        let bounds = TarBounds::new(&budget);
        let mut files = contents(file, &bounds).map_err(|error| match bounds.take_over() {
            Some(over) => over.into(),
            None => not_an_archive(format!("it can't be read as tar ({error})")),
        })?;
        let Some((name, range)) =
            names.iter().find_map(|name| Some((*name, files.get(*name)?.clone())))
        else {
            return Err(not_an_archive("it has no index.json and no manifest.json".to_owned()));
        };
        if range.end - range.start > MAX_DOCUMENT {
            return Err(not_an_archive(format!("its {name} is too large")));
        }
        budget.hold_document(range.end - range.start)?;
        let index = read_range(path, &range).map_err(Error::io("read", path))?;
        let has_other_listing = !agree(&Files { path, ranges: &files }, &budget)?;
        let mut made = BTreeMap::new();
        let index = match name {
            DOCKER_INDEX => docker_archive::convert(path, &index, &mut files, &mut made, &budget)?,
            _ => IndexDocument::parse(&index)?,
        };
        let mut images = tagged(index);
        budget.list_tags(images.len())?;
        let mut missing = Vec::new();
        // Tags of one image are next to each other, and it is looked at once.
        let mut parts: BTreeMap<Digest, Option<Descriptor>> = BTreeMap::new();
        for (_, root) in &mut images {
            let part = match parts.entry(root.digest) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let part = Files { path, ranges: &files }.saved_part(root, &budget)?;
                    new.insert(part.map(|part| {
                        missing.extend(part.missing);
                        made.extend(part.index.map(|index| (index.descriptor().digest, index)));
                        part.root
                    }))
                }
            };
            if let Some(part) = part {
                *root = Descriptor { annotations: root.annotations.clone(), ..part.clone() };
            }
        }
        Ok(Archive {
            path: shown,
            state,
            unpacked: unpacked.clone(),
            files,
            made,
            missing,
            images,
            limits,
            has_other_listing,
        })
    }

    /// Returns true if `manifest.json` names other images than `index.json`, which other readers take.
    #[must_use]
    pub fn has_other_listing(&self) -> bool {
        self.has_other_listing
    }

    /// Returns the platforms that an index in the archive lists and the archive doesn't have. The image is what is there.
    #[must_use]
    pub fn missing_platforms(&self) -> &[String] {
        &self.missing
    }

    /// Returns the images, in the order of the index, each with its tag if it has one.
    #[must_use]
    pub fn images(&self) -> &[(Option<Tag>, Descriptor)] {
        &self.images
    }

    /// Returns the name of the only image, otherwise `latest`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there are several images, none of them with the tag `latest`.
    pub fn default_name(&self) -> Result<Name, Error> {
        default_name(&self.images, || self.to_string())
    }
}

/// Returns where in the file the content of each regular file is.
fn contents(file: File, bounds: &TarBounds<'_>) -> io::Result<BTreeMap<String, Range<u64>>> {
    let mut archive = tar::Archive::new(bounds.reader(file));
    let (mut files, mut links) = (BTreeMap::new(), Vec::new());
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        bounds.enter(&entry)?;
        // `tar -c .` puts `./` before each path.
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            // Older versions of Docker wrote a link where a layer was there already.
            let target = entry.link_name()?.unwrap_or_default().to_string_lossy().into_owned();
            bounds.hold((path.len() + target.len() + size_of::<(String, String)>()) as u64)?;
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let folder = if kind.is_symlink() { folder } else { "" };
            let target = without_dots(&format!("{folder}/{target}"));
            links.push((path, target));
            continue;
        }
        if !kind.is_file() {
            continue;
        }
        // An archive may have any number of entries, and this table of them stays in memory.
        bounds.hold((path.len() + size_of::<(String, Range<u64>)>()) as u64)?;
        let start = entry.raw_file_position();
        // A hostile header can contain any size.
        files.insert(path, start..start.saturating_add(entry.size()));
    }
    // Only to files: nobody writes links to links.
    for (path, target) in links {
        if let Some(range) = files.get(&target).cloned() {
            files.entry(path).or_insert(range);
        }
    }
    Ok(files)
}

pub(super) fn blob_path(descriptor: &Descriptor) -> String {
    format!("blobs/sha256/{}", descriptor.digest.hex())
}

pub(super) fn read_range(path: &Path, range: &Range<u64>) -> io::Result<Vec<u8>> {
    use std::io::Seek;
    let mut file = open_regular(path)?;
    file.seek(io::SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    file.take(range.end - range.start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl std::fmt::Display for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the archive `{}`", self.path.display())
    }
}

impl Source for Archive {
    async fn resolve(&self, name: &Name) -> Result<Descriptor, Error> {
        find(&self.images, name, || self.to_string())
    }

    fn limits(&self) -> ReadLimits {
        self.limits
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if let Some(blob) = self.made.get(&descriptor.digest) {
            return Ok(blob.with_descriptor(descriptor.clone())?);
        }
        let range = self.files.get(&blob_path(descriptor)).ok_or_else(|| Error::NotFound {
            place: self.to_string(),
            name: descriptor.digest.to_string(),
            known: Vec::new(),
        })?;
        let path = self.unpacked.as_ref().map_or(&*self.path, |it| it.path());
        let temporary = self.unpacked.clone();
        Ok(Blob::verified_range(descriptor.clone(), path, range.clone(), temporary)?)
    }
}

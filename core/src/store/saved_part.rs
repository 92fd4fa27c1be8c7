//! The part of an index that an archive has: `docker save` lists every platform of an image, and saves those that were pulled.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::archive::{blob_path, read_range};
use crate::image::{
    Blob, Descriptor, Digest, Error, IndexDocument, MAX_DOCUMENT, ManifestDocument, Platform,
};
use crate::limits::Budget;
use crate::trace::OrTrace;

/// The files of an archive, by their paths.
pub(super) struct Files<'a> {
    pub(super) path: &'a Path,
    pub(super) ranges: &'a BTreeMap<String, Range<u64>>,
}

/// The part of an index that is there.
pub(super) struct SavedPart {
    /// The only manifest, or the new index. Its annotations are not those of the old root.
    pub(super) root: Descriptor,
    /// The new index.
    pub(super) index: Option<Blob>,
    /// The platforms that are not there.
    pub(super) missing: Vec<String>,
}

impl Files<'_> {
    /// Returns the part of an index that is there. `None` if it is whole, or can't be judged, or nothing is there.
    pub(super) fn saved_part(
        &self,
        root: &Descriptor,
        budget: &Budget,
    ) -> Result<Option<SavedPart>, Error> {
        if !root.media_type.is_index() {
            return Ok(None);
        }
        budget.time_left()?;
        let Some(document) = self.document(root).and_then(|it| IndexDocument::parse(&it).ok())
        else {
            return Ok(None);
        };
        budget.list_manifests(document.manifests.len())?;
        let (there, missing): (Vec<_>, Vec<_>) =
            document.manifests.iter().cloned().partition(|entry| self.is_whole(entry));
        if there.is_empty() || missing.is_empty() {
            return Ok(None);
        }
        let platform = |it: &Descriptor| it.platform.as_ref().map(Platform::to_string);
        let missing = missing.iter().filter_map(platform).collect();
        if let [only] = there.as_slice() {
            return Ok(Some(SavedPart { root: only.clone(), index: None, missing }));
        }
        budget.hold_document(root.size)?;
        let blob = IndexDocument { manifests: there, ..document }.to_blob()?;
        let root = blob.descriptor().clone();
        Ok(Some(SavedPart { root, index: Some(blob), missing }))
    }

    fn has(&self, descriptor: &Descriptor) -> bool {
        self.ranges.contains_key(&blob_path(descriptor))
    }

    /// Returns true if a manifest and everything that it lists are there.
    fn is_whole(&self, entry: &Descriptor) -> bool {
        if !entry.media_type.is_manifest() {
            return self.has(entry);
        }
        match self.document(entry).map(|it| ManifestDocument::parse(&it)) {
            Some(Ok(manifest)) => {
                self.has(&manifest.config) && manifest.layers.iter().all(|layer| self.has(layer))
            }
            // What is there and can't be read is an error for whoever reads it.
            Some(Err(_)) => true,
            None => self.has(entry),
        }
    }

    /// Returns the content, if it is there and is what its descriptor says.
    pub(super) fn document(&self, descriptor: &Descriptor) -> Option<Vec<u8>> {
        let range = self.ranges.get(&blob_path(descriptor))?;
        if range.end.saturating_sub(range.start) > MAX_DOCUMENT {
            return None;
        }
        let bytes = read_range(self.path, range).or_trace("read a document of an archive")?;
        (Digest::of(&bytes) == descriptor.digest).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::super::{Archive, ArchiveImage, Layout, Source, copy, load, write_archive};
    use super::*;
    use crate::image::tests::image;
    use crate::image::{Format, Tag};
    use crate::limits::ReadLimits;

    /// Writes the archive again without the files with these digests.
    fn without(path: &Path, left_out: &[Digest]) {
        let mut archive = tar::Archive::new(File::open(path).unwrap());
        let mut rest = tar::Builder::new(Vec::new());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            // Docker's own listing would have only what is there.
            let is_there = !left_out.iter().any(|digest| name.ends_with(&digest.hex()));
            if is_there && name != "manifest.json" {
                rest.append_data(&mut entry.header().clone(), name, content.as_slice()).unwrap();
            }
        }
        std::fs::write(path, rest.into_inner().unwrap()).unwrap();
    }

    #[tokio::test]
    async fn what_docker_saved_is_an_image() {
        let (folder, whole) = (tempfile::tempdir().unwrap(), image(Format::Universal));
        let (path, tags) = (folder.path().join("app.tar"), [Tag::latest()]);
        let digest = |n: usize| whole.manifests()[n].blob().descriptor().digest;
        for (left_out, platforms) in [(vec![digest(1), digest(2)], 1), (vec![digest(2)], 2)] {
            let images = [ArchiveImage { image: &whole, tags: &tags }];
            write_archive(&path, "app", &images).unwrap();
            without(&path, &left_out);
            let archive = Archive::open(&path, ReadLimits::default()).unwrap();
            assert_eq!(archive.missing_platforms().len(), left_out.len());
            let name = archive.default_name().unwrap();
            let part = load(&archive, &name).await.unwrap();
            assert_eq!(part.manifests().len(), platforms);
            assert_eq!(part.manifests()[0].blob().descriptor().digest, digest(0));
            let layout = Layout::create(&folder.path().join(platforms.to_string())).unwrap();
            let root = archive.resolve(&name).await.unwrap();
            copy(&archive, &root, &layout, &tags, &super::super::Silent).await.unwrap();
            let copied = load(&layout, &layout.default_name().unwrap()).await.unwrap();
            assert_eq!(copied.digest(), part.digest());
        }
    }
}

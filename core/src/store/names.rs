//! Names of the images in the index of a layout or an archive.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{CONTAINERD_NAME, REF_NAME};
use super::{Error, Name};
use crate::image::{Descriptor, Digest, IndexDocument, Reference, Tag};

/// An image in the index, with its tag if its name is one.
type Named = (Option<Tag>, Descriptor);

pub(super) fn tagged(index: IndexDocument) -> Vec<Named> {
    // The image-spec allows characters in this annotation that a tag can't have.
    let tag =
        |entry: &Descriptor| entry.annotations.get(REF_NAME).and_then(|name| name.parse().ok());
    index.manifests.into_iter().map(|entry| (tag(&entry), entry)).collect()
}

/// Returns the names of an entry: that of the image specification, then the whole one of containerd.
pub(super) fn names(entry: &Descriptor) -> impl Iterator<Item = &str> {
    let names = [REF_NAME, CONTAINERD_NAME].map(|key| entry.annotations.get(key));
    names.into_iter().flatten().map(String::as_str)
}

pub(super) fn default_name(
    images: &[Named],
    place: impl FnOnce() -> String,
) -> Result<Name, Error> {
    // One image may have several tags.
    let digests: BTreeSet<Digest> =
        images.iter().map(|(_, descriptor)| descriptor.digest).collect();
    if let (1, Some(digest)) = (digests.len(), digests.first()) {
        return Ok(Name::Digest(*digest));
    }
    if images.iter().any(|(tag, _)| tag.as_ref() == Some(&Tag::latest())) {
        return Ok(Name::Tag(Tag::latest()));
    }
    Err(Error::NotFound { place: place(), name: "latest".to_owned(), known: known(images) })
}

pub(super) fn find(
    images: &[Named],
    name: &Name,
    place: impl FnOnce() -> String,
) -> Result<Descriptor, Error> {
    Ok(matching(images, name, place)?.0.clone())
}

/// Returns the image that a name means, and all entries of it under that name.
pub(super) fn matching<'a>(
    images: &'a [Named],
    name: &Name,
    place: impl FnOnce() -> String,
) -> Result<(&'a Descriptor, Vec<&'a Named>), Error> {
    let wanted = |(tag, descriptor): &&Named| match name {
        Name::Tag(name) => tag.as_ref() == Some(name),
        Name::Digest(digest) => descriptor.digest == *digest,
        Name::Ref(name) => names(descriptor).any(|other| name.is_same(other)),
    };
    let mut found: Vec<&Named> = images.iter().filter(wanted).collect();
    // podman and skopeo write whole references, of which the tag is enough if only one image has it.
    if let ([], Name::Tag(tag)) = (found.as_slice(), name) {
        let has_tag = |text: &str| {
            text.parse::<Reference>().is_ok_and(|reference| reference.tag() == Some(tag))
        };
        found = images.iter().filter(|(_, it)| names(it).any(has_tag)).collect();
    }
    let name = name.to_string();
    match found.as_slice() {
        [] => Err(Error::NotFound { place: place(), name, known: known(images) }),
        [(_, first), rest @ ..] if rest.iter().all(|(_, it)| it.digest == first.digest) => {
            Ok((first, found))
        }
        // Docker saves images of several repositories under the same tag.
        several => {
            let several: Vec<_> = several.iter().map(|it| (*it).clone()).collect();
            Err(Error::Ambiguous { place: place(), name, known: known(&several) })
        }
    }
}

/// Returns a name of each image that no other image has: the short one, otherwise the whole one, otherwise the digest.
fn known(images: &[Named]) -> Vec<String> {
    let mut digests: BTreeMap<&str, BTreeSet<Digest>> = BTreeMap::new();
    for (_, descriptor) in images {
        for name in names(descriptor) {
            digests.entry(name).or_default().insert(descriptor.digest);
        }
    }
    let is_own = |name: &&str| digests.get(name).is_some_and(|digests| digests.len() == 1);
    let name = |(_, it): &Named| {
        names(it).find(is_own).map_or_else(|| it.digest.to_string(), str::to_owned)
    };
    images.iter().map(name).collect()
}

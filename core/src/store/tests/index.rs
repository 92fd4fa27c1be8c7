//! Names that move from one image to another, and indexes whose entries are in several stores.

use super::*;

#[tokio::test]
async fn a_name_moves_only_from_the_image_that_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (image(Format::Container), image(Format::Module));
    let layout = saved(folder.path(), &old, &["a", "b"]).await;
    saved(folder.path(), &new, &["c"]).await;
    let at = async |text| layout.resolve(&Name::Tag(tag(text))).await.unwrap().digest;
    let root = new.root().descriptor();
    let move_it = |name: Name, from| layout.replace(&name, from, root);
    let error = move_it(Name::Tag(tag("a")), new.digest()).unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    let error = move_it(Name::Tag(tag("gone")), old.digest()).unwrap_err().to_string();
    assert!(error.contains("`gone` of the layout"), "{error}");
    assert_eq!(at("a").await, old.digest());
    move_it(Name::Tag(tag("a")), old.digest()).unwrap();
    assert_eq!((at("a").await, at("b").await), (new.digest(), old.digest()));
    // A digest stands for all names.
    layout.replace(&Name::Digest(new.digest()), new.digest(), old.root().descriptor()).unwrap();
    assert_eq!((at("a").await, at("c").await), (old.digest(), old.digest()));
}

#[tokio::test]
async fn an_archive_that_was_changed_meanwhile_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.tar");
    let (old, new) = (image(Format::Container), image(Format::Universal));
    let write = |image: &Image| {
        let images = [ArchiveImage { image, tags: &[tag("a"), tag("b")] }];
        write_archive(&path, "app", &images).unwrap();
        Archive::open(&path, ReadLimits::default()).unwrap()
    };
    let archive = write(&old);
    write(&image(Format::Combined));
    let name = Name::Tag(tag("a"));
    let error = archive.replace(&name, &new).await.unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");

    write(&old).replace(&name, &new).await.unwrap();
    let archive = Archive::open(&path, ReadLimits::default()).unwrap();
    let at = async |text| load(&archive, &Name::Tag(tag(text))).await.unwrap().digest();
    assert_eq!((at("a").await, at("b").await), (new.digest(), old.digest()));
    let docker = Archive::open_docker(&path, ReadLimits::default()).unwrap();
    assert!(!docker.has_other_listing());
}

#[tokio::test]
async fn an_index_of_two_stores_is_read_like_any_image() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (image(Format::Universal), image(Format::Artifact));
    let one = saved(&folder.path().join("one"), &ours, &["1"]).await;
    let two = saved(&folder.path().join("two"), &other, &["1"]).await;
    let name = Name::Tag(tag("1"));
    let mut draft = IndexDraft::read(&one, &name).await.unwrap();
    draft.remove(&["wasi/wasm".parse().unwrap()], &[]).unwrap();
    let taken = draft.add(&two, &name, &[], false).await.unwrap();
    assert_eq!(taken[0].platform.as_ref().unwrap().to_string(), "wasip1/wasm");
    let drafted = draft.finish().unwrap();
    assert_eq!((drafted.former(), drafted.entries().len()), (Some(ours.digest()), 3));
    let read = load(&drafted, &Name::Digest(drafted.root().descriptor().digest)).await.unwrap();
    assert_eq!(read.manifests()[2].digest(), other.digest());
    // It has no other name.
    assert!(matches!(drafted.resolve(&name).await, Err(Error::NotFound { .. })));

    // What is not listed is not fetched, even from a store that has it.
    let layer = ours.wasm_manifest().unwrap().blob().descriptor().clone();
    assert!(matches!(drafted.fetch(&layer).await, Err(Error::NotFound { .. })));

    // One budget is for all stores.
    let limits = ReadLimits { manifests: 2, ..ReadLimits::default() };
    let (one, two) = (one.with_limits(limits), two.with_limits(limits));
    let mut draft = IndexDraft::read(&two, &name).await.unwrap();
    let error = draft.add(&one, &name, &[], false).await.unwrap_err();
    assert!(matches!(error, Error::Image(ImageError::OverLimit(_))), "{error}");
}

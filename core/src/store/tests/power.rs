//! Power failures: after each change to the file system, with everything lost that was not synced, or a part of it.

use super::*;
use crate::fs::journal::{Change, Loss, record, replay};

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// The extremes, and some others for each number.
fn losses(number: u64) -> impl Iterator<Item = Loss> {
    let seed = 0x9e37_79b9_7f4a_7c15_u64;
    let some = (1..5).map(move |it| Loss::Some(seed.wrapping_mul(5 * number + it)));
    [Loss::All, Loss::Contents, Loss::Zeros, Loss::Names].into_iter().chain(some)
}

/// Returns the digest of the image that has the tag, if there is one. Panics if it is damaged.
fn tagged(path: &Path, context: &str) -> Option<Digest> {
    let layout = Layout::open(path).ok()?;
    let images = layout.images().unwrap_or_else(|e| panic!("{context}: {e}"));
    let (_, descriptor) = images.into_iter().find(|(name, _)| *name == Some(tag("1")))?;
    let image = run(load(&layout, &Name::Tag(tag("1"))));
    assert_eq!(
        image.unwrap_or_else(|e| panic!("{context}: {e}")).digest(),
        descriptor.digest,
        "{context}"
    );
    Some(descriptor.digest)
}

fn write(path: &Path, image: &Image, change: impl FnOnce(Layout) -> Layout) -> Vec<Change> {
    record(|| {
        let layout = change(Layout::create(path).unwrap());
        run(save(image, &layout, &[tag("1")], &Silent)).unwrap();
    })
}

#[test]
fn a_layout_is_old_or_new_after_a_power_failure() {
    let (old, new) = (image(Format::Container), image(Format::Universal));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layouts/layout");
    let first = write(&path, &old, |layout| layout);
    let all = [first.clone(), write(&path, &new, |layout| layout)].concat();
    assert!(all.len() > first.len() + 10, "{} changes were recorded", all.len());
    let after = |number| losses(number as u64).map(move |loss| (number, loss));
    for (number, loss) in (0..=all.len()).flat_map(after) {
        let context = format!("after {number} of {} changes with {loss:?}", all.len());
        let disk = tempfile::tempdir().unwrap();
        replay(&all[..number], loss, folder.path(), disk.path());
        let path = disk.path().join("layouts/layout");
        let found = tagged(&path, &context);
        let allowed = [
            found.is_none() && number < first.len(),
            found == Some(old.digest()) && number < all.len(),
            found == Some(new.digest()) && number > first.len(),
        ];
        assert!(allowed.contains(&true), "{context}: {found:?}");
        // And nothing stands in the way of the next.
        let layout = Layout::create(&path).unwrap_or_else(|e| panic!("{context}: {e}"));
        run(save(&new, &layout, &[tag("1")], &Silent)).unwrap();
        assert_eq!(tagged(&path, &context), Some(new.digest()), "{context}");
    }
}

#[test]
fn without_syncs_the_same_test_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout");
    let changes = write(&path, &image(Format::Container), Layout::checked);
    let is_damaged = |loss| {
        let disk = tempfile::tempdir().unwrap();
        replay(&changes, loss, folder.path(), disk.path());
        let path = disk.path().join("layout");
        let read =
            Layout::open(&path).ok().and_then(|it| run(load(&it, &Name::Tag(tag("1")))).ok());
        read.is_none()
    };
    assert!(losses(0).any(is_damaged));
}

#[test]
fn an_empty_marker_and_an_empty_index_heal() {
    let image = image(Format::Container);
    for lost in [&b""[..], &[0; 30]] {
        for file in ["oci-layout", "index.json"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("layout");
            run(saved(&path, &image, &["1"]));
            std::fs::write(path.join(file), lost).unwrap();
            let read = Layout::open(&path).unwrap();
            assert_eq!(read.images().unwrap().len(), usize::from(file == "oci-layout"), "{file}");
            run(saved(&path, &image, &["2"]));
            assert!(!std::fs::read(path.join(file)).unwrap().starts_with(&[0]));
            let layout = Layout::open(&path).unwrap();
            assert_eq!(run(load(&layout, &Name::Tag(tag("2")))).unwrap().digest(), image.digest());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    run(saved(folder.path(), &image, &["1"]));
    std::fs::remove_file(folder.path().join("index.json")).unwrap();
    assert!(Layout::create(folder.path()).unwrap().images().unwrap().is_empty());
    // What is not a layout stays as it is.
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("oci-layout"), "").unwrap();
    Layout::create(other.path()).unwrap_err();
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_blob_is_not_there_already() {
    let image = image(Format::Container);
    let folder = tempfile::tempdir().unwrap();
    let layout = run(saved(folder.path(), &image, &["1"]));
    for blob in image.blobs() {
        let Descriptor { digest, size, .. } = *blob.descriptor();
        assert!(layout.contains(digest, size) && layout.holds(digest));
        // As long as before: the size alone shows nothing.
        std::fs::write(layout.blob_file(digest), vec![0; size as usize]).unwrap();
        assert!(!layout.contains(digest, size) && !layout.holds(digest));
    }
    run(save(&image, &layout, &[tag("1")], &Silent)).unwrap();
    assert_eq!(run(load(&layout, &Name::Tag(tag("1")))).unwrap().digest(), image.digest());
}

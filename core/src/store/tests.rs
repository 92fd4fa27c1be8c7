//! Write, read, compare: layouts and archives.

mod hostile;
mod index;
mod power;

use std::path::Path;

use super::*;
use crate::fs::CacheFolder;
use crate::image::tests::image;
use crate::image::{Format, MAX_DOCUMENT, MediaType};

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

async fn saved(path: &Path, image: &Image, tags: &[&str]) -> Layout {
    let layout = Layout::create(path).unwrap();
    let tags: Vec<Tag> = tags.iter().map(|text| tag(text)).collect();
    save(image, &layout, &tags, &Silent).await.unwrap();
    layout
}

#[tokio::test]
async fn every_format_reads_back_from_a_layout_and_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let image = image(format);
        let layout = saved(&folder.path().join(format.name()), &image, &["1", "latest"]).await;
        for name in [Name::Tag(tag("1")), Name::Tag(tag("latest")), Name::Digest(image.digest())] {
            assert_eq!(load(&layout, &name).await.unwrap().digest(), image.digest());
        }
        assert_eq!(layout.default_name().unwrap(), Name::Digest(image.digest()));

        let path = folder.path().join("archive.tar");
        let images = [ArchiveImage { image: &image, tags: &[tag("1")] }];
        write_archive(&path, "app", &images).unwrap();
        let archive = Archive::open(&path, ReadLimits::default()).unwrap();
        let read = load(&archive, &Name::Tag(tag("1"))).await.unwrap();
        assert_eq!(read.digest(), image.digest());
        assert_eq!(read.size(), image.size());
        let manifest = load_wasm(&archive, &archive.default_name().unwrap()).await.unwrap();
        assert_eq!(
            manifest.module().unwrap().bytes(),
            image.wasm_manifest().unwrap().module().unwrap().bytes()
        );
    }
}

#[tokio::test]
async fn manifests_are_listed_without_their_layers_and_say_if_they_are_native() {
    let folder = tempfile::tempdir().unwrap();
    for (format, expected) in [
        (Format::Standalone, &[false, true, true][..]),
        (Format::Universal, &[false; 3]),
        (Format::Artifact, &[false]),
    ] {
        let image = image(format);
        let layout = saved(&folder.path().join(format.name()), &image, &["1"]).await;
        for layer in image.manifests().iter().flat_map(Manifest::layers) {
            let path = format!("blobs/sha256/{}", layer.descriptor().digest.hex());
            let _removed = std::fs::remove_file(layout.path().join(path));
        }
        let listed = list(&layout, &Name::Tag(tag("1"))).await.unwrap();
        let native: Vec<bool> = listed.iter().map(|it| it.is_native(&listed)).collect();
        assert_eq!(native, expected, "{format}");
        let digests: Vec<Digest> = image.manifests().iter().map(Manifest::digest).collect();
        assert_eq!(listed.iter().map(|it| it.digest).collect::<Vec<_>>(), digests);
        // Next to a program for WebAssembly, another one for Linux is native.
        let mut hybrid = listed;
        hybrid.last_mut().unwrap().layers.clear();
        assert_eq!(hybrid.last().unwrap().is_native(&hybrid), format.is_index(), "{format}");
    }
}

#[tokio::test]
async fn a_tag_moves_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (image(Format::Container), image(Format::Module));
    saved(folder.path(), &old, &["a", "b"]).await;
    let layout = saved(folder.path(), &new, &["b"]).await;
    let at = async |text| layout.resolve(&Name::Tag(tag(text))).await.unwrap().digest;
    assert_eq!(at("a").await, old.digest());
    assert_eq!(at("b").await, new.digest());
    let missing = layout.resolve(&Name::Tag(tag("c"))).await.unwrap_err().to_string();
    assert!(missing.contains("`c`") && missing.ends_with("it has a, b"), "{missing}");
    assert!(layout.default_name().is_err());
}

#[tokio::test]
async fn pruning_takes_what_no_image_needs_and_nothing_while_it_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (image(Format::Container), image(Format::Module));
    drop(saved(folder.path(), &old, &["a", "b"]).await);
    drop(saved(folder.path(), &new, &["b"]).await);
    let open = || Layout::open(folder.path()).unwrap();
    assert_eq!(open().prune().await.unwrap(), 0);
    let other = saved(folder.path(), &new, &["a"]).await;
    assert_eq!(open().prune().await.unwrap(), 0);
    drop(other);
    let shared: Vec<Digest> = new.blobs().map(|blob| blob.descriptor().digest).collect();
    let of_old = old.blobs().map(Blob::descriptor).filter(|blob| !shared.contains(&blob.digest));
    assert_eq!(open().prune().await.unwrap(), of_old.map(|blob| blob.size).sum::<u64>());
    assert_eq!(load(&open(), &Name::Tag(tag("a"))).await.unwrap().digest(), new.digest());
    assert!(!open().holds(old.digest()));
}

#[test]
fn two_writers_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let image = image(Format::ALL[writer % Format::ALL.len()]);
                runtime.block_on(saved(path, &image, &[&format!("writer{writer}"), "last"]));
            });
        }
    });
    let layout = Layout::open(&path).unwrap();
    let mut tags: Vec<String> = layout
        .images()
        .unwrap()
        .into_iter()
        .filter_map(|(tag, _)| Some(tag?.to_string()))
        .collect();
    tags.sort();
    let mut expected: Vec<String> = (0..8).map(|writer| format!("writer{writer}")).collect();
    expected.insert(0, "last".to_owned());
    assert_eq!(tags, expected);
    let left: Vec<_> =
        std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing temporary is left: {left:?}");
}

#[tokio::test]
async fn what_is_damaged_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(Format::Container);
    let layout = saved(folder.path(), &image, &["1"]).await;
    for blob in image.blobs() {
        let descriptor = blob.descriptor();
        let path = folder.path().join("blobs/sha256").join(descriptor.digest.hex());
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[0] ^= 1;
        for damage in [bad, good[1..].to_vec(), [&good[..], b" "].concat()] {
            std::fs::write(&path, damage).unwrap();
            let error = load(&layout, &Name::Tag(tag("1"))).await.unwrap_err();
            assert!(matches!(error, Error::Image(ImageError::Mismatch { .. })), "{error}");
        }
        std::fs::write(&path, good).unwrap();
    }
    assert!(load(&layout, &Name::Tag(tag("1"))).await.is_ok());
}

#[tokio::test]
async fn a_document_without_end_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let large = Blob::new(MediaType::ImageManifest, vec![b' '; MAX_DOCUMENT as usize + 1]);
    layout.push(&large, &Silent).await.unwrap();
    layout.tag(&large, &tag("1")).await.unwrap();
    let error = load(&layout, &Name::Tag(tag("1"))).await.unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
}

#[test]
fn a_folder_with_other_things_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "x").unwrap();
    let error = Layout::create(folder.path()).unwrap_err().to_string();
    assert!(error.contains("holds other files"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(matches!(Layout::open(folder.path()), Err(Error::NotAStore { .. })));
}

#[test]
fn an_archive_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tar");
    std::fs::write(&path, "not a tar").unwrap();
    assert!(matches!(Archive::open(&path, ReadLimits::default()), Err(Error::NotAStore { .. })));
    assert!(matches!(
        Archive::open(&folder.path().join("none.tar"), ReadLimits::default()),
        Err(Error::Io { .. })
    ));
}

#[test]
fn an_archive_that_can_t_be_written_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/folder.tar");
    let image = image(Format::Container);
    let error =
        write_archive(&path, "app", &[ArchiveImage { image: &image, tags: &[] }]).unwrap_err();
    assert!(matches!(error, Error::Io { action: "write", .. }), "{error}");
}

#[test]
fn an_archive_always_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let images = [image(Format::Universal), image(Format::Module)];
    let entries: Vec<_> = images.iter().map(|image| ArchiveImage { image, tags: &[] }).collect();
    let bytes = |name: &str| {
        let path = folder.path().join(name);
        write_archive(&path, "app", &entries).unwrap();
        std::fs::read(path).unwrap()
    };
    assert_eq!(bytes("a"), bytes("b"));
}

/// A layout that counts what is asked of it.
struct Counting<'a>(&'a Layout, std::sync::atomic::AtomicUsize);

impl Counting<'_> {
    fn asked(&self) -> usize {
        self.1.swap(0, std::sync::atomic::Ordering::Relaxed)
    }

    fn count(&self) {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Source for &Counting<'_> {
    async fn resolve(&self, name: &Name) -> Result<Descriptor, Error> {
        self.count();
        self.0.resolve(name).await
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.count();
        self.0.fetch(descriptor).await
    }
}

#[tokio::test]
async fn fetched_blobs_are_cached() {
    let folder = tempfile::tempdir().unwrap();
    let (place, cache) = (folder.path().join("layout"), folder.path().join("cache"));
    let image = image(Format::Universal);
    let layout = saved(&place, &image, &["1"]).await;
    let origin = Counting(&layout, 0.into());
    let source = || CachedSource::new(&origin, &CacheFolder::open(&cache).unwrap(), 1 << 20);
    let (by_tag, by_digest) = (Name::Tag(tag("1")), Name::Digest(image.digest()));
    let digest = load_wasm(&source(), &by_tag).await.unwrap().digest();
    assert_eq!(origin.asked(), 5, "the tag, the index, a manifest, its configuration, its layer");
    assert_eq!(load_wasm(&source(), &by_tag).await.unwrap().digest(), digest);
    assert_eq!(origin.asked(), 1, "where the tag is");
    assert_eq!(load_wasm(&source(), &by_digest).await.unwrap().digest(), digest);
    assert_eq!(origin.asked(), 0);

    for blob in std::fs::read_dir(cache.join("blobs/sha256")).unwrap() {
        std::fs::write(blob.unwrap().path(), "damaged").unwrap();
    }
    assert_eq!(load_wasm(&source(), &by_digest).await.unwrap().digest(), digest);
    assert_eq!(origin.asked(), 5);
}

#[tokio::test]
async fn the_cache_stays_within_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (place, cache) = (folder.path().join("layout"), folder.path().join("cache"));
    let layout = saved(&place, &image(Format::Universal), &["1"]).await;
    let source = CachedSource::new(layout, &CacheFolder::open(&cache).unwrap(), 0);
    load_wasm(&source, &Name::Tag(tag("1"))).await.unwrap();
    let blobs =
        || std::fs::read_dir(cache.join("blobs/sha256")).unwrap().map(|blob| blob.unwrap().path());
    assert_eq!(blobs().count(), 4, "they were just used");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(100_000);
    for blob in blobs() {
        std::fs::File::options().write(true).open(blob).unwrap().set_modified(long_ago).unwrap();
    }
    source.shrink();
    assert_eq!(blobs().count(), 0);
}

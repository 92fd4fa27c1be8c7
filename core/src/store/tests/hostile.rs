//! Images that were made to do harm: a reader stops at its limits.

use std::io::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::image::{IndexDocument, ManifestDocument};
use crate::limits::OverLimit;

/// A source of these blobs, which counts what is fetched and can be slow.
#[derive(Default)]
struct Hostile {
    blobs: BTreeMap<Digest, Vec<u8>>,
    root: Option<Descriptor>,
    fetched: Mutex<Vec<Digest>>,
    limits: ReadLimits,
    delay: Duration,
}

impl Hostile {
    fn add(&mut self, media_type: MediaType, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        self.blobs.insert(descriptor.digest, bytes.to_vec());
        descriptor
    }

    fn add_manifest(&mut self, layers: Vec<Descriptor>, number: usize) -> Descriptor {
        let config =
            br#"{"architecture":"wasm","os":"wasip1","rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = self.add(MediaType::ImageConfig, config);
        let annotations = BTreeMap::from([("number".to_owned(), number.to_string())]);
        let manifest = ManifestDocument { config, layers, annotations }.to_blob().unwrap();
        self.add(MediaType::ImageManifest, &manifest.bytes().unwrap())
    }

    /// Makes the image one of these manifests.
    fn add_index(&mut self, manifests: Vec<Descriptor>) {
        let index = IndexDocument { manifests, ..IndexDocument::default() }.to_blob().unwrap();
        self.root = Some(self.add(MediaType::ImageIndex, &index.bytes().unwrap()));
    }

    fn name(&self) -> Name {
        Name::Digest(self.root.as_ref().unwrap().digest)
    }

    fn fetches(&self) -> usize {
        self.fetched.lock().unwrap().len()
    }
}

impl Source for Hostile {
    async fn resolve(&self, _: &Name) -> Result<Descriptor, Error> {
        Ok(self.root.clone().unwrap())
    }

    async fn fetch(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.fetched.lock().unwrap().push(descriptor.digest);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let bytes = self.blobs[&descriptor.digest].clone();
        Ok(Blob::verified(descriptor.clone(), bytes)?)
    }

    fn limits(&self) -> ReadLimits {
        self.limits
    }
}

#[track_caller]
fn limit<T>(result: Result<T, Error>) -> &'static str {
    match result.err() {
        Some(Error::Image(ImageError::OverLimit(over))) => OverLimit::limit(&over),
        other => panic!("no limit, but {other:?}"),
    }
}

/// The limit that loading, copying and surveying the image all stop at.
async fn limit_of_all(source: &Hostile) -> &'static str {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(&folder.path().join("copy")).unwrap();
    let root = source.root.as_ref().unwrap();
    let stopped = limit(load(source, &source.name()).await);
    assert_eq!(limit(copy(source, root, &layout, &[], &Silent).await), stopped);
    assert_eq!(limit(load_partial(source, &source.name()).await), stopped);
    stopped
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A gzipped tar of one file.
fn layer(path: &str, size: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(size as u64);
    tar.append_data(&mut header, path, &*vec![0; size]).unwrap();
    gzipped(&tar.into_inner().unwrap())
}

#[tokio::test]
async fn ten_thousand_manifests_are_not_fetched() {
    let mut source = Hostile::default();
    let manifests = (0..10_000).map(|number| source.add_manifest(Vec::new(), number)).collect();
    source.add_index(manifests);
    assert_eq!(limit_of_all(&source).await, "manifests");
    assert_eq!(limit(load_wasm(&source, &source.name()).await), "manifests");
    assert_eq!(source.fetches(), 4, "only the index, once an operation");
}

#[tokio::test]
async fn one_digest_that_is_named_ten_thousand_times_is_fetched_once() {
    let mut source = Hostile::default();
    let layer = source.add(MediaType::Wasm, b"\0asm\x01\0\0\0");
    let manifest = source.add_manifest(vec![layer; 5_000], 0);
    source.add_index(vec![manifest; 2]);
    let image = load(&source, &source.name()).await.unwrap();
    let layers: usize = image.manifests().iter().map(|manifest| manifest.layers().len()).sum();
    assert_eq!(layers, 10_000);
    assert_eq!(source.fetches(), 4, "index, manifest, configuration, layer");
    // One more is one too many: descriptors take memory, too.
    let again = source.add_manifest(vec![source.root.clone().unwrap()], 1);
    let mut entries = vec![image.manifests()[0].blob().descriptor().clone(); 2];
    entries.push(again);
    source.add_index(entries);
    assert_eq!(limit_of_all(&source).await, "layers");
}

/// An index can't name itself, because it would have to have its own digest in it. It can name other indexes.
#[tokio::test]
async fn indexes_in_indexes_are_followed_only_so_far() {
    let mut source = Hostile::default();
    for _ in 0..100 {
        let deeper = source.root.clone();
        let deeper = deeper.unwrap_or_else(|| source.add_manifest(Vec::new(), 0));
        source.add_index(vec![deeper.clone(), deeper]);
    }
    let error = load(&source, &source.name()).await.unwrap_err();
    assert!(error.to_string().contains("nested more than 8 deep"), "{error}");
    let partial = load_partial(&source, &source.name()).await.unwrap();
    assert!(partial.manifests.iter().all(|listed| listed.manifest.is_err()));
    assert!(source.fetches() < 25);
}

#[tokio::test]
async fn sizes_count_before_anything_is_fetched() {
    let mut source = Hostile::default();
    let mut layers: Vec<_> =
        (0u8..3).map(|number| source.add(MediaType::Wasm, &[number])).collect();
    layers.iter_mut().for_each(|layer| layer.size = u64::MAX / 2);
    let manifest = source.add_manifest(layers, 0);
    source.add_index(vec![manifest]);
    assert_eq!(limit_of_all(&source).await, "fetched");
}

#[tokio::test]
async fn documents_together_take_no_more_memory_than_they_may() {
    let mut source = Hostile::default();
    source.limits.memory = 10_000;
    let manifests = (0..100).map(|number| source.add_manifest(Vec::new(), number)).collect();
    source.add_index(manifests);
    source.limits.memory = source.root.as_ref().unwrap().size + 5_000;
    assert_eq!(limit_of_all(&source).await, "memory");
}

#[tokio::test]
async fn a_document_counts_with_what_parsing_it_takes() {
    let mut source = Hostile::default();
    let manifest = source.add_manifest(Vec::new(), 0);
    source.limits.memory = manifest.size * 4;
    source.root = Some(manifest);
    assert_eq!(limit_of_all(&source).await, "memory");
}

#[tokio::test]
async fn layers_that_unpack_to_more_together_are_refused() {
    let mut source = Hostile::default();
    source.limits.unpacked = 5 << 20;
    let layers: Vec<_> = (0..3)
        .map(|number| layer(&format!("other{number}"), 2 << 20))
        .map(|bytes| source.add(MediaType::ImageLayerGzip, &bytes))
        .collect();
    let two = source.add_manifest(layers[..2].to_vec(), 0);
    let three = source.add_manifest(layers, 1);
    source.add_index(vec![two, three]);
    let image = load(&source, &source.name()).await.unwrap();
    let [two, three] = image.manifests() else { panic!("two manifests") };
    assert!(matches!(two.module(), Err(ImageError::NoModule { .. })), "within");
    assert!(
        matches!(three.module(), Err(ImageError::OverLimit(over)) if over.limit() == "unpacked")
    );
    assert!(three.included().is_err());
    let shape = load_partial(&source, &source.name()).await.unwrap().shape();
    assert!(matches!(shape, Err(ImageError::OverLimit(over)) if over.limit() == "unpacked"));
}

#[tokio::test]
async fn a_large_file_is_not_read_into_memory() {
    let mut source = Hostile::default();
    source.limits.memory = 1 << 20;
    let layer = source.add(MediaType::ImageLayerGzip, &layer("app.wasm", 2 << 20));
    source.root = Some(source.add_manifest(vec![layer], 0));
    let manifest = load_wasm(&source, &source.name()).await.unwrap();
    assert!(
        matches!(manifest.module(), Err(ImageError::OverLimit(over)) if over.limit() == "memory")
    );
}

/// A tar with an extended header of so many bytes, a long name or PAX records, before a file.
fn extended(kind: tar::EntryType, size: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let record = format!("{} comment={}\n", size, "x".repeat(size - 10 - size.to_string().len()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    tar.append_data(&mut header, "extended", record.as_bytes()).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    tar.append_data(&mut header, "index.json", &b" "[..]).unwrap();
    tar.into_inner().unwrap()
}

#[tokio::test]
async fn extended_headers_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [tar::EntryType::XHeader, tar::EntryType::GNULongName, tar::EntryType::GNULongLink]
    {
        for (size, is_over) in [(1000 << 10, false), (2 << 20, true)] {
            let tar = extended(kind, size);
            let mut source = Hostile::default();
            let layer = source.add(MediaType::ImageLayerGzip, &gzipped(&tar));
            source.root = Some(source.add_manifest(vec![layer], 0));
            let manifest = load_wasm(&source, &source.name()).await.unwrap();
            let over = |error: &ImageError| matches!(error, ImageError::OverLimit(over) if over.limit() == "metadata");
            assert_eq!(over(&manifest.module().unwrap_err()), is_over, "{kind:?} {size}");
            let path = folder.path().join("archive.tar");
            std::fs::write(&path, &tar).unwrap();
            let Err(error) = Archive::open(&path, ReadLimits::default()) else {
                panic!("{kind:?} {size}: an archive")
            };
            let is_metadata = matches!(&error, Error::Image(error) if over(error));
            assert_eq!(is_metadata, is_over, "{kind:?} {size}: {error}");
        }
    }
}

#[tokio::test]
async fn a_slow_source_ends_with_the_time() {
    let mut source = Hostile::default();
    let manifests = (0..100).map(|number| source.add_manifest(Vec::new(), number)).collect();
    source.add_index(manifests);
    source.delay = Duration::from_millis(20);
    source.limits.time = Duration::from_millis(200);
    let start = std::time::Instant::now();
    assert_eq!(limit(load(&source, &source.name()).await), "time");
    source.delay = Duration::from_secs(1000);
    assert_eq!(limit(load(&source, &source.name()).await), "time");
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// A layout of somebody else may have anything in the place of a file. A pipe would be waited for, a device has no end.
#[cfg(unix)]
#[tokio::test]
async fn only_regular_files_are_parts_of_a_layout() {
    let folder = tempfile::tempdir().unwrap();
    let whole = image(Format::Artifact);
    let blob = format!("blobs/sha256/{}", whole.digest().hex());
    for (number, part) in ["oci-layout", "index.json", &blob, "blobs/sha256"].iter().enumerate() {
        for device in [false, true] {
            let path = folder.path().join(format!("{number}{device}"));
            drop(saved(&path, &whole, &["1"]).await);
            let part = path.join(part);
            std::fs::rename(&part, path.join("old")).unwrap();
            if device {
                std::os::unix::fs::symlink("/dev/zero", &part).unwrap();
            } else {
                let made = std::process::Command::new("mkfifo").arg(&part).status().unwrap();
                assert!(made.success());
            }
            let read = async {
                let layout = Layout::open(&path)?;
                load(&layout, &Name::Tag(tag("1"))).await
            };
            let error = crate::error::error_chain(&read.await.unwrap_err());
            let says = if device { "it is a device" } else { "it is a FIFO" };
            // A path below what is not a folder is the system's error.
            assert!(error.contains(says) || error.contains("Not a directory"), "{part:?} {error}");
            // What makes a layout new must not wait, either.
            drop(Layout::create(&path));
        }
    }
    let pipe = folder.path().join("0false").join("oci-layout");
    let error = Archive::open(&pipe, ReadLimits::default()).unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[tokio::test]
async fn the_index_of_a_layout_counts_with_what_parsing_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let layout = saved(folder.path(), &image(Format::Artifact), &["1"]).await;
    let size = std::fs::metadata(folder.path().join("index.json")).unwrap().len();
    let memory = size * 4;
    let layout = layout.with_limits(ReadLimits { memory, ..ReadLimits::default() });
    assert_eq!(limit(layout.images()), "memory");
    let archive = folder.path().join("archive.tar");
    let images = [ArchiveImage { image: &image(Format::Artifact), tags: &[tag("1")] }];
    write_archive(&archive, "app", &images).unwrap();
    let limits = ReadLimits { memory: 1 << 10, ..ReadLimits::default() };
    assert_eq!(limit(Archive::open(&archive, limits)), "memory");
}

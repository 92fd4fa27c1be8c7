//! Registries that never come to an end: every command that reads from them stops at its limits, in bounded memory.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use wasm_oci_core::image::{Descriptor, Digest, MediaType};

use super::images::{MEMORY, assert_over};
use crate::harness::Run;
use crate::harness::commands::wasm_oci_within;
use crate::registry::fake::{self, Fake};

/// Answers with an image whose only layer has this size, and `head` where the layer is asked for.
fn image(size: u64, head: &str) -> impl Fn(&str) -> String + use<> {
    let config = json!({"rootfs": {"type": "layers", "diff_ids": []}}).to_string();
    let Descriptor { digest, size: length, .. } =
        Descriptor::of(MediaType::ImageConfig, config.as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::ImageManifest.as_str(),
        "config": {"mediaType": MediaType::ImageConfig.as_str(), "digest": digest, "size": length},
        "layers": [{
            "mediaType": MediaType::Wasm.as_str(), "digest": Digest::of(b"another"), "size": size,
        }],
    });
    let (head, config_path) =
        (format!("HTTP/1.1 200 OK\r\n{head}\r\n"), format!("/blobs/{digest}"));
    move |request| match request {
        _ if request.contains("/manifests/") => fake::manifest(&manifest.to_string(), ""),
        _ if request.contains(&config_path) => fake::json(&config),
        _ => head.clone(),
    }
}

/// Sends documents as they are, and zeros without end where there is nothing to send.
fn endless(size: u64, head: &str) -> Fake {
    Fake::start_sending(image(size, head), |stream, body| {
        stream.write_all(body)?;
        while body.is_empty() {
            stream.write_all(&[0; 1 << 20])?;
            // Not more than a disk can take in the time that a test has.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    })
}

/// The commands that read a layer.
fn commands(server: &Fake, folder: &Path) -> [Vec<String>; 3] {
    let image = format!("{}/app:1", server.host());
    let module = folder.join("app.wasm").display().to_string();
    let layout = format!("oci:{}", folder.join("layout").display());
    [
        vec!["pull".to_owned(), image.clone(), "--module".to_owned(), module],
        vec!["copy".to_owned(), image.clone(), layout],
        vec!["run".to_owned(), image],
    ]
}

#[test]
fn a_layer_without_end() {
    let largest = u64::try_from(i64::MAX).unwrap();
    let length = format!("Content-Length: {largest}\r\n");
    for (size, head, limit) in [
        // Not a byte of it is read.
        (largest, length.as_str(), Some(("fetched", "fetched=1GiB"))),
        (largest, "", Some(("fetched", "fetched=16GiB"))),
        (1 << 40, "", Some(("time", "time=2s,fetched=2TiB"))),
        // More than the manifest says.
        (10 << 20, "", None),
        (10 << 20, length.as_str(), None),
    ] {
        let server = endless(size, head);
        let folder = tempfile::tempdir().unwrap();
        let temporary = tempfile::tempdir().unwrap();
        for command in commands(&server, folder.path()) {
            let mut process = wasm_oci_within(MEMORY);
            process.env("TMPDIR", temporary.path()).env("WASM_OCI_CACHE_DIR", folder.path());
            let limits = limit.map_or("time=1h", |(_, limits)| limits);
            process.args(&command).env("WASM_OCI_READ_LIMITS", limits);
            let start = Instant::now();
            let run = Run::of(&mut process);
            match limit {
                Some((name, _)) => {
                    assert_eq!(run.code, 10, "{size} {command:?}: {}", run.stderr);
                    let advice = format!("`--read-limit {name}=VALUE`");
                    assert!(run.stderr.contains(&advice), "{size} {command:?}: {}", run.stderr);
                }
                None => {
                    assert_eq!(run.code, 4, "{size} {command:?}: {}", run.stderr);
                    let more = "sent more than the expected 10485760 bytes";
                    assert!(run.stderr.contains(more), "{size} {command:?}: {}", run.stderr);
                }
            }
            assert!(start.elapsed() < super::TIME, "{size} {command:?}: {:?}", start.elapsed());
        }
        assert!(!folder.path().join("app.wasm").exists());
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "{size}");
    }
}

#[test]
fn a_layer_of_a_byte_a_second() {
    let server = Fake::start_sending(image(1000, "Content-Length: 1000\r\n"), |stream, body| {
        stream.write_all(body)?;
        while body.is_empty() {
            stream.write_all(b"a")?;
            thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    });
    let folder = tempfile::tempdir().unwrap();
    for command in commands(&server, folder.path()) {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let start = Instant::now();
        assert_over("time", &[&command[..], &["--read-limit", "time=2s"]].concat());
        assert!(start.elapsed() < Duration::from_secs(20), "{command:?}: {:?}", start.elapsed());
    }
    assert!(!folder.path().join("app.wasm").exists());
}

#[test]
fn an_answer_that_comes_byte_by_byte() {
    let server = Fake::start_slow(|_| fake::json(&" ".repeat(1000)));
    let folder = tempfile::tempdir().unwrap();
    let [pull, ..] = commands(&server, folder.path());
    let pull: Vec<&str> = pull.iter().map(String::as_str).collect();
    let repository = format!("{}/app", server.host());
    for arguments in [&pull[..], &["tags", &repository]] {
        assert_over("time", &[arguments, &["--read-limit", "time=1s"]].concat());
    }
}

/// A registry with so many pages of tags, each as `page` makes it of its number.
fn pages(
    pages: usize,
    page: impl Fn(usize) -> Vec<String> + Send + Sync + 'static,
) -> (Fake, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = Fake::start(move |_| {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        let body = json!({"name": "app", "tags": page(number)}).to_string();
        let next = format!("Link: </v2/app/tags/list?last={number}>; rel=\"next\"\r\n");
        let next = if number + 1 < pages { &*next } else { "" };
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{next}\r\n{body}", body.len())
    });
    (server, count)
}

#[test]
fn pages_of_tags_without_end() {
    let long = "a".repeat(1000);
    let (server, count) =
        pages(usize::MAX, move |page| (0..1000).map(|tag| format!("{long}{page}.{tag}")).collect());
    let repository = format!("{}/app", server.host());
    assert_over("memory", &["tags", &repository, "--read-limit", "memory=20MiB"]);
    assert!(count.load(Ordering::Relaxed) <= 22, "{count:?}");

    let (server, count) =
        pages(usize::MAX, |page| (0..10).map(|tag| format!("{page}.{tag}")).collect());
    let repository = format!("{}/app", server.host());
    assert_over("tags", &["tags", &repository, "--read-limit", "tags=1000"]);
    assert!(count.load(Ordering::Relaxed) <= 102, "{count:?}");

    // The number of pages has a limit of its own, because they may have nothing in them.
    let (server, count) = pages(usize::MAX, |_| Vec::new());
    let repository = format!("{}/app", server.host());
    let run = Run::of(wasm_oci_within(MEMORY).args(["tags", &repository]));
    assert_eq!((run.code, count.load(Ordering::Relaxed)), (4, 1000), "{}", run.stderr);
    assert!(run.stderr.contains("its list of tags has no end"), "{}", run.stderr);
}

#[test]
fn a_million_tags_in_a_thousand_pages() {
    let page = |page| (0..1000).map(|tag| format!("{page:03}{tag:03}")).collect();
    let (server, _) = pages(1000, page);
    let repository = format!("{}/app", server.host());
    let run = Run::of(wasm_oci_within(MEMORY).args(["tags", &repository]));
    assert_eq!(run.success().stdout.lines().count(), 1_000_000);
}

//! Registries in the wild, which do some things in their own way: what is pushed to them arrives all the same.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use wasm_oci_core::image::{Blob, Descriptor, MediaType};
use wasm_oci_core::store::{
    Credentials, Error, Name, RegistryError, RegistryOptions, Secret, Silent, Sink, Source, load,
    save,
};

use super::attacks::{repository, unauthorized};
use super::fake::{self, Fake};
use super::faults::quick;
use super::{images, repository_with, tag, wait};
use crate::harness;
use crate::harness::proxy::{Fault, Proxy, Request, header};
use crate::harness::registry::{PASSWORD, USER};

#[track_caller]
fn assert_pushed(proxy: &Proxy, path: &str) {
    let registry = repository_with(proxy.host(), path, quick());
    for image in &images()[..2] {
        wait(save(image, &registry, &[tag("now")], &Silent))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let loaded = wait(load(&registry, &Name::Tag(tag("now")))).unwrap();
        assert_eq!(loaded.digest(), image.digest(), "{path}");
    }
}

#[test]
fn a_registry_without_head_is_asked_with_get_or_sent_to() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    for status in [403, 405, 501] {
        for part in ["/manifests/", "/blobs/", "/"] {
            proxy.set(move |request| match request.is("HEAD", part) {
                true => Fault::Answer(status, Vec::new()),
                false => Fault::None,
            });
            assert_pushed(&proxy, &format!("r{status}{}", part.len()));
        }
    }
    // A tag that is there is not written again.
    proxy.set(|request| match request.method == "HEAD" {
        true => Fault::Answer(405, Vec::new()),
        false => Fault::None,
    });
    let image = &images()[1];
    proxy.take_requests();
    let again = repository_with(proxy.host(), "r4051", quick());
    wait(save(image, &again, &[tag("now")], &Silent)).unwrap();
    let requests = proxy.take_requests();
    assert!(!requests.iter().any(|it| it.is("PUT", "/manifests/now")), "{requests:?}");
    // Whoever may neither look nor write is told so.
    proxy.set(|_| Fault::Answer(403, Vec::new()));
    let denied = repository_with(proxy.host(), "denied", quick());
    let error = wait(save(image, &denied, &[tag("now")], &Silent)).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::Denied { .. })), "{error}");
}

fn length(request: &Request) -> u64 {
    header(&request.head, "content-length").and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// Bytes that don't repeat, so that a chunk in the wrong place changes the digest.
fn blob(size: u32) -> Blob {
    let bytes: Vec<u8> =
        (0..size / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    Blob::new(MediaType::Wasm, bytes)
}

#[test]
fn a_blob_that_is_refused_whole_goes_in_chunks() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    for status in [405, 413, 501] {
        proxy.set(move |request| {
            match request.is("PUT", "/blobs/uploads/") && length(request) > 0 {
                true => Fault::Answer(status, Vec::new()),
                false => Fault::None,
            }
        });
        assert_pushed(&proxy, &format!("whole{status}"));
    }
    // A proxy with a limit on all bodies, of 1 MiB as nginx has it.
    proxy.set(|request| match length(request) > 1 << 20 {
        true => Fault::Answer(413, Vec::new()),
        false => Fault::None,
    });
    let (registry, blob) = (repository_with(proxy.host(), "limited", quick()), blob(5_000_000));
    wait(registry.push(&blob, &Silent)).unwrap();
    assert!(wait(registry.exists(blob.descriptor())).unwrap());
    let fetched = wait(registry.fetch(blob.descriptor())).unwrap();
    assert_eq!(fetched.bytes().unwrap(), blob.bytes().unwrap());
    // The next blob is not tried whole.
    proxy.take_requests();
    wait(registry.push(&self::blob(2_000_000), &Silent)).unwrap();
    let requests = proxy.take_requests();
    assert!(requests.iter().any(|request| request.method == "PATCH"), "{requests:?}");
    assert!(!requests.iter().any(|it| it.method == "PUT" && length(it) > 0), "{requests:?}");
    // One that takes nothing at all says so.
    proxy.set(|request| match length(request) > 0 {
        true => Fault::Answer(413, Vec::new()),
        false => Fault::None,
    });
    let registry = repository_with(proxy.host(), "none", quick());
    let error = wait(registry.push(&blob, &Silent)).unwrap_err();
    assert!(
        matches!(error, Error::Registry(RegistryError::Rejected { status: 413, .. })),
        "{error}"
    );
}

#[test]
fn chunks_go_on_where_they_broke() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    let blob = blob(5_000_000);
    for (n, fault) in
        [Fault::LoseAnswer, Fault::Break(100_000), Fault::Deny(503), Fault::Answer(502, Vec::new())]
            .into_iter()
            .enumerate()
    {
        let left = Mutex::new(2);
        let given = fault.clone();
        proxy.set(move |request| {
            if request.is("PUT", "/blobs/uploads/") && length(request) > 0 {
                return Fault::Answer(413, Vec::new());
            }
            let mut left = left.lock().unwrap();
            if request.method != "PATCH" || *left == 0 {
                return Fault::None;
            }
            *left -= 1;
            given.clone()
        });
        let registry = repository_with(proxy.host(), &format!("r{n}"), quick());
        proxy.take_requests();
        wait(registry.push(&blob, &Silent)).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        let fetched = wait(registry.fetch(blob.descriptor())).unwrap();
        assert_eq!(fetched.bytes().unwrap(), blob.bytes().unwrap(), "{fault:?}");
        let asked = proxy.take_requests().iter().filter(|it| it.is("GET", "/uploads/")).count();
        assert!(asked > 0, "{fault:?}: it never asked how far it came");
    }
}

/// Returns a registry with one manifest, whose token server answers `token`.
fn with_token(token: &'static str) -> Fake {
    Fake::start_with_host(move |request, host| {
        if request.starts_with("GET /token") {
            return fake::json(token);
        }
        match request.to_lowercase().contains("authorization: bearer tok") {
            true => fake::manifest("{}", ""),
            false => unauthorized(&format!(r#"Bearer realm="http://{host}/token",service="x""#)),
        }
    })
}

#[test]
fn tokens_of_every_kind_are_taken() {
    for token in [
        r#"{"token":"","access_token":"tok"}"#,
        r#"{"token":"tok","access_token":""}"#,
        r#"{"token":"tok","expires_in":9223372036854775807}"#,
        r#"{"token":"tok","expires_in":18446744073709551615}"#,
        r#"{"token":"tok","expires_in":-1}"#,
        r#"{"token":"tok","expires_in":"300"}"#,
        r#"{"token":"tok","expires_in":300.5}"#,
        r#"{"token":"tok","expires_in":null,"issued_at":"x"}"#,
    ] {
        let server = with_token(token);
        let registry = repository(server.host(), quick());
        wait(registry.resolve(&Name::Tag(tag("1"))))
            .unwrap_or_else(|error| panic!("{token}: {error}"));
    }
}

#[test]
fn a_stale_login_does_not_hide_a_public_image() {
    // As GitHub's: a wrong password gets no token, and no password gets one for public images.
    let token = Fake::start_with_host(|request, host| {
        let head = request.to_lowercase();
        if request.starts_with("GET /token") {
            return match head.contains("authorization: basic") {
                true => "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
                false => fake::json(r#"{"token":"tok"}"#),
            };
        }
        match head.contains("authorization: bearer tok") && !request.starts_with("PUT ") {
            true => fake::manifest("{}", ""),
            false => unauthorized(&format!(r#"Bearer realm="http://{host}/token",service="x""#)),
        }
    });
    let basic = Fake::start(|request| {
        match request.to_lowercase().contains("authorization:") || request.starts_with("GET /v2/ ")
        {
            true => unauthorized(r#"Basic realm="x""#),
            false => fake::manifest("{}", ""),
        }
    });
    for server in [token, basic] {
        let registry = |is_stored_login| {
            let credentials =
                Credentials::Basic { username: USER.to_owned(), password: Secret::new("old") };
            let options = RegistryOptions { credentials, is_stored_login, ..quick() };
            repository(server.host(), options)
        };
        wait(registry(true).resolve(&Name::Tag(tag("1")))).unwrap();
        // A login of this command is meant.
        let error = wait(registry(false).resolve(&Name::Tag(tag("1")))).unwrap_err();
        assert!(matches!(error, Error::Registry(RegistryError::Unauthorized { .. })), "{error}");
        // And nothing is written without one.
        let manifest = Blob::new(MediaType::ImageManifest, *b"{}x");
        let error = wait(registry(true).push(&manifest, &Silent)).unwrap_err();
        assert!(matches!(error, Error::Registry(RegistryError::Unauthorized { .. })), "{error}");
    }
    // A private image needs the login that was refused, and the error names it.
    let server = harness::Registry::start_private();
    let credentials =
        Credentials::Basic { username: USER.to_owned(), password: Secret::new("old") };
    let options = RegistryOptions { credentials, is_stored_login: true, ..quick() };
    let error = wait(repository(server.host(), options).resolve(&Name::Tag(tag("1"))));
    assert!(error.unwrap_err().to_string().contains(&format!("`{USER}`")) && !PASSWORD.is_empty());
}

#[test]
fn a_body_that_comes_byte_by_byte_is_not_waited_for() {
    let slow = Fake::start_slow(|request| match request.contains("/manifests/") {
        true => fake::manifest(&" ".repeat(4000), ""),
        false => format!("HTTP/1.1 500 No\r\nContent-Length: 60000\r\n\r\n{}", " ".repeat(60000)),
    });
    let mut options = RegistryOptions { read_timeout: Duration::from_millis(300), ..quick() };
    options.retry.max_attempts = 1;
    let registry = repository(slow.host(), options);
    let start = Instant::now();
    let error = wait(registry.resolve(&Name::Tag(tag("1")))).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::TimedOut { .. })), "{error}");
    // The status alone is enough for an error.
    let error = wait(registry.fetch(&Descriptor::of(MediaType::Wasm, b"abc"))).unwrap_err();
    assert!(
        matches!(error, Error::Registry(RegistryError::Rejected { status: 500, .. })),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

//! Each fault that networks and registries have, between us and Debian's registry: it is survived, or the error is clean
//! and the tag where it was.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wasm_oci_core::image::Format;
use wasm_oci_core::image::Image;
use wasm_oci_core::store::{
    Credentials, Error, Name, OnRetry, Registry, RegistryOptions, RetryPolicy, Secret, Silent,
    Sink, Source, load, save,
};

use super::{images, repository, repository_with, tag, wait};
use crate::harness;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{PASSWORD, USER};

/// As patient as by default, but quicker.
pub(super) fn quick() -> RegistryOptions {
    RegistryOptions {
        retry: RetryPolicy {
            initial_backoff: Duration::from_millis(4),
            max_backoff: Duration::from_millis(20),
            max_retry_after: Duration::from_secs(5),
            ..RetryPolicy::default()
        },
        read_timeout: Duration::from_millis(1_000),
        stall_timeout: Duration::from_millis(1_000),
        ..RegistryOptions::default()
    }
}

/// The kinds of requests that a push makes, in its order.
const REQUESTS: [(&str, &str); 7] = [
    ("HEAD", "/blobs/sha256"),
    ("POST", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("HEAD", "/manifests/sha256"),
    ("PUT", "/manifests/sha256"),
    ("HEAD", "/manifests/now"),
    ("PUT", "/manifests/now"),
];

/// Temporary faults, which a retry gets past.
fn passing() -> Vec<Fault> {
    let retry_after = |value: &str| vec![("Retry-After", value.to_owned())];
    let statuses = [408, 429, 500, 502, 503, 504].map(|status| Fault::Answer(status, Vec::new()));
    let mut faults: Vec<Fault> = statuses.into();
    faults.extend([
        Fault::Answer(429, retry_after("1")),
        Fault::Answer(503, retry_after("Wed, 21 Oct 2015 07:28:00 GMT")),
        Fault::Break(0),
        Fault::Break(40),
        Fault::LoseAnswer,
        Fault::Deny(500),
    ]);
    faults
}

#[test]
fn what_passes_is_survived_wherever_it_happens() {
    let server = harness::Registry::start();
    let (old, new) = (&images()[1], &images()[0]);
    for (n, (method, part)) in REQUESTS.into_iter().enumerate() {
        for (m, fault) in passing().into_iter().enumerate() {
            // A repository that has nothing yet: else there would be nothing to send.
            let path = format!("r{n}-{m}");
            let direct = repository(server.host(), &path);
            wait(save(old, &direct, &[tag("now")], &Silent)).unwrap();
            let proxy = Proxy::before(server.host());
            let registry = repository_with(proxy.host(), &path, quick());
            let hit = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&hit);
            proxy.set_times(2, fault.clone(), move |request| {
                request.is(method, part) && counted.fetch_add(1, Ordering::Relaxed) < usize::MAX
            });
            wait(save(new, &registry, &[tag("now")], &Silent))
                .unwrap_or_else(|error| panic!("{method} {part}, {fault:?}: {error}"));
            assert!(hit.load(Ordering::Relaxed) > 0, "nothing was asked by {method} {part}");
            assert_complete(&direct, new, &format!("{method} {part}, {fault:?}"));
        }
    }
}

/// The whole image is there, under its tag.
pub(super) fn assert_complete(registry: &Registry, image: &Image, context: &str) {
    let loaded =
        wait(load(registry, &Name::Tag(tag("now")))).unwrap_or_else(|e| panic!("{context}: {e}"));
    assert_eq!(loaded.digest(), image.digest(), "{context}");
}

#[test]
fn what_does_not_pass_leaves_the_tag_where_it_was() {
    let server = harness::Registry::start();
    let (old, new) = (&images()[1], &images()[0]);
    for (n, (method, part)) in REQUESTS.into_iter().enumerate() {
        for (m, fault) in [
            Fault::Answer(503, Vec::new()),
            Fault::Answer(400, Vec::new()),
            Fault::Break(10),
            Fault::Stall,
        ]
        .into_iter()
        .enumerate()
        {
            let path = format!("r{n}-{m}");
            let direct = repository(server.host(), &path);
            wait(save(old, &direct, &[tag("now")], &Silent)).unwrap();
            let proxy = Proxy::before(server.host());
            let given = fault.clone();
            proxy.set(
                move |request| if request.is(method, part) { given.clone() } else { Fault::None },
            );
            let mut options = quick();
            options.retry.max_attempts = 2;
            options.read_timeout = Duration::from_millis(200);
            options.stall_timeout = Duration::from_millis(200);
            let registry = repository_with(proxy.host(), &path, options);
            let begin = Instant::now();
            let context = format!("{method} {part}, {fault:?}");
            let Err(error) = wait(save(new, &registry, &[tag("now")], &Silent)) else {
                panic!("{context}: it is there, it says")
            };
            assert!(begin.elapsed() < Duration::from_secs(20), "{context}: {:?}", begin.elapsed());
            assert!(matches!(error, Error::Registry(_)), "{context}: {error}");
            assert_complete(&direct, old, &context);
        }
    }
}

/// The registry does what it is asked, and denies it: that counts which is there.
#[test]
fn a_registry_that_stores_and_says_no_is_not_believed() {
    let server = harness::Registry::start();
    for (n, status) in [400, 500].into_iter().enumerate() {
        let proxy = Proxy::before(server.host());
        proxy.set(
            move |request| if request.method == "PUT" { Fault::Deny(status) } else { Fault::None },
        );
        let registry = repository_with(proxy.host(), &format!("r{n}"), quick());
        wait(save(&images()[0], &registry, &[tag("now")], &Silent)).unwrap();
        assert_complete(
            &repository(server.host(), &format!("r{n}")),
            &images()[0],
            &status.to_string(),
        );
    }
}

#[test]
fn an_upload_that_the_registry_forgets_is_begun_again() {
    let server = harness::Registry::start();
    let image = images().into_iter().find(|image| image.format() == Format::Container).unwrap();
    for (n, status) in [404, 416].into_iter().enumerate() {
        let proxy = Proxy::before(server.host());
        proxy.set_times(3, Fault::Answer(status, Vec::new()), |request| {
            request.is("PUT", "/blobs/uploads/")
        });
        let registry = repository_with(proxy.host(), &format!("r{n}"), quick());
        wait(save(&image, &registry, &[tag("now")], &Silent)).unwrap();
        let begun = proxy.take_requests().iter().filter(|request| request.method == "POST").count();
        // Two blobs, and once more for each upload that was lost.
        assert_eq!(begun, 2 + 3, "{status}");
    }
}

#[test]
fn a_place_that_is_missing_relative_or_elsewhere_is_found() {
    let server = harness::Registry::start();
    let elsewhere = harness::Registry::start();
    let of_location = |value: Option<&str>| Fault::Header("Location", value.map(str::to_owned));
    let image = &images()[1];
    let proxy = Proxy::before(server.host());
    let push = |path: &str| {
        let private_hosts = vec![elsewhere.host().to_owned()];
        let options = RegistryOptions { private_hosts, ..quick() };
        let registry = repository_with(proxy.host(), path, options);
        wait(save(image, &registry, &[tag("now")], &Silent))
    };
    // Then it is begun again.
    proxy.set_times(2, of_location(None), |request| request.is("POST", "/blobs/uploads/"));
    push("missing").unwrap();
    proxy.set(|request| match request.is("POST", "/blobs/uploads/") {
        true => Fault::Header("Location", None),
        false => Fault::None,
    });
    let error = push("never").unwrap_err();
    assert!(error.to_string().contains("names no location"), "{error}");
    // After the upload it doesn't matter.
    proxy.set_times(9, of_location(None), |request| request.method == "PUT");
    push("later").unwrap();
    proxy.set(|_| Fault::None);
    push("given").unwrap();
    // On another host there is no such upload; we are not told who to be there, and don't say.
    let place = format!("http://{}/v2/other/blobs/uploads/1", elsewhere.host());
    proxy.set(move |request| match request.is("POST", "/blobs/uploads/") {
        true => Fault::Header("Location", Some(place.clone())),
        false => Fault::None,
    });
    assert!(matches!(push("elsewhere").unwrap_err(), Error::Registry(_)));
    assert!(elsewhere.log().contains("PUT /v2/other/blobs/uploads/1"));
}

#[test]
fn an_upload_goes_where_the_registry_sends_it_without_saying_who_we_are() {
    let server = harness::Registry::start_private();
    let storage = harness::Registry::start();
    let image = &images()[1];
    // Uploads that were begun at the storage itself, as registries do that don't want the bytes.
    let other = repository(storage.host(), "app");
    let (first, second) = (Proxy::before(storage.host()), Proxy::before(server.host()));
    let host = first.host().to_owned();
    let begun = Mutex::new(Vec::new());
    for _ in 0..image.blobs().count() {
        begun.lock().unwrap().push(begin_upload(storage.host()));
    }
    second.set(move |request| match request.is("POST", "/blobs/uploads/") {
        true => {
            let path = begun.lock().unwrap().pop().unwrap();
            Fault::Header("Location", Some(format!("http://{host}{path}")))
        }
        false => Fault::None,
    });
    let credentials = Credentials::Basic { username: USER.into(), password: Secret::new(PASSWORD) };
    let private_hosts = vec![first.host().to_owned()];
    let options = RegistryOptions { credentials, private_hosts, ..quick() };
    let registry = repository_with(second.host(), "app", options);
    for manifest in image.manifests() {
        for blob in manifest.layers() {
            wait(registry.push(blob, &Silent)).unwrap();
            assert!(wait(other.exists(blob.descriptor())).unwrap());
        }
    }
    let (here, there) = (second.take_requests(), first.take_requests());
    assert!(here.iter().any(|request| request.head.to_lowercase().contains("authorization:")));
    assert!(there.iter().any(|request| request.method == "PUT"));
    assert!(
        !there.iter().any(|request| request.head.to_lowercase().contains("authorization:")),
        "{there:?}"
    );
}

/// The path, with its query, of a new upload.
fn begin_upload(host: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(
        stream,
        "POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let location = harness::proxy::header(&answer, "location").unwrap();
    location.split_once(host).unwrap().1.to_owned()
}

#[test]
fn a_token_that_ends_in_the_middle_is_replaced() {
    let server = harness::Registry::start_token();
    let proxy = Proxy::before(server.host());
    let realm = server.tokens().realm();
    let challenge =
        format!(r#"Bearer realm="{realm}",service="registry",scope="repository:app:pull,push""#);
    let ended = Fault::Answer(401, vec![("WWW-Authenticate", challenge)]);
    for (method, part) in REQUESTS {
        let credentials =
            Credentials::Basic { username: USER.into(), password: Secret::new(PASSWORD) };
        let path = format!("{}-{}", method.to_lowercase(), part.replace(['/', ':'], ""));
        let token_servers = vec![server.tokens().host().to_owned()];
        let options = RegistryOptions { credentials, token_servers, ..quick() };
        let registry = repository_with(proxy.host(), &path, options);
        server.tokens().take_requests();
        proxy.set_times(1, ended.clone(), move |request| request.is(method, part));
        wait(save(&images()[0], &registry, &[tag("now")], &Silent))
            .unwrap_or_else(|error| panic!("{method} {part}: {error}"));
        assert_eq!(server.tokens().take_requests().len(), 2, "{method} {part}");
        assert_complete(&registry, &images()[0], part);
    }
}

#[test]
fn a_mount_that_is_refused_is_an_upload() {
    let server = harness::Registry::start();
    let image = &images()[0];
    let direct = repository(server.host(), "from");
    wait(save(image, &direct, &[tag("now")], &Silent)).unwrap();
    let proxy = Proxy::before(server.host());
    let faults = [
        Fault::None,
        Fault::Answer(202, vec![]),
        Fault::Answer(401, vec![]),
        Fault::Answer(403, vec![]),
        Fault::Answer(404, vec![]),
        Fault::Answer(405, vec![]),
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        let given = fault.clone();
        proxy.set(
            move |request| {
                if request.path.contains("mount=") { given.clone() } else { Fault::None }
            },
        );
        proxy.take_requests();
        let options = RegistryOptions { mount_from: Some("from".to_owned()), ..quick() };
        let registry = repository_with(proxy.host(), &format!("to{n}"), options);
        wait(save(image, &registry, &[tag("now")], &Silent)).unwrap();
        let requests = proxy.take_requests();
        let sent = requests.iter().filter(|request| request.is("PUT", "/blobs/uploads/")).count();
        assert_eq!(sent == 0, fault == Fault::None, "{fault:?}: {sent}");
        assert_complete(&registry, image, &format!("{fault:?}"));
    }
}

#[test]
fn a_wait_that_the_registry_asks_for_is_kept_or_too_long() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    let asks = |seconds: &str| Fault::Answer(429, vec![("Retry-After", seconds.to_owned())]);
    let heard: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let waits = Arc::clone(&heard);
    let on_retry = OnRetry::new(move |event| waits.lock().unwrap().push(event.wait));
    let options = RegistryOptions { on_retry: Some(on_retry), ..quick() };
    let registry = repository_with(proxy.host(), "app", options);
    proxy.set_times(1, asks("1"), |request| request.method == "POST");
    let begin = Instant::now();
    wait(save(&images()[1], &registry, &[tag("now")], &Silent)).unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(heard.lock().unwrap().as_slice(), [Duration::from_secs(1)]);
    proxy.set(move |_| asks("7200"));
    let error = wait(registry.resolve(&Name::Tag(tag("now")))).unwrap_err();
    assert!(error.to_string().contains("asks to wait for 2h"), "{error}");
    assert_eq!(proxy.take_requests().iter().filter(|request| request.method == "GET").count(), 1);
}

#[test]
fn a_download_goes_on_where_it_broke() {
    let server = harness::Registry::start();
    let bytes: Vec<u8> = (0_u32..500_000).flat_map(u32::to_le_bytes).collect();
    let blob =
        wasm_oci_core::image::Blob::new(wasm_oci_core::image::MediaType::Wasm, bytes.clone());
    wait(repository(server.host(), "app").push(&blob, &Silent)).unwrap();
    let proxy = Proxy::before(server.host());
    let registry = repository_with(proxy.host(), "app", quick());
    proxy.set_times(2, Fault::Truncate(600_000), |request| request.is("GET", "/blobs/"));
    assert_eq!(*wait(registry.fetch(blob.descriptor())).unwrap().bytes().unwrap(), *bytes);
    let ranges: Vec<Option<u64>> = proxy
        .take_requests()
        .iter()
        .map(|request| {
            let range = harness::proxy::header(&request.head, "range")?;
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
        })
        .collect();
    let [None, Some(second), Some(third)] = ranges.as_slice() else { panic!("{ranges:?}") };
    assert!(*second > 0 && *third > *second, "{ranges:?}");
}

#[test]
fn two_pushes_of_a_tag_at_once_end_with_one_of_the_two() {
    let server = harness::Registry::start();
    let images = images();
    for round in 0..8 {
        let path = format!("r{round}");
        std::thread::scope(|scope| {
            for image in &images[..2] {
                let (host, path) = (server.host(), &path);
                scope.spawn(move || {
                    wait(save(image, &repository(host, path), &[tag("now")], &Silent)).unwrap();
                });
            }
        });
        let loaded = wait(load(&repository(server.host(), &path), &Name::Tag(tag("now")))).unwrap();
        assert!(images[..2].iter().any(|image| image.digest() == loaded.digest()));
    }
}

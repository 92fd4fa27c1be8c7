//! Blobs that a push mounts from another repository of the registry, because they were seen there.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use wasm_oci_core::image::{Digest, Image};
use wasm_oci_core::store::{
    BlobInfoCache, Credentials, DryRun, Name, OnRetry, Outcome, Registry, RegistryOptions, Secret,
    Silent, load, save,
};

use super::fake::{Fake, not_found};
use super::faults::{assert_complete, quick};
use super::modes::User;
use super::{Heard, images, repository_with, tag, wait};
use crate::harness::proxy::{Fault, Proxy, Request};
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::tokens::Denial;
use crate::harness::{self, Run};

/// A repository for a new process of a user whose caches are in this folder.
fn process(host: &str, path: &str, caches: &Path) -> Registry {
    let blob_info_cache = BlobInfoCache::among(caches, None);
    repository_with(host, path, RegistryOptions { blob_info_cache, ..quick() })
}

fn push(image: &Image, registry: &Registry) -> Vec<Outcome> {
    let heard = Heard::default();
    wait(save(image, registry, &[tag("now")], &heard)).unwrap();
    heard.outcomes.into_inner().unwrap()
}

/// The number of blobs of an image that are no manifests.
fn leaves(image: &Image) -> usize {
    let all = image.manifests().iter().flat_map(|manifest| {
        manifest.layers().iter().chain([manifest.config_blob()]).map(|it| it.descriptor().digest)
    });
    all.collect::<std::collections::BTreeSet<Digest>>().len()
}

fn count(requests: &[Request], method: &str, part: &str) -> usize {
    requests.iter().filter(|request| request.is(method, part)).count()
}

#[test]
fn what_was_pushed_or_pulled_or_found_elsewhere_is_mounted_with_one_request() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    let image = &images()[0];
    let blobs = leaves(image);
    let caches = tempfile::tempdir().unwrap();
    let caches = |name: &str| caches.path().join(name);
    push(image, &process(proxy.host(), "team/first", &caches("pushed")));
    // On another machine.
    let first = process(proxy.host(), "team/first", &caches("pulled"));
    wait(load(&first, &Name::Tag(tag("now")))).unwrap();
    // On a third.
    push(image, &process(proxy.host(), "team/first", &caches("found")));
    for how in ["pushed", "pulled", "found"] {
        proxy.take_requests();
        let outcomes = push(image, &process(proxy.host(), how, &caches(how)));
        let made = proxy.take_requests();
        assert_eq!(outcomes.iter().filter(|it| **it == Outcome::Mounted).count(), blobs, "{how}");
        assert_eq!(count(&made, "POST", "mount=sha256"), blobs, "{how}: {made:?}");
        assert_eq!(count(&made, "POST", "from=team%2Ffirst"), blobs, "{how}: {made:?}");
        let others = made.iter().filter(|it| it.path.contains("/blobs/")).count();
        assert_eq!(others, blobs, "{how}: {made:?}");
        assert_complete(&process(proxy.host(), how, &caches(how)), image, how);
        // Nothing is to do, so the push only asks.
        proxy.take_requests();
        push(image, &process(proxy.host(), how, &caches(how)));
        let made = proxy.take_requests();
        assert!(made.iter().all(|request| request.method == "HEAD"), "{how}: {made:?}");
    }
}

#[test]
fn one_command_mounts_what_it_has_pushed_to_another_repository() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    // Images that share blobs.
    let images = &images()[..2];
    // No folder, as with `--no-cache`.
    let options = RegistryOptions { blob_info_cache: BlobInfoCache::default(), ..quick() };
    let to = |path: &str| repository_with(proxy.host(), path, options.clone());
    let dry = |path: &str| {
        let registry = to(path);
        let dry_run = DryRun::of(&registry);
        for (image, name) in images.iter().zip(["a", "b"]) {
            wait(save(image, &dry_run, &[tag(name)], &Silent)).unwrap();
        }
        let mut listed: Vec<String> = dry_run
            .into_requests()
            .into_iter()
            // The place of an upload is the registry's own decision.
            .map(|it| format!("{} {}", it.method, it.url.split("uploads/?digest=").next().unwrap()))
            .collect();
        listed.sort();
        listed
    };
    let made = || {
        let requests = proxy.take_requests().into_iter();
        let mut made: Vec<String> = requests
            .map(|it| {
                let path = match it.is("PUT", "/blobs/uploads/") {
                    true => it.path.split("uploads/").next().unwrap(),
                    false => &it.path,
                };
                format!("{} http://{}{path}", it.method, proxy.host())
            })
            .collect();
        made.sort();
        made
    };
    // What a dry run lists for two repositories is what the push then does.
    let listed = [dry("one"), dry("two")].concat();
    assert!(made().iter().all(|request| request.starts_with("HEAD ")));
    assert!(listed.iter().any(|it| it.contains("/two/") && it.contains("from=one")), "{listed:?}");
    let options = RegistryOptions { blob_info_cache: BlobInfoCache::default(), ..quick() };
    let push = |path: &str| {
        let registry = repository_with(proxy.host(), path, options.clone());
        for (image, name) in images.iter().zip(["a", "b"]) {
            wait(save(image, &registry, &[tag(name)], &Silent)).unwrap();
        }
        made()
    };
    assert_eq!(listed, [push("one"), push("two")].concat());
}

#[test]
fn a_stale_entry_costs_only_the_upload_and_is_forgotten() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    let image = &images()[0];
    let blobs = leaves(image);
    let caches = tempfile::tempdir().unwrap();
    push(image, &process(proxy.host(), "gone", caches.path()));
    fs::remove_dir_all(server.storage().join("docker/registry/v2/repositories/gone")).unwrap();
    proxy.take_requests();
    let outcomes = push(image, &process(proxy.host(), "next", caches.path()));
    assert!(!outcomes.contains(&Outcome::Mounted));
    let made = proxy.take_requests();
    // As many as without the entry: the refused mount has started the upload.
    assert_eq!(count(&made, "POST", "from=gone"), blobs, "{made:?}");
    assert_eq!(count(&made, "POST", "/blobs/uploads/"), blobs, "{made:?}");
    assert_eq!(count(&made, "HEAD", "/blobs/sha256"), blobs, "{made:?}");
    assert_eq!(count(&made, "PUT", "/blobs/uploads/"), blobs, "{made:?}");
    let outcomes = push(image, &process(proxy.host(), "last", caches.path()));
    assert_eq!(outcomes.iter().filter(|it| **it == Outcome::Mounted).count(), blobs);
    assert_eq!(count(&proxy.take_requests(), "POST", "from=next"), blobs);
    assert_complete(&process(proxy.host(), "last", caches.path()), image, "last");
}

#[test]
fn a_blob_that_is_there_already_is_not_uploaded_after_a_stale_entry() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    let image = &images()[0];
    let caches = tempfile::tempdir().unwrap();
    push(image, &process(proxy.host(), "gone", caches.path()));
    // By somebody else.
    push(image, &repository_with(proxy.host(), "app", quick()));
    fs::remove_dir_all(server.storage().join("docker/registry/v2/repositories/gone")).unwrap();
    proxy.take_requests();
    push(image, &process(proxy.host(), "app", caches.path()));
    let made = proxy.take_requests();
    assert_eq!(count(&made, "PUT", ""), 0, "{made:?}");
}

#[test]
fn a_registry_that_fails_on_mounts_gets_uploads_at_once() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    let image = &images()[0];
    let blobs = leaves(image);
    let other = Digest::of(b"other").to_string();
    let mut faults = [400, 401, 403, 404, 405, 429, 500, 501, 503, 202, 200]
        .map(|status| Fault::Answer(status, Vec::new()))
        .to_vec();
    faults.extend([
        Fault::Answer(202, vec![("Location", "ftp://example.net/1".to_owned())]),
        Fault::Answer(429, vec![("Retry-After", "3600".to_owned())]),
        // Of another blob.
        Fault::Answer(201, vec![("Docker-Content-Digest", other)]),
        Fault::Answer(201, vec![("Docker-Content-Digest", "sha256:nonsense".to_owned())]),
        Fault::Break(0),
        Fault::Stall,
    ]);
    let caches = tempfile::tempdir().unwrap();
    for (n, fault) in faults.into_iter().enumerate() {
        let caches = caches.path().join(n.to_string());
        proxy.set(|_| Fault::None);
        push(image, &process(proxy.host(), &format!("from{n}"), &caches));
        let given = fault.clone();
        proxy.set(move |request| match request.path.contains("mount=") {
            true => given.clone(),
            false => Fault::None,
        });
        proxy.take_requests();
        let retries = Arc::new(AtomicUsize::new(0));
        let heard = Arc::clone(&retries);
        let options = RegistryOptions {
            blob_info_cache: BlobInfoCache::among(&caches, None),
            on_retry: Some(OnRetry::new(move |_| {
                heard.fetch_add(1, Ordering::SeqCst);
            })),
            ..quick()
        };
        let registry = repository_with(proxy.host(), &format!("to{n}"), options);
        push(image, &registry);
        let made = proxy.take_requests();
        assert_eq!(retries.load(Ordering::SeqCst), 0, "{fault:?}");
        assert!(count(&made, "POST", "mount=") <= blobs, "{fault:?}: {made:?}");
        assert_eq!(count(&made, "PUT", "/blobs/uploads/"), blobs, "{fault:?}: {made:?}");
        assert_complete(&registry, image, &format!("{fault:?}"));
    }
}

#[test]
fn a_registry_that_only_says_that_it_mounts_gets_uploads_from_the_next_push() {
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    let image = &images()[0];
    let caches = tempfile::tempdir().unwrap();
    push(image, &process(proxy.host(), "from", caches.path()));
    proxy.set(|request| match request.path.contains("mount=") {
        true => Fault::Answer(201, Vec::new()),
        false => Fault::None,
    });
    let registry = process(proxy.host(), "to", caches.path());
    let error = wait(save(image, &registry, &[tag("now")], &Silent)).unwrap_err().to_string();
    assert!(error.contains("manifest"), "{error}");
    let registry = process(proxy.host(), "to", caches.path());
    push(image, &registry);
    assert_complete(&registry, image, "the second push");
}

#[test]
fn a_registry_without_mounts_is_only_asked_for_each_blob_once() {
    // Every answer names this registry's only upload; what is sent there is kept nowhere.
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let server = Fake::start(move |head| {
        let line = head.lines().next().unwrap_or_default().to_owned();
        log.lock().unwrap().push(line.clone());
        match line.split(' ').next() {
            Some("POST") => {
                "HTTP/1.1 202 Accepted\r\nLocation: /v2/up/1\r\nContent-Length: 0\r\n\r\n"
                    .to_owned()
            }
            Some("PUT") => "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned(),
            _ => not_found(),
        }
    });
    let image = &images()[1];
    let caches = tempfile::tempdir().unwrap();
    push(image, &process(server.host(), "one", caches.path()));
    let posts = |seen: &[String]| seen.iter().filter(|line| line.starts_with("POST")).count();
    let one = std::mem::take(&mut *seen.lock().unwrap());
    push(image, &process(server.host(), "two", caches.path()));
    let two = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!((one.len(), posts(&one)), (two.len(), posts(&two)), "{one:?}\n{two:?}");
    assert_eq!(two.iter().filter(|line| line.contains("from=one")).count(), leaves(image));
}

#[test]
fn a_source_that_the_user_may_not_read_stops_no_push() {
    let image = &images()[0];
    let blobs = leaves(image);
    for denial in [None, Some(Denial::Less), Some(Denial::Refusal)] {
        let server = harness::Registry::start_token();
        let proxy = Proxy::before(server.host());
        let caches = tempfile::tempdir().unwrap();
        let to = |path: &str| {
            let password = Secret::new(PASSWORD);
            let options = RegistryOptions {
                credentials: Credentials::Basic { username: USER.to_owned(), password },
                token_servers: vec![server.tokens().host().to_owned()],
                blob_info_cache: BlobInfoCache::among(caches.path(), None),
                ..quick()
            };
            repository_with(proxy.host(), path, options)
        };
        push(image, &to("team/secret"));
        if let Some(denial) = denial {
            server.tokens().deny("team/secret", denial);
        }
        server.tokens().take_requests();
        proxy.take_requests();
        let registry = to("app");
        let outcomes = push(image, &registry);
        let (made, tokens) = (proxy.take_requests(), server.tokens().take_requests());
        let mounted = outcomes.iter().filter(|it| **it == Outcome::Mounted).count();
        let sent = count(&made, "PUT", "/blobs/uploads/");
        if denial.is_some() {
            assert_eq!((mounted, sent), (0, blobs), "{denial:?}: {made:?}");
            // The next push does not try what was denied.
            push(image, &to("other"));
            let made = proxy.take_requests();
            assert_eq!(count(&made, "POST", "secret"), 0, "{denial:?}: {made:?}");
            assert_eq!(count(&made, "POST", "from=app"), blobs, "{denial:?}: {made:?}");
        } else {
            assert_eq!((mounted, sent), (blobs, 0), "{made:?}");
            // The token for the mounts is also one for the rest.
            assert_eq!(tokens.len(), 1, "{tokens:?}");
            assert!(tokens[0].contains("app%3Apull%2Cpush"), "{tokens:?}");
            assert!(tokens[0].contains("team%2Fsecret%3Apull"), "{tokens:?}");
        }
        assert_complete(&registry, image, &format!("{denial:?}"));
    }
}

#[test]
fn repositories_of_one_registry_are_named_to_no_other() {
    let (one, other) = (harness::Registry::start(), harness::Registry::start());
    let (one, other) = (Proxy::before(one.host()), Proxy::before(other.host()));
    let caches = tempfile::tempdir().unwrap();
    push(&images()[0], &process(one.host(), "secret", caches.path()));
    push(&images()[0], &process(other.host(), "app", caches.path()));
    let made = other.take_requests();
    assert!(made.iter().all(|request| !request.head.contains("secret")), "{made:?}");
}

#[test]
fn commands_share_the_cache_unless_it_is_turned_off_or_damaged() {
    let (user, server) = (User::new(), harness::Registry::start());
    let proxy = Proxy::before(server.host());
    let push = |to: &str, more: &[&str], size: Option<&str>| {
        let place = format!("{}/{to}:1", proxy.host());
        let mut command = user.command(&[&["push", "app.wasm", &place], more].concat());
        command.envs(size.map(|size| ("WASM_OCI_CACHE_SIZE", size)));
        let pushed = Run::of(&mut command).success();
        (pushed.stderr.contains("Mounted"), pushed.stdout)
    };
    let info = user.path("cache/blob-info");
    for (more, size) in [(vec!["--no-cache"], None), (vec![], Some("0"))] {
        assert!(!push("off", &more, size).0 && !info.exists());
    }
    let wrong = format!("{}/off:1", proxy.host());
    let mut wrong = user.command(&["push", "app.wasm", &wrong]);
    let wrong = Run::of(wrong.env("WASM_OCI_CACHE_SIZE", "big"));
    assert!(wrong.code == 2 && wrong.stderr.contains("WASM_OCI_CACHE_SIZE"), "{}", wrong.stderr);

    assert!(!push("first", &[], None).0);
    let files = || fs::read_dir(&info).unwrap().map(|file| file.unwrap().path());
    assert!(files().count() > 0);
    assert!(!push("ignored", &["--no-cache"], None).0);
    let before = proxy.take_requests().len();
    let dry = user.run(&["push", "app.wasm", &format!("{}/second:1", proxy.host()), "--dry-run"]);
    let dry = dry.success().stdout;
    assert!(proxy.take_requests().len() < before);
    let mounts = dry.lines().filter(|line| line.contains("&from=first")).count();
    assert!(mounts > 0 && !dry.contains("?digest="), "{dry}");
    assert!(push("second", &[], None).0);
    let made = proxy.take_requests();
    assert_eq!(count(&made, "POST", "from=first"), mounts);
    assert_eq!(made.len(), dry.lines().count(), "{dry}\n{made:?}");

    for file in files() {
        fs::write(file, "{\"registry\":").unwrap();
    }
    let (mounted, stdout) = push("third", &[], None);
    assert!(!mounted && stdout.contains("third@sha256:"), "{stdout}");
    assert!(push("fourth", &[], None).0, "the damaged entries were replaced");

    // Several at the same time.
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|n| {
                let push = &push;
                scope.spawn(move || push(&format!("same{n}"), &[], None).0)
            })
            .collect();
        assert!(all.into_iter().all(|one| one.join().unwrap()));
    });
    assert!(push("last", &[], None).0);
}

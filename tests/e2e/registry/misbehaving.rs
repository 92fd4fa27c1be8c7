//! The library against registries that misbehave, some as real ones do and some as an attacker would.

use std::thread;
use std::time::Duration;

use wasm_oci_core::image::{Blob, Descriptor, Digest, MediaType};
use wasm_oci_core::store::{
    Error, Name, Registry, RegistryError, RegistryOptions, Silent, Sink, Source, save,
};

use super::fake::{self, Fake};
use super::{images, repository, tag, wait};

/// Longer than a test machine ever needs for a small answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[test]
fn a_manifest_of_another_digest_is_refused() {
    let server = Fake::start(|_| fake::manifest("{}", ""));
    let repository = repository(server.host(), "app");
    let pinned = Digest::of(b"another");
    let error = wait(repository.resolve(&Name::Digest(pinned))).unwrap_err();
    let Error::Registry(RegistryError::WrongDigest { expected, found, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!((expected, found), (pinned, Digest::of(b"{}")));
}

#[test]
fn a_manifest_that_is_not_what_the_registry_says_is_refused() {
    let other = Digest::of(b"another");
    let digest =
        Fake::start(move |_| fake::manifest("{}", &format!("Docker-Content-Digest: {other}\r\n")));
    let error = wait(repository(digest.host(), "app").resolve(&Name::Tag(tag("1")))).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::WrongDigest { .. })), "{error}");

    let media_type = Fake::start(|_| {
        fake::manifest(&format!(r#"{{"mediaType":"{}"}}"#, MediaType::ImageIndex), "")
    });
    let error =
        wait(repository(media_type.host(), "app").resolve(&Name::Tag(tag("1")))).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::Protocol { .. })), "{error}");
}

#[test]
fn a_manifest_without_end_is_not_read() {
    let huge = "HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n";
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
    let endless =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(6));
    for answer in [huge.to_owned(), endless] {
        let server = Fake::start(move |_| answer.clone());
        let error =
            wait(repository(server.host(), "app").resolve(&Name::Tag(tag("1")))).unwrap_err();
        assert!(matches!(error, Error::Registry(RegistryError::TooLarge { .. })), "{error}");
    }
}

#[test]
fn a_blob_larger_than_its_descriptor_is_not_read() {
    let server = Fake::start(|_| {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n".to_owned()
    });
    let error =
        wait(repository(server.host(), "app").fetch(&Descriptor::of(MediaType::Wasm, b"abc")))
            .unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::TooLarge { limit: 3, .. })), "{error}");
}

#[test]
fn a_push_by_digest_needs_no_location_but_the_right_digest() {
    let blob = Blob::new(MediaType::ImageManifest, *b"{}");
    let silent = Fake::start(|_| "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned());
    wait(repository(silent.host(), "app").push(&blob, &Silent)).unwrap();

    let other = Digest::of(b"another");
    let answer = format!(
        "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nDocker-Content-Digest: {other}\r\n\r\n"
    );
    let wrong = Fake::start(move |_| answer.clone());
    let error = wait(repository(wrong.host(), "app").push(&blob, &Silent)).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::WrongDigest { .. })), "{error}");
}

#[test]
fn what_the_registry_says_of_its_refusal_is_repeated() {
    let body = r#"{"errors":[{"code":"QUOTA_EXCEEDED","message":"buy more"}]}"#;
    let answer = format!("HTTP/1.1 507 Full\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let server = Fake::start(move |request| {
        let asks = request.starts_with("GET ") || request.starts_with("HEAD ");
        if asks { fake::not_found() } else { answer.clone() }
    });
    let error =
        wait(save(&images()[0], &repository(server.host(), "app"), &[], &Silent)).unwrap_err();
    let Error::Registry(RegistryError::Rejected { status, code, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!((*status, code.as_deref()), (507, Some("QUOTA_EXCEEDED")));
    assert!(error.to_string().contains("buy more"), "{error}");
}

#[test]
fn a_token_that_would_break_the_header_is_refused() {
    let server = Fake::start_with_host(|request, host| match request.starts_with("GET /token") {
        true => fake::json(r#"{"token":"a\r\nX-Injected: b"}"#),
        false => format!(
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\
             WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"x\"\r\n\r\n"
        ),
    });
    let error = wait(repository(server.host(), "app").resolve(&Name::Tag(tag("1")))).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::Protocol { .. })), "{error}");
    assert!(!error.to_string().contains("X-Injected"));
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for() {
    let server = Fake::start(|_| {
        thread::sleep(PATIENCE);
        fake::not_found()
    });
    let options =
        RegistryOptions { read_timeout: Duration::from_millis(100), ..RegistryOptions::default() };
    let repository =
        Registry::new(&format!("{}/app", server.host()).parse().unwrap(), options).unwrap();
    let error = wait(repository.resolve(&Name::Tag(tag("1")))).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::TimedOut { .. })), "{error}");
}

#[test]
fn an_upload_may_take_longer_than_an_answer() {
    let server = Fake::start_with_host(|request, host| {
        if request.starts_with("POST ") {
            return format!(
                "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nLocation: http://{host}/here?x=y\r\n\r\n"
            );
        }
        if request.starts_with("PUT /here?x=y&digest=sha256%3A") {
            thread::sleep(PATIENCE + Duration::from_millis(500));
            return "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nLocation: /there\r\n\r\n"
                .to_owned();
        }
        fake::not_found()
    });
    let options = RegistryOptions { read_timeout: PATIENCE, ..RegistryOptions::default() };
    let repository =
        Registry::new(&format!("{}/app", server.host()).parse().unwrap(), options).unwrap();
    wait(repository.push(&Blob::new(MediaType::Wasm, *b"abc"), &Silent)).unwrap();
}

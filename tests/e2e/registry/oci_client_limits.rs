//! The reasons of decision 14 (`docs/decisions/0014-reqwest-only.md`), tried with the release of `oci-client` in the
//! lock file. A test that fails after an update of it shows that the library has become better: correct the decision.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use oci_client::client::BlobResponse;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use oci_client::secrets::RegistryAuth;
use wasm_oci_core::image::{Descriptor, MediaType};

use super::fake::{Fake, json, manifest};
use super::oci_client::Peer;
use super::wait;
use crate::harness::Registry;
use crate::harness::proxy::header;

/// Pulls a manifest by tag, and returns its size.
fn pull(peer: &Peer) -> Result<usize, OciDistributionError> {
    let (client, reference) = (peer.client(), peer.reference("app:1"));
    let pulled = client.pull_manifest_raw(&reference, &peer.auth, &[OCI_IMAGE_MEDIA_TYPE]);
    wait(pulled).map(|(bytes, _)| bytes.len())
}

fn challenge(realm: &str) -> String {
    format!(
        "HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: Bearer realm=\"{realm}\",service=\"s\"\r\n\r\n"
    )
}

/// An error of this registry's, without its address, whose port may be any number.
fn debug(server: &Fake, error: &OciDistributionError) -> String {
    format!("{error:?}").replace(server.host(), "HOST")
}

#[test]
fn an_error_has_no_headers_and_not_always_the_status() {
    let refused = |status: u16, body: &str| {
        let answer = format!(
            "HTTP/1.1 {status} No\r\nRetry-After: 1717\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let server = Fake::start(move |_| answer.clone());
        let error = pull(&Peer::plain(server.host(), RegistryAuth::Anonymous)).unwrap_err();
        debug(&server, &error)
    };
    let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slower"}]}"#;
    let error = refused(429, body);
    assert!(error.contains("slower") && !error.contains("429"), "{error}");
    assert!(!error.contains("1717"), "{error}");
    let error = refused(503, "");
    assert!(error.contains("503") && !error.contains("1717"), "{error}");

    let server = Fake::start_with_host(|_, host| challenge(&format!("http://{host}/realm-1717")));
    let error = pull(&Peer::plain(server.host(), RegistryAuth::Anonymous)).unwrap_err();
    assert!(!debug(&server, &error).contains("1717"), "{error:?}");
}

#[test]
fn any_token_service_gets_the_password() {
    // On another host.
    let given = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&given);
    let tokens = Fake::start_on("127.0.0.2:0", move |request, _| {
        seen.lock().unwrap().extend(header(request, "authorization").map(str::to_owned));
        json(r#"{"token":"x"}"#)
    });
    let realm = format!("http://{}/token", tokens.host());
    let server = Fake::start(move |_| challenge(&realm));
    let _refused = pull(&Peer::plain(server.host(), Peer::with_password())).unwrap_err();
    let given = given.lock().unwrap();
    assert!(given.iter().all(|it| it.starts_with("Basic ")) && !given.is_empty(), "{given:?}");

    // Without TLS, though the registry has it.
    let server = Registry::start_tls_token();
    let error =
        pull(&Peer::tls(server.host(), &server.certificate(), Peer::with_password())).unwrap_err();
    assert!(matches!(error, OciDistributionError::RegistryError { .. }), "{error}");
    assert!(!server.tokens().take_requests().is_empty());
}

#[test]
fn a_token_service_s_refusal_is_dropped() {
    let server = Fake::start_with_host(|request, host| match request.contains("/token") {
        true => "HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nsuspended".to_owned(),
        false => challenge(&format!("http://{host}/token")),
    });
    let error = pull(&Peer::plain(server.host(), Peer::with_password())).unwrap_err();
    assert!(!debug(&server, &error).contains("suspended"), "{error:?}");
    // The manifest was asked for all the same.
    let OciDistributionError::UnauthorizedError { url } = error else { panic!("{error}") };
    assert!(url.ends_with("/manifests/1"), "{url}");
}

#[test]
fn a_manifest_may_be_as_large_as_it_likes() {
    const SIZE: usize = 32 << 20;
    let server = Fake::start(|_| manifest(&" ".repeat(SIZE), ""));
    assert_eq!(pull(&Peer::plain(server.host(), RegistryAuth::Anonymous)).unwrap(), SIZE);
}

#[test]
fn a_push_by_digest_that_is_answered_without_location_panics() {
    let server = Fake::start(|_| "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned());
    let peer = Peer::plain(server.host(), RegistryAuth::Anonymous);
    let push = |name: &str| {
        let reference = peer.reference(name);
        let media_type = OCI_IMAGE_MEDIA_TYPE.parse().unwrap();
        wait(peer.client().push_manifest_raw(&reference, "{}", media_type))
    };
    push("app:1").unwrap();
    let digest = Descriptor::of(MediaType::ImageManifest, b"{}").digest;
    let by_digest = catch_unwind(AssertUnwindSafe(|| push(&format!("app@{digest}"))));
    assert!(by_digest.is_err(), "it no longer panics: {by_digest:?}");
}

#[test]
fn a_mount_asks_for_no_access_to_its_source() {
    let server = Registry::start_token();
    let peer = Peer::plain(server.host(), Peer::with_password());
    let (client, source, target) =
        (peer.client(), peer.reference("source:1"), peer.reference("target:1"));
    let digest = Descriptor::of(MediaType::Wasm, b"blob").digest.to_string();
    let mounted = wait(async {
        client.store_auth_if_needed(server.host(), &peer.auth).await;
        client.push_blob(&source, b"blob".as_slice(), &digest).await.unwrap();
        client.mount_blob(&target, &source, &digest).await
    });
    let error = mounted.unwrap_err();
    assert!(matches!(error, OciDistributionError::ServerError { code: 401, .. }), "{error}");
}

#[test]
fn the_first_login_stays() {
    let given = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&given);
    let server = Fake::start(move |request| {
        seen.lock().unwrap().extend(header(request, "authorization").map(str::to_owned));
        manifest("{}", "")
    });
    let peer = Peer::plain(server.host(), RegistryAuth::Anonymous);
    let (client, reference) = (peer.client(), peer.reference("app:1"));
    wait(async {
        for token in ["first", "second"] {
            let auth = RegistryAuth::Bearer(token.to_owned());
            client.pull_manifest_raw(&reference, &auth, &[OCI_IMAGE_MEDIA_TYPE]).await.unwrap();
        }
    });
    assert_eq!(*given.lock().unwrap(), ["Bearer first", "Bearer first"]);
}

/// The one reason that no longer holds.
#[test]
fn a_download_can_begin_in_the_middle() {
    let server = Registry::start();
    let peer = Peer::plain(server.host(), RegistryAuth::Anonymous);
    let (client, reference) = (peer.client(), peer.reference("app:1"));
    let digest = Descriptor::of(MediaType::Wasm, b"0123456789").digest.to_string();
    let answer = wait(async {
        client.push_blob(&reference, b"0123456789".as_slice(), &digest).await.unwrap();
        client.pull_blob_stream_partial(&reference, digest.as_str(), 4, None).await.unwrap()
    });
    let BlobResponse::Partial(rest) = answer else { panic!("it is the whole blob") };
    assert_eq!(rest.content_length, Some(6));
}

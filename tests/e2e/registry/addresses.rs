//! Registries that send us to services that only this machine reaches, where we don't go.

use wasm_oci_core::image::{Blob, Descriptor, MediaType};
use wasm_oci_core::store::{
    Credentials, Error, Name, RegistryError, RegistryOptions, Secret, Silent, Sink, Source,
};

use super::attacks::{Thief, repository, unauthorized};
use super::fake::{self, Fake};
use super::faults::quick;
use super::{tag, wait};
use crate::harness::{Run, wasm_oci};

/// Spellings of the address where a service of this machine listens on `port`.
fn spellings(port: &str) -> Vec<String> {
    let hosts = [
        "127.0.0.1",
        "127.0.0.2",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "127.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
    ];
    hosts.map(|host| format!("{host}:{port}")).into()
}

#[track_caller]
fn assert_refused<T>(result: Result<T, Error>, place: &str) {
    let Err(error) = result else { panic!("{place}: it was followed") };
    let text = error.to_string();
    assert!(
        matches!(error, Error::Registry(RegistryError::PrivateAddress { .. })),
        "{place}: {text}"
    );
    assert!(text.contains("--private-host "), "{text}");
}

#[test]
fn a_realm_on_this_machine_is_not_asked() {
    let service = Thief::start_on("0.0.0.0:0");
    let port = service.host.rsplit(':').next().unwrap().to_owned();
    for place in spellings(&port) {
        let challenge = format!(r#"Bearer realm="http://{place}/token",service="x""#);
        let server = Fake::start(move |_| unauthorized(&challenge));
        // Also without credentials: the answer would be handed on to the registry.
        let resolve = |credentials| {
            let registry = repository(server.host(), RegistryOptions { credentials, ..quick() });
            wait(registry.resolve(&Name::Tag(tag("1"))))
        };
        assert_refused(resolve(Credentials::Anonymous), &place);
        let basic =
            Credentials::Basic { username: "me".to_owned(), password: Secret::new("hunter2") };
        assert!(resolve(basic).is_err());
    }
    assert!(service.heard().is_empty(), "{:?}", service.heard());
}

#[test]
fn redirects_and_locations_on_this_machine_are_not_followed() {
    let service = Thief::start_on("0.0.0.0:0");
    let port = service.host.rsplit(':').next().unwrap().to_owned();
    let blob = Blob::new(MediaType::Wasm, *b"abc");
    for place in spellings(&port) {
        let target = place.clone();
        let server = Fake::start(move |request| {
            // Nothing is there yet, so that uploads begin.
            if request.starts_with("HEAD ") && request.contains("/blobs/") {
                return fake::not_found();
            }
            let status = if request.starts_with("POST ") { "202 Begun" } else { "307 There" };
            format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: http://{target}/x\r\n\r\n")
        });
        let registry = repository(server.host(), quick());
        assert_refused(wait(registry.fetch(&Descriptor::of(MediaType::Wasm, b"abc"))), &place);
        assert_refused(wait(registry.resolve(&Name::Tag(tag("1")))), &place);
        assert_refused(wait(registry.tags()), &place);
        assert_refused(wait(registry.push(&blob, &Silent)), &place);
    }
    assert!(service.heard().is_empty(), "{:?}", service.heard());
}

/// Those of networks and clouds. Nobody listens there, so that a connection would time out.
#[test]
fn private_addresses_are_refused_before_a_connection() {
    for place in [
        "10.0.0.1",
        "172.16.0.1:8080",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "0.0.0.0",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[64:ff9b::10.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[2002:a00:1::]",
    ] {
        let challenge = format!(r#"Bearer realm="http://{place}/token",service="x""#);
        let server = Fake::start(move |_| unauthorized(&challenge));
        let registry = repository(server.host(), quick());
        let start = std::time::Instant::now();
        assert_refused(wait(registry.resolve(&Name::Tag(tag("1")))), place);
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{place}");
    }
}

#[test]
fn what_the_user_names_is_followed() {
    let service = Thief::start();
    let target = service.host.clone();
    let server = Fake::start(move |_| {
        format!("HTTP/1.1 307 There\r\nContent-Length: 0\r\nLocation: http://{target}/x\r\n\r\n")
    });
    let run = |more: &[&str]| {
        Run::of(wasm_oci().args(["tags", &format!("{}/app", server.host())]).args(more))
    };
    let refused = run(&[]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(
        refused.stderr.contains(&format!("--private-host {}", service.host)),
        "{}",
        refused.stderr
    );
    assert!(service.heard().is_empty());
    for named in ["127.0.0.2", service.host.as_str()] {
        let _followed = run(&["--private-host", named]);
        assert_eq!(service.heard().len(), 1);
        service.forget();
    }
}

/// A registry behind a proxy may say of itself where the proxy finds it. Its own address is the user's word.
#[test]
fn the_next_page_is_asked_of_the_registry_itself() {
    let service = Thief::start_on("127.0.0.1:0");
    let place = service.host.clone();
    let server = Fake::start(move |request| {
        if request.contains("last=a ") {
            return fake::json(r#"{"tags":["b"]}"#);
        }
        let body = r#"{"tags":["a"]}"#;
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nLink: </v2/app/tags/list>; rel=\"first\", \
             <http://{place}/v2/app/tags/list?last=a>; rel=\"next\"\r\n\r\n{body}",
            body.len()
        )
    });
    let tags = wait(repository(server.host(), quick()).tags()).unwrap();
    assert_eq!(tags, ["a", "b"]);
    assert!(service.heard().is_empty());
}

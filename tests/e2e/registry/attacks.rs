//! Attacks that registries and images have used on other tools: all are refused, and credentials never leak.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;
use wasm_oci_core::image::{Blob, Descriptor, Digest, MediaType};
use wasm_oci_core::store::{
    Credentials, Error, Layout, Name, Registry, RegistryError, RegistryOptions, Secret, Silent,
    Sink, Source, Tls, load, save,
};

use super::fake::{self, Fake};
use super::faults::quick;
use super::{images, repository_with, tag, wait};
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::{self, Run, wasm_oci};

/// Somebody on another host, who writes down what they are sent.
pub(super) struct Thief {
    pub(super) host: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Thief {
    pub(super) fn start() -> Thief {
        Thief::start_on("127.0.0.2:0")
    }

    pub(super) fn start_on(address: &str) -> Thief {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        let fake = Fake::start_on(address, move |request, _| {
            notes.lock().unwrap().push(request.to_owned());
            fake::json(r#"{"token":"x"}"#)
        });
        Thief { host: fake.host().to_owned(), heard }
    }

    pub(super) fn forget(&self) {
        self.heard.lock().unwrap().clear();
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn options() -> RegistryOptions {
    let credentials = Credentials::Basic { username: USER.into(), password: Secret::new(PASSWORD) };
    RegistryOptions { credentials, ..quick() }
}

pub(super) fn repository(host: &str, options: RegistryOptions) -> Registry {
    repository_with(host, "app", options)
}

pub(super) fn unauthorized(challenge: &str) -> String {
    format!(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: {challenge}\r\n\r\n"
    )
}

#[test]
fn a_token_service_of_another_owner_gets_no_password() {
    let thief = Thief::start();
    let challenge = format!(r#"Bearer realm="http://{}/token",service="x""#, thief.host);
    let server = Fake::start(move |_| unauthorized(&challenge));
    for credentials in [options().credentials, Credentials::IdentityToken(Secret::new("hunter2"))] {
        let registry = repository(server.host(), RegistryOptions { credentials, ..quick() });
        let error = wait(registry.resolve(&Name::Tag(tag("1")))).unwrap_err();
        let Error::Registry(RegistryError::UntrustedTokenServer { ref host, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(host, "127.0.0.2");
        assert!(error.to_string().contains("--token-server 127.0.0.2"), "{error}");
    }
    assert!(thief.heard().is_empty(), "{:?}", thief.heard());
    // Once it is named, it may.
    let named = RegistryOptions { token_servers: vec!["127.0.0.2".to_owned()], ..options() };
    wait(repository(server.host(), named).resolve(&Name::Tag(tag("1")))).unwrap_err();
    assert!(thief.heard()[0].to_lowercase().contains("authorization: basic"));
}

#[test]
fn a_token_service_without_tls_gets_nothing_from_a_registry_with_it() {
    let server = harness::Registry::start_tls_token();
    for credentials in [options().credentials, Credentials::Anonymous] {
        let tls = Tls { authorities: vec![server.certificate()], identity: None };
        let registry = repository(server.host(), RegistryOptions { credentials, tls, ..quick() });
        let error = wait(registry.resolve(&Name::Tag(tag("1")))).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Registry(RegistryError::UntrustedTokenServer { safe: false, .. })
            ),
            "{error}"
        );
    }
    assert!(server.tokens().take_requests().is_empty());
}

#[test]
fn a_redirect_takes_nobody_s_name_along() {
    let thief = Thief::start();
    let host = thief.host.clone();
    let server =
        Fake::start(move |request| match request.to_lowercase().contains("authorization:") {
            true => format!(
                "HTTP/1.1 307 There\r\nContent-Length: 0\r\nLocation: http://{host}{}\r\n\r\n",
                request.split(' ').nth(1).unwrap()
            ),
            false => unauthorized(r#"Basic realm="x""#),
        });
    let named = RegistryOptions { private_hosts: vec![thief.host.clone()], ..options() };
    let registry = repository(server.host(), named);
    let descriptor = Descriptor::of(MediaType::Wasm, b"abc");
    wait(registry.fetch(&descriptor)).unwrap_err();
    wait(registry.resolve(&Name::Tag(tag("1")))).unwrap_err();
    wait(registry.exists(&descriptor)).ok();
    wait(save(&images()[1], &registry, &[tag("1")], &Silent)).unwrap_err();
    assert!(!thief.heard().is_empty(), "the redirects were not followed");
    for request in thief.heard() {
        assert!(!request.to_lowercase().contains("authorization"), "{request}");
    }
}

#[test]
fn redirects_without_end_end() {
    let server = Fake::start(|request| {
        let path = request.split(' ').nth(1).unwrap();
        format!("HTTP/1.1 302 There\r\nContent-Length: 0\r\nLocation: {path}x\r\n\r\n")
    });
    let error = wait(repository(server.host(), quick()).resolve(&Name::Tag(tag("1")))).unwrap_err();
    let error = wasm_oci_core::error_chain(&error);
    assert!(error.contains("too many redirects"), "{error}");
}

/// A registry with one manifest, and everything else of it missing.
fn with_manifest(media_type: &MediaType, document: &serde_json::Value) -> Fake {
    let (body, media_type) = (document.to_string(), media_type.to_string());
    Fake::start(move |request| match request.contains("/manifests/") {
        true => format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        false => fake::not_found(),
    })
}

#[test]
fn layers_that_are_said_to_be_elsewhere_are_not_looked_for_there() {
    let thief = Thief::start();
    let descriptor = |bytes: &[u8]| {
        let Descriptor { digest, size, .. } = Descriptor::of(MediaType::Wasm, bytes);
        json!({
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "size": size,
            "digest": digest.to_string(), "urls": [format!("http://{}/layer", thief.host)],
        })
    };
    let manifest = json!({"schemaVersion": 2, "config": descriptor(b"config"), "layers": [descriptor(b"layer")]});
    let server = with_manifest(&MediaType::ImageManifest, &manifest);
    let error =
        wait(load(&repository(server.host(), options()), &Name::Tag(tag("1")))).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::Missing { .. })), "{error}");
    assert!(thief.heard().is_empty());
}

#[test]
fn a_digest_is_no_path() {
    for digest in ["sha256:../../../../etc/passwd", "../../x", "sha256:", "sha256:AB", "sha512:00"]
    {
        let entry = json!({"mediaType": "application/wasm", "size": 1, "digest": digest});
        let manifest = json!({"schemaVersion": 2, "config": entry, "layers": [entry]});
        let server = with_manifest(&MediaType::ImageManifest, &manifest);
        let error =
            wait(load(&repository(server.host(), quick()), &Name::Tag(tag("1")))).unwrap_err();
        assert!(matches!(error, Error::Image(_)), "{digest}: {error}");
    }
}

#[test]
fn a_document_is_one_thing() {
    let entry =
        json!({"mediaType": "application/wasm", "size": 1, "digest": Digest::of(b"x").to_string()});
    let both =
        json!({"schemaVersion": 2, "config": entry, "layers": [entry], "manifests": [entry]});
    for media_type in [MediaType::ImageManifest, MediaType::ImageIndex] {
        let server = with_manifest(&media_type, &both);
        let error =
            wait(load(&repository(server.host(), quick()), &Name::Tag(tag("1")))).unwrap_err();
        assert!(error.to_string().contains("at once"), "{error}");
    }
}

#[test]
fn a_layer_that_unpacks_without_end_is_refused_in_little_memory() {
    // More than a gigabyte of nothing, in some megabytes.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut header = tar::Header::new_ustar();
    header.set_path("app.wasm").unwrap();
    header.set_size(1200 << 20);
    header.set_cksum();
    gzip.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..1200 {
        gzip.write_all(&zeros).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    write_layout(folder.path(), gzip.finish().unwrap());
    let layout = format!("oci:{}", folder.path().display());
    let out = folder.path().join("out.wasm");
    let mut command = std::process::Command::new("sh");
    // Twice what may be unpacked, and some for the program itself.
    command.args(["-c", "ulimit -v 3500000; exec \"$@\"", "sh"]).arg(wasm_oci().get_program());
    let run = Run::of(command.args(["validate", &layout]));
    assert_eq!(run.code, 10, "{}", run.stderr);
    assert!(run.stderr.contains("`--read-limit memory=VALUE`"), "{}", run.stderr);
    assert!(!out.exists());
}

#[test]
fn files_of_a_layer_stay_in_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let module =
        wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
            .unwrap();
    type Entry<'a> = (tar::EntryType, String, &'a str);
    let attacks: [&[Entry<'_>]; 6] = [
        &[(tar::EntryType::Regular, "../outside/evil".to_owned(), "")],
        &[(tar::EntryType::Regular, format!("{}/evil", outside.display()), "")],
        &[
            (tar::EntryType::Symlink, "link".to_owned(), outside.to_str().unwrap()),
            (tar::EntryType::Regular, "link/evil".to_owned(), ""),
        ],
        &[(tar::EntryType::Link, "evil".to_owned(), "/etc/passwd")],
        &[(tar::EntryType::Block, "evil".to_owned(), "")],
        &[(tar::EntryType::Char, "app.wasm".to_owned(), "")],
    ];
    for (n, entries) in attacks.into_iter().enumerate() {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, tar::EntryType::Regular, "app.wasm", "", &module);
        for (kind, path, link) in entries {
            append(
                &mut tar,
                *kind,
                path,
                link,
                if *kind == tar::EntryType::Regular { b"evil" } else { b"" },
            );
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar.into_inner().unwrap()).unwrap();
        let layout = folder.path().join(format!("layout{n}"));
        write_layout(&layout, gzip.finish().unwrap());
        let run = Run::of(wasm_oci().args(["run", &format!("oci:{}", layout.display())]));
        assert!([0, 1, 3].contains(&run.code), "{n}: {} {}", run.code, run.stderr);
        assert_eq!(outside.read_dir().unwrap().count(), 0, "{n}: {}", run.stderr);
    }
}

/// On Windows, `image/layer_path.rs` refuses them. Here they are ordinary names, and packages have such files.
#[cfg(not(windows))]
#[test]
fn paths_that_windows_would_follow_are_refused() {
    let module =
        wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
            .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (n, (path, code)) in [
        (r"..\..\..\evil.txt", 3),
        ("Z:/tmp/evil2.txt", 3),
        (r"\\host\share\x", 3),
        ("data/COM1.txt", 3),
        ("aux.c", 3),
        // Windows spells these differently, and no more. Packages have such files.
        ("data/a:b", 0),
        ("a./b", 0),
        ("usr/share/man/App::Cpan.3pm", 0),
    ]
    .into_iter()
    .enumerate()
    {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, tar::EntryType::Regular, "app.wasm", "", &module);
        append(&mut tar, tar::EntryType::Regular, path, "", b"evil");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar.into_inner().unwrap()).unwrap();
        let layout = folder.path().join(format!("layout{n}"));
        write_layout(&layout, gzip.finish().unwrap());
        let run = Run::of(wasm_oci().args(["run", &format!("oci:{}", layout.display())]));
        assert_eq!(run.code, code, "{path}: {}", run.stderr);
        let converted = folder.path().join(format!("converted{n}"));
        let [source, target] = [layout, converted].map(|it| format!("oci:{}", it.display()));
        let run = Run::of(wasm_oci().args(["convert", &source, &target, "--format", "container"]));
        assert_eq!(run.code, code, "{path}: {}", run.stderr);
    }
}

/// A file whose extended header says that another is its content: to who doesn't read that, the other is an entry of its own
/// ([pax](https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_03), where the size there wins).
#[test]
fn a_file_that_hides_in_another_is_not_found() {
    let module = |code: u32| {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {code}))))"#
        );
        wat::parse_str(text).unwrap()
    };
    let mut hidden = tar::Builder::new(Vec::new());
    append(&mut hidden, tar::EntryType::Regular, "app.wasm", "", &module(66));
    let mut hidden = hidden.into_inner().unwrap();
    hidden.truncate(hidden.len() - 1024);
    let record = format!("size={}\n", hidden.len());
    // The length that a record begins with counts itself.
    let record = format!("{} {record}", record.len() + 3);
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, tar::EntryType::XHeader, "x", "", record.as_bytes());
    append(&mut tar, tar::EntryType::Regular, "other", "", b"");
    let mut bytes = tar.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(hidden);
    let mut rest = tar::Builder::new(Vec::new());
    append(&mut rest, tar::EntryType::Regular, "app.wasm", "", &module(7));
    bytes.extend(rest.into_inner().unwrap());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_layout(folder.path(), gzip.finish().unwrap());
    let run = Run::of(wasm_oci().args(["run", &format!("oci:{}", folder.path().display())]));
    assert_eq!(run.code, 7, "{}", run.stderr);
}

/// The path goes in as it is: `tar` itself would refuse some.
fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    path: &str,
    link: &str,
    bytes: &[u8],
) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    tar.append(&header, bytes).unwrap();
}

/// A layout with an image of this one layer, that starts `/app.wasm`.
fn write_layout(path: &std::path::Path, layer: Vec<u8>) {
    let layout = Layout::create(path).unwrap();
    let config = json!({
        "os": "wasi", "architecture": "wasm", "config": {"Entrypoint": ["/app.wasm"]},
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let layer = Blob::new(MediaType::ImageLayerGzip, layer);
    let config = Blob::new(MediaType::ImageConfig, config.to_string().into_bytes());
    let entry = |blob: &Blob| {
        let Descriptor { media_type, digest, size, .. } = blob.descriptor();
        json!({"mediaType": media_type.as_str(), "digest": digest.to_string(), "size": size})
    };
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::ImageManifest.as_str(), "config": entry(&config),
        "layers": [entry(&layer)],
    });
    wait(layout.push(&layer, &Silent)).unwrap();
    wait(layout.push(&config, &Silent)).unwrap();
    let manifest = Blob::new(MediaType::ImageManifest, manifest.to_string().into_bytes());
    wait(layout.tag(&manifest, &tag("latest"))).unwrap();
}

#[test]
fn a_password_is_not_in_what_is_printed_or_in_arguments() {
    let server = harness::Registry::start_private();
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("app.wasm");
    let bytes = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
        .unwrap();
    std::fs::write(&module, bytes).unwrap();
    for password in [PASSWORD, "hunter2, which is wrong"] {
        let reference = format!("{}/app:1", server.host());
        let mut push = wasm_oci();
        push.args(["push", "-v", "--username", USER, "--password-stdin"])
            .arg(&module)
            .arg(&reference);
        let run =
            Run::with_stdin(push.env("DOCKER_CONFIG", folder.path()), &format!("{password}\n"));
        assert_eq!(run.code, if password == PASSWORD { 0 } else { 5 }, "{}", run.stderr);
        assert!(!run.stderr.contains(password) && !run.stdout.contains(password), "{}", run.stderr);
        let encoded =
            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{USER}:{password}"));
        assert!(!run.stderr.contains(&encoded), "{}", run.stderr);
    }
}

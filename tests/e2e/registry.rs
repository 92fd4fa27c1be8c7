//! The library against Debian's registry, which is real. Those that misbehave are in [`misbehaving`].

mod addresses;
mod attacks;
mod debug_log;
mod development;
pub(crate) mod fake;
mod faults;
mod interrupted;
mod logins;
mod misbehaving;
mod modes;
mod mounts;
mod oci_client;
mod oci_client_limits;
mod peers;
mod quirks;
mod schedules;

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wasm_oci_core::image::{
    Architecture, Blob, Descriptor, Digest, Error as ImageError, Format, Image, ImageSettings,
    MediaType, NativeProgram, Tag, assemble,
};
use wasm_oci_core::module::{BuiltModule, ValidateOptions, validate};
use wasm_oci_core::store::{
    Credentials, Error, Name, Outcome, Progress, Registry, RegistryError, RegistryOptions, Secret,
    Silent, Sink, Source, load, load_wasm, save,
};

use crate::harness;
use crate::harness::registry::{PASSWORD, USER};

#[test]
fn every_format_comes_back_as_it_was() {
    let server = harness::Registry::start();
    for image in images() {
        let repository = repository(server.host(), "app");
        wait(save(&image, &repository, &[tag("a"), tag("b")], &Silent)).unwrap();
        for name in [Name::Tag(tag("a")), Name::Tag(tag("b")), Name::Digest(image.digest())] {
            let loaded = wait(load(&repository, &name)).unwrap();
            assert_eq!(loaded.digest(), image.digest());
            assert_eq!(contents(&loaded), contents(&image));
        }
        let wasm = wait(load_wasm(&repository, &Name::Tag(tag("a")))).unwrap();
        assert_eq!(
            wasm.blob().descriptor().digest,
            image.wasm_manifest().unwrap().blob().descriptor().digest
        );
    }
}

#[test]
fn what_is_there_is_only_asked_for() {
    let server = harness::Registry::start();
    let direct = repository(server.host(), "app");
    let image = &images()[0];
    wait(save(image, &direct, &[tag("first")], &Silent)).unwrap();
    let sent = server.log().len();

    let heard = Heard::default();
    wait(save(image, &direct, &[tag("second")], &heard)).unwrap();
    let outcomes = heard.outcomes.into_inner().unwrap();
    let (last, others) = outcomes.split_last().unwrap();
    assert_eq!(others, vec![Outcome::Existed; image.blobs().count() - 1]);
    assert_eq!(*last, Outcome::Moved);
    let log = wait_for(|| {
        Some(server.log()[sent..].to_owned()).filter(|log| log.contains("manifests/second"))
    });
    assert!(!log.contains("\"POST ") && !log.contains("\"PATCH "), "{log}");
    assert_eq!(log.matches("\"PUT ").count(), 1, "{log}");

    // Once more, and nothing is but asked for: each blob and manifest, and the tag instead of the root.
    let proxy = harness::proxy::Proxy::before(server.host());
    let again = repository(proxy.host(), "app");
    wait(save(image, &again, &[tag("second")], &Silent)).unwrap();
    let requests = proxy.take_requests();
    assert!(requests.iter().all(|request| request.method == "HEAD"), "{requests:?}");
    assert_eq!(requests.len(), image.blobs().count());
}

#[test]
fn a_large_blob_comes_from_a_file_and_goes_to_one() {
    let server = harness::Registry::start();
    let repository = repository(server.host(), "nested/app");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("blob");
    let bytes: Vec<u8> = (0_u32..5_000_000).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &bytes).unwrap();
    let descriptor = Descriptor::of(MediaType::Wasm, &bytes);
    let blob = Blob::verified_file(descriptor.clone(), &path, 0..descriptor.size).unwrap();

    assert!(!wait(repository.exists(&descriptor)).unwrap());
    let heard = Heard::default();
    wait(repository.push(&blob, &heard)).unwrap();
    assert_eq!(heard.bytes.into_inner().unwrap(), descriptor.size);
    assert!(wait(repository.exists(&descriptor)).unwrap());
    assert_eq!(*wait(repository.fetch(&descriptor)).unwrap().bytes().unwrap(), *bytes);
}

#[test]
fn what_is_missing_is_not_found() {
    let server = harness::Registry::start();
    let repository = repository(server.host(), "app");
    let absent = Descriptor::of(MediaType::Wasm, b"absent");
    for name in [Name::Tag(tag("absent")), Name::Digest(absent.digest)] {
        let error = wait(load(&repository, &name)).unwrap_err();
        let Error::Registry(RegistryError::Missing { place, name: found }) = error else {
            panic!("{error}")
        };
        assert_eq!((place, found), (format!("{}/app", server.host()), name.to_string()));
    }
    let error = wait(repository.fetch(&absent)).unwrap_err();
    assert!(matches!(error, Error::Registry(RegistryError::Missing { .. })), "{error}");
}

#[test]
fn what_was_damaged_in_the_registry_is_refused() {
    let server = harness::Registry::start();
    let repository = repository(server.host(), "app");
    let image = images().remove(2);
    wait(save(&image, &repository, &[tag("1")], &Silent)).unwrap();

    let layer = image.manifests()[0].layers()[0].descriptor();
    damage(&server, layer.digest);
    let error = wait(load(&repository, &Name::Tag(tag("1")))).unwrap_err();
    let Error::Image(ImageError::Mismatch { expected, .. }) = error else { panic!("{error}") };
    assert_eq!(expected, layer.digest);

    // Of manifests this registry notices it by itself.
    damage(&server, image.digest());
    for name in [Name::Tag(tag("1")), Name::Digest(image.digest())] {
        let error = wait(repository.resolve(&name)).unwrap_err();
        assert!(
            matches!(error, Error::Registry(RegistryError::Rejected { status: 500, .. })),
            "{error}"
        );
    }
}

#[test]
fn a_private_registry_wants_the_right_password() {
    let server = harness::Registry::start_private();
    let image = &images()[0];
    let with = |credentials: Credentials| {
        let options = RegistryOptions { credentials, ..RegistryOptions::default() };
        let repository = repository_with(server.host(), "app", options);
        let saved = wait(save(image, &repository, &[tag("1")], &Silent));
        saved.and_then(|()| {
            wait(load(&repository, &Name::Tag(tag("1")))).map(|loaded| loaded.digest())
        })
    };
    let basic = |password: &str| Credentials::Basic {
        username: USER.to_owned(),
        password: Secret::new(password),
    };
    for credentials in [Credentials::Anonymous, basic("wrong password")] {
        let error = with(credentials).unwrap_err();
        let text = error.to_string();
        let Error::Registry(error) = error else { panic!("{error}") };
        assert!(
            matches!(error, RegistryError::Unauthorized { .. }) && error.is_authentication(),
            "{text}"
        );
        assert!(
            text.contains(&format!("docker login {}", server.host()))
                && !text.contains("wrong password")
        );
    }
    assert_eq!(with(basic(PASSWORD)).unwrap(), image.digest());
}

#[test]
fn a_registry_that_is_not_there_is_unreachable() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for host in [unused.to_string(), "registry.invalid".to_owned()] {
        let error = wait(repository(&host, "app").resolve(&Name::Tag(tag("1")))).unwrap_err();
        assert!(matches!(error, Error::Registry(RegistryError::Unreachable { .. })), "{error}");
        let text = error.to_string();
        assert!(text.contains(&host) && text.contains("check the address"), "{text}");
    }
}

fn images() -> Vec<Image> {
    let bytes = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
        .unwrap();
    let module = BuiltModule::new("app", bytes).unwrap().unoptimized();
    let module = validate(module, &ValidateOptions::default()).unwrap();
    let mut settings = ImageSettings::new("app");
    // Stores don't look into layers.
    settings.natives = Architecture::ALL.map(native).to_vec();
    assemble(&module, &settings, &Format::ALL).unwrap()
}

fn native(architecture: Architecture) -> NativeProgram {
    NativeProgram {
        architecture,
        runner: Arc::from(*b"runner"),
        code: architecture.name().as_bytes().into(),
        engine: "none".to_owned(),
        serves: false,
    }
}

fn contents(image: &Image) -> Vec<Vec<u8>> {
    image.blobs().map(|blob| blob.bytes().unwrap().to_vec()).collect()
}

fn repository(host: &str, path: &str) -> Registry {
    repository_with(host, path, RegistryOptions::default())
}

fn repository_with(host: &str, path: &str, options: RegistryOptions) -> Registry {
    Registry::new(&format!("{host}/{path}").parse().unwrap(), options).unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// Changes one byte of a blob in the registry's storage.
fn damage(server: &harness::Registry, digest: Digest) {
    let hex = digest.hex();
    let path: PathBuf = server
        .storage()
        .join("docker/registry/v2/blobs/sha256")
        .join(&hex[..2])
        .join(&hex)
        .join("data");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.iter().rposition(|byte| byte.is_ascii_digit()).unwrap_or(bytes.len() - 1);
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn wait_for<T>(mut answer: impl FnMut() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(answer) = answer() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing came")
}

/// The events of a [`Progress`].
#[derive(Default)]
struct Heard {
    bytes: Mutex<u64>,
    outcomes: Mutex<Vec<Outcome>>,
}

impl Progress for Heard {
    fn advance(&self, _: &Descriptor, bytes: u64) {
        *self.bytes.lock().unwrap() += bytes;
    }

    fn end(&self, _: &Descriptor, outcome: Outcome) {
        self.outcomes.lock().unwrap().push(outcome);
    }
}

//! `oci-client`, the library with which wkg, Spin, wash and Kubewarden use registries: it pulls every format of ours,
//! and we pull what it pushed, in each mode of the registry.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use oci_client::Reference;
use oci_client::client::{
    Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol, Config, ImageData,
    ImageLayer, current_platform_resolver, linux_amd64_resolver,
};
use oci_client::config::ConfigFile;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_LAYER_GZIP_MEDIA_TYPE, ImageIndexEntry,
    OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciImageManifest, WASM_CONFIG_MEDIA_TYPE,
    WASM_LAYER_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use serde_json::json;
use wasm_oci_core::image::Format;

use super::modes::User;
use super::peers::tar;
use super::wait;
use crate::harness::registry::{PASSWORD, USER};
use crate::harness::tunnel::Tunnel;
use crate::harness::{self, Registry};

/// Media types of the artifact that `wkg` reads.
const ARTIFACT_CONFIG: &str = "application/vnd.wasm.config.v0+json";
const ARTIFACT_LAYER: &str = "application/wasm";

type Resolver = fn(&[ImageIndexEntry]) -> Option<String>;

/// A user of `oci-client` at one registry.
pub(super) struct Peer {
    host: String,
    protocol: ClientProtocol,
    certificate: Option<Vec<u8>>,
    pub(super) auth: RegistryAuth,
    resolver: Resolver,
    monolithic: bool,
}

impl Peer {
    /// One that speaks plain HTTP, and sends the password if it is asked for one.
    pub(super) fn plain(host: &str, auth: RegistryAuth) -> Peer {
        Peer {
            host: host.to_owned(),
            protocol: ClientProtocol::Http,
            certificate: None,
            auth,
            resolver: current_platform_resolver,
            monolithic: false,
        }
    }

    /// One that speaks TLS and trusts this certificate.
    pub(super) fn tls(host: &str, certificate: &Path, auth: RegistryAuth) -> Peer {
        Peer {
            protocol: ClientProtocol::Https,
            certificate: Some(fs::read(certificate).unwrap()),
            ..Peer::plain(host, auth)
        }
    }

    pub(super) fn with_password() -> RegistryAuth {
        RegistryAuth::Basic(USER.to_owned(), PASSWORD.to_owned())
    }

    /// The same that takes another entry of an index.
    fn resolving(&self, resolver: Resolver) -> Peer {
        let (protocol, certificate) = (self.protocol.clone(), self.certificate.clone());
        Peer { protocol, certificate, resolver, ..Peer::plain(&self.host, self.auth.clone()) }
    }

    /// The same that sends a blob in one request.
    fn monolithic(&self) -> Peer {
        Peer { monolithic: true, ..self.resolving(self.resolver) }
    }

    /// A new client for each operation: its connections end with the runtime of [`wait`].
    pub(super) fn client(&self) -> Client {
        // Another test may have been here before.
        rustls::crypto::ring::default_provider().install_default().ok();
        let certificates = self
            .certificate
            .iter()
            .map(|pem| Certificate { encoding: CertificateEncoding::Pem, data: pem.clone() });
        Client::try_from(ClientConfig {
            protocol: self.protocol.clone(),
            tls_certs_only: certificates.collect(),
            platform_resolver: Some(Box::new(self.resolver)),
            use_monolithic_push: self.monolithic,
            ..ClientConfig::default()
        })
        .unwrap()
    }

    pub(super) fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.host).parse().unwrap()
    }

    fn pull(&self, reference: &Reference) -> Result<ImageData, OciDistributionError> {
        let accepted = vec![IMAGE_LAYER_GZIP_MEDIA_TYPE, ARTIFACT_LAYER, WASM_LAYER_MEDIA_TYPE];
        wait(self.client().pull(reference, &self.auth, accepted))
    }

    fn push(
        &self,
        reference: &Reference,
        layers: &[ImageLayer],
        config: Config,
        manifest: Option<OciImageManifest>,
    ) {
        let client = self.client();
        let pushed = wait(client.push(reference, layers, config, &self.auth, manifest));
        pushed.unwrap_or_else(|error| panic!("{reference}: {error}"));
    }
}

/// The entry of our universal images that has the platform of Wasm.
fn wasm_resolver(entries: &[ImageIndexEntry]) -> Option<String> {
    let is_wasm = |entry: &&ImageIndexEntry| {
        let platform = entry.platform.as_ref().unwrap();
        (platform.os.to_string(), platform.architecture.to_string())
            == ("wasi".to_owned(), "wasm".to_owned())
    };
    entries.iter().find(is_wasm).map(|entry| entry.digest.clone())
}

/// Every file of a gzipped tar.
fn files_in(layer: &[u8]) -> Vec<Vec<u8>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(layer));
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.header().entry_type().is_file());
    let contents = files.map(|mut entry| {
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        bytes
    });
    contents.collect()
}

/// Checks that each layer is the module, or a tar with only the module.
#[track_caller]
fn assert_module(image: &ImageData, types: &[&str], module: &[u8]) {
    // They come in any order.
    let mut found: Vec<_> = image.layers.iter().map(|layer| layer.media_type.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, types);
    for layer in &image.layers {
        let files = match layer.media_type.as_str() {
            IMAGE_LAYER_GZIP_MEDIA_TYPE => files_in(&layer.data),
            _ => vec![layer.data.to_vec()],
        };
        assert!(files == [module], "{}: it is another module", layer.media_type);
    }
}

/// One user's machine with both programs, at one registry.
struct Both<'a> {
    user: &'a User,
    /// How we reach the registry.
    host: &'a str,
    flags: &'a [&'a str],
    peer: Peer,
}

impl Both<'_> {
    fn run(&self, words: &[&str]) -> harness::Run {
        self.user.run(&[words, self.flags].concat())
    }

    fn check(&self) {
        for format in formats() {
            self.peer_pulls(format);
        }
        let (client, reference) = (self.peer.client(), self.peer.reference("ours/app"));
        let listed = wait(client.list_tags(&reference, &self.peer.auth, None, None));
        // The registry lists them in any order.
        let mut tags = listed.unwrap().tags;
        let mut names: Vec<String> = formats().map(|format| format.to_string()).collect();
        tags.sort();
        names.sort();
        assert_eq!(tags, names);
        self.we_pull();
    }

    /// The peer pulls an image of ours in this format, and pushes it again under another name.
    fn peer_pulls(&self, format: Format) {
        let ours = format!("{}/ours/app:{format}", self.host);
        let pushed = self.run(&["push", "app.wasm", &ours, "--format", format.name()]).success();
        let digest = pushed.stdout.trim().split_once('@').unwrap().1;
        let _pulled = self.run(&["pull", &ours, "--module", "ours.wasm"]).success();
        let module = fs::read(self.user.path("ours.wasm")).unwrap();

        let (types, config): (&[&str], _) = match format {
            // `formats` leaves `standalone` out.
            Format::Universal | Format::Standalone | Format::Container => {
                (&[IMAGE_LAYER_GZIP_MEDIA_TYPE], IMAGE_CONFIG_MEDIA_TYPE)
            }
            Format::Module => (&[ARTIFACT_LAYER], IMAGE_CONFIG_MEDIA_TYPE),
            Format::Combined => {
                (&[IMAGE_LAYER_GZIP_MEDIA_TYPE, ARTIFACT_LAYER], IMAGE_CONFIG_MEDIA_TYPE)
            }
            Format::Artifact => (&[ARTIFACT_LAYER], ARTIFACT_CONFIG),
        };
        let all: [Resolver; 3] = [current_platform_resolver, linux_amd64_resolver, wasm_resolver];
        // Only an index has entries to choose from.
        let resolvers = if format == Format::Universal { &all[..] } else { &all[..1] };
        for resolver in resolvers {
            let peer = self.peer.resolving(*resolver);
            for name in [format!("ours/app:{format}"), format!("ours/app@{digest}")] {
                let reference = peer.reference(&name);
                let image = peer.pull(&reference).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_module(&image, types, &module);
                assert_eq!(image.config.media_type, config, "{name}");
                if config == IMAGE_CONFIG_MEDIA_TYPE {
                    let config = ConfigFile::try_from(image.config).unwrap().config.unwrap();
                    assert_eq!(config.entrypoint.unwrap(), ["/app.wasm"], "{name}");
                }
                let client = peer.client();
                let (_, one, list) =
                    wait(client.pull_image_manifest_and_list_digest(&reference, &peer.auth))
                        .unwrap();
                assert_eq!(list.unwrap_or(one), digest, "{name}");
            }
        }
        self.peer_pushes_again(format, &module);
    }

    fn peer_pushes_again(&self, format: Format, module: &[u8]) {
        let image = self.peer.pull(&self.peer.reference(&format!("ours/app:{format}"))).unwrap();
        // With the manifest, the library takes the layers to be in its order.
        let manifest = image.manifest.unwrap();
        let order = |layer: &ImageLayer| {
            let digest = layer.sha256_digest();
            manifest.layers.iter().position(|descriptor| descriptor.digest == digest)
        };
        let mut layers = image.layers;
        layers.sort_by_key(order);
        let again = format!("again/app:{format}");
        let peer = self.peer.monolithic();
        peer.push(&peer.reference(&again), &layers, image.config, Some(manifest));
        // The library serializes the manifest again, and gets the bytes that we wrote.
        let client = peer.client();
        let digest = wait(client.fetch_manifest_digest(&peer.reference(&again), &peer.auth));
        assert_eq!(digest.unwrap(), image.digest.unwrap(), "{again}");
        self.assert_pulled(&again, module);
    }

    /// We pull and run what the peer pushed, in the shapes of the tools that use it.
    fn we_pull(&self) {
        let module = fs::read(self.user.path("app.wasm")).unwrap();
        let peer = &self.peer;
        let json_config = |media_type: &str, config: &serde_json::Value| {
            Config::new(config.to_string(), media_type.to_owned(), None)
        };

        let layer = |media_type: &str| ImageLayer::new(module.clone(), media_type.to_owned(), None);
        let config = json_config(
            ARTIFACT_CONFIG,
            &json!({
                "created": "2026-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip2",
                "layerDigests": [layer(ARTIFACT_LAYER).sha256_digest()], "component": null,
            }),
        );
        peer.push(&peer.reference("theirs/wkg:1"), &[layer(ARTIFACT_LAYER)], config, None);
        self.assert_runs("theirs/wkg:1", &module);

        let annotations =
            BTreeMap::from([("io.kubewarden.policy.title".to_owned(), "x".to_owned())]);
        let (layers, config) =
            ([layer(WASM_LAYER_MEDIA_TYPE)], json_config(WASM_CONFIG_MEDIA_TYPE, &json!({})));
        let manifest = OciImageManifest::build(&layers, &config, Some(annotations));
        peer.push(&peer.reference("theirs/policy:1"), &layers, config, Some(manifest));
        self.assert_pulled("theirs/policy:1", &module);

        let layers = [ImageLayer::oci_v1_gzip(tar(&[("bin/app.wasm", &module)], true), None)];
        let config = json_config(
            IMAGE_CONFIG_MEDIA_TYPE,
            &json!({
                "architecture": "wasm", "os": "wasi", "config": {"Entrypoint": ["/bin/app.wasm"]},
                "rootfs": {"type": "layers", "diff_ids": []},
            }),
        );
        let image = peer.reference("theirs/image:1");
        peer.push(&image, &layers, config, None);
        self.assert_runs("theirs/image:1", &module);

        self.push_index(&image);
        self.assert_runs("theirs/image:index", &module);
    }

    /// The peer pushes an index of one image that is in its repository.
    fn push_index(&self, image: &Reference) {
        let (peer, client) = (&self.peer, self.peer.client());
        wait(async {
            let manifest = client.pull_manifest_raw(image, &peer.auth, &[OCI_IMAGE_MEDIA_TYPE]);
            let (bytes, digest) = manifest.await.unwrap();
            let index = json!({"schemaVersion": 2, "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": [{
                "mediaType": OCI_IMAGE_MEDIA_TYPE, "digest": digest, "size": bytes.len(),
                "platform": {"architecture": "wasm", "os": "wasi"},
            }]});
            let index = serde_json::from_value(index).unwrap();
            let reference = peer.reference("theirs/image:index");
            client.push_manifest_list(&reference, &peer.auth, index).await.unwrap();
        });
    }

    #[track_caller]
    fn assert_pulled(&self, name: &str, module: &[u8]) {
        let reference = format!("{}/{name}", self.host);
        let _pulled = self.run(&["pull", &reference, "--module", "theirs.wasm"]).success();
        assert!(fs::read(self.user.path("theirs.wasm")).unwrap() == module, "{name}");
    }

    #[track_caller]
    fn assert_runs(&self, name: &str, module: &[u8]) {
        self.assert_pulled(name, module);
        let reference = format!("{}/{name}", self.host);
        let run = self.user.run(&[&["run", &reference], self.flags, &["--", "hello"]].concat());
        assert!(run.stdout.ends_with("hello\n"), "{name}: {run:?}");
    }
}

#[test]
fn plain() {
    let (user, server) = (User::new(), Registry::start());
    let peer = Peer::plain(server.host(), RegistryAuth::Anonymous);
    Both { user: &user, host: server.host(), flags: &[], peer }.check();
}

#[test]
fn htpasswd() {
    let (user, server) = (User::new(), Registry::start_private());
    let _in = user.log_in(server.host(), &[]).success();
    let peer = Peer::plain(server.host(), Peer::with_password());
    Both { user: &user, host: server.host(), flags: &[], peer }.check();
}

#[test]
fn tls() {
    let (user, server) = (User::new(), Registry::start_tls());
    let certificate = server.certificate();
    let peer = Peer::tls(server.host(), &certificate, RegistryAuth::Anonymous);
    let flags = ["--ca", certificate.to_str().unwrap()];
    Both { user: &user, host: server.host(), flags: &flags, peer }.check();
}

/// The library can't show a client certificate, so a tunnel does.
#[test]
fn mutual_tls() {
    let (user, server) = (User::new(), Registry::start_mutual_tls());
    let (certificate, key) = (server.certificate(), server.certificate().with_file_name("key.pem"));
    let direct = Peer::tls(server.host(), &certificate, RegistryAuth::Anonymous);
    let refused = direct.pull(&direct.reference("ours/app:1")).err().unwrap();
    assert!(matches!(refused, OciDistributionError::RequestError(_)), "{refused}");
    let tunnel = Tunnel::to(server.host(), &certificate, &key);
    let peer = Peer::plain(tunnel.host(), RegistryAuth::Anonymous);
    let certificate = certificate.to_str().unwrap();
    let flags =
        ["--ca", certificate, "--client-cert", certificate, "--client-key", key.to_str().unwrap()];
    Both { user: &user, host: server.host(), flags: &flags, peer }.check();
}

#[test]
fn token() {
    let (user, server) = (User::new(), Registry::start_token());
    let flags = ["--token-server", server.tokens().host()];
    let _in = user.log_in(server.host(), &flags).success();
    let peer = Peer::plain(server.host(), Peer::with_password());
    Both { user: &user, host: server.host(), flags: &flags, peer }.check();
}

/// Returns the formats. Without a Wasm platform in its resolver, the library would pull the native program of a standalone image.
fn formats() -> impl Iterator<Item = Format> {
    Format::ALL.into_iter().filter(|format| *format != Format::Standalone)
}

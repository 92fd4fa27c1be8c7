//! An image's configuration: the command and its environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::documents::canonical_json;
use super::native::RUNNER;
use super::{Blob, Digest, Error, ImageSettings, MediaType, Platform};
use crate::module::ValidatedModule;

/// The label with the digest of a bare module among the layers.
pub(super) const MODULE_LABEL: &str = "containerd.runwasi.layers";

/// The configuration of an image or of a Wasm artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The platform that the image is for.
    pub platform: Option<Platform>,
    /// The creation time, exactly as written.
    pub created: Option<String>,
    /// The author.
    pub author: Option<String>,
    /// The command; the first is the module's path.
    pub entrypoint: Vec<String>,
    /// Arguments after the entrypoint.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// User (and group) of the process.
    pub user: Option<String>,
    /// Folder in which the process starts.
    pub working_dir: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Everything else that tells an engine how to start the image.
    pub other: OtherConfig,
    /// The digests of the unpacked layers of the root file system, exactly as written.
    pub diff_ids: Vec<String>,
}

/// Parts of a configuration that only engines read, such as `ExposedPorts`, `Volumes`, `StopSignal` and `Healthcheck`.
/// They are kept as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OtherConfig(serde_json::Map<String, serde_json::Value>);

impl OtherConfig {
    /// Returns each part with its value as JSON.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.to_string()))
    }

    /// Sets a part that is not there.
    pub(super) fn set_default(&mut self, name: &str, value: serde_json::Value) {
        self.0.entry(name).or_insert(value);
    }
}

impl Config {
    /// Returns true if the runner of a standalone image is started.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.entrypoint.first().is_some_and(|it| it.strip_prefix('/') == Some(RUNNER))
    }

    /// Returns the entrypoint without the runner of a standalone image.
    fn module_entrypoint(&self) -> &[String] {
        &self.entrypoint[usize::from(self.is_native())..]
    }

    /// Returns the entrypoint and the arguments after it. The first word is the module's path: the runner of a standalone
    /// image is left out.
    pub fn command(&self) -> impl Iterator<Item = &str> {
        self.module_entrypoint().iter().chain(&self.args).map(String::as_str)
    }

    /// Returns the words that start the module, and the arguments after them. An image without an entrypoint (a Dockerfile with
    /// only `CMD`) names its module in the first argument.
    #[must_use]
    pub fn module_and_args(&self) -> (&[String], &[String]) {
        match self.module_entrypoint() {
            [] => self.args.split_at(self.args.len().min(1)),
            entrypoint => (entrypoint, &self.args),
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Config, Error> {
        // Missing fields, and fields that other tools add, are not errors: wkg writes no `config`, for example.
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|e| Error::Document { what: "configuration", reason: e.to_string() })?;
        let execution = document.config.unwrap_or_default();
        let platform = document.os.zip(document.architecture).map(|(os, architecture)| Platform {
            os,
            architecture,
            variant: document.variant,
            os_version: document.os_version,
            os_features: document.os_features.unwrap_or_default(),
        });
        // image-spec wants NAME=VALUE, but one malformed entry should not make the whole image unreadable.
        let pair = |variable: String| match variable.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (variable, String::new()),
        };
        Ok(Config {
            platform,
            created: document.created,
            author: document.author,
            entrypoint: execution.entrypoint.unwrap_or_default(),
            args: execution.cmd.unwrap_or_default(),
            env: execution.env.unwrap_or_default().into_iter().map(pair).collect(),
            // Docker writes an empty string if no user is set.
            user: execution.user.filter(|user| !user.is_empty()),
            working_dir: execution.working_dir.filter(|folder| !folder.is_empty()),
            labels: execution.labels.unwrap_or_default(),
            // Docker writes `null` for what is not set.
            other: OtherConfig(
                execution.other.into_iter().filter(|(_, it)| !it.is_null()).collect(),
            ),
            // Not parsed: only their number matters, and other tools may use another algorithm than SHA-256.
            diff_ids: document.rootfs.map(|rootfs| rootfs.diff_ids).unwrap_or_default(),
        })
    }
}

/// The configuration of an image
/// ([image-spec, config.md](https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md)), or of a CNCF
/// Wasm OCI Artifact, which has some of the same fields and some of its own.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    os: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    os_version: Option<String>,
    #[serde(rename = "os.features", skip_serializing_if = "Option::is_none")]
    os_features: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Execution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rootfs: Option<RootFilesystem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_digests: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Component>,
}

// Only this part of the configuration has keys in the spelling of Go: `Env`, `Cmd` (image-spec, config.md).
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct RootFilesystem {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    diff_ids: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Component {
    #[serde(default)]
    exports: Vec<String>,
    #[serde(default)]
    imports: Vec<String>,
    target: Option<String>,
}

/// Returns the configuration of an image for `platform` whose root file system has the layers `diff_ids`.
/// `raw_layer` is the digest of a bare module among the layers.
pub(super) fn image_config(
    settings: &ImageSettings,
    platform: &Platform,
    diff_ids: &[Digest],
    raw_layer: Option<Digest>,
) -> Result<Blob, Error> {
    let mut execution = execution(settings);
    if let Some(digest) = raw_layer {
        // runwasi caches compiled code by the digest of the configuration. Two modules with the same
        // configuration would both run the first one, so the configuration has to name the module. The
        // label is the one that runwasi's own builder writes.
        let label = (MODULE_LABEL.to_owned(), digest.to_string());
        execution.labels.get_or_insert_default().extend([label]);
    }
    let document = Document {
        created: Some(settings.created.to_string()),
        author: settings.author.clone(),
        architecture: Some(platform.architecture.clone()),
        os: Some(platform.os.clone()),
        variant: platform.variant.clone(),
        os_version: platform.os_version.clone(),
        os_features: unless_empty(platform.os_features.clone()),
        config: Some(execution),
        rootfs: Some(root_filesystem(diff_ids)),
        layer_digests: None,
        component: None,
    };
    Ok(Blob::new(MediaType::ImageConfig, canonical_json(&document)?))
}

/// Returns the configuration of a
/// [CNCF Wasm OCI Artifact](https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/).
pub(super) fn artifact_config(
    settings: &ImageSettings,
    module: &ValidatedModule,
    layer: Digest,
) -> Result<Blob, Error> {
    let report = module.report();
    // By the bytes of the module: wkg writes `wasip2` even for core modules.
    let by_kind = if report.kind.is_component() { "wasip2" } else { "wasip1" };
    let component = report.kind.is_component().then(|| Component {
        exports: report.exports.iter().map(|export| export.name.clone()).collect(),
        imports: report.imports.iter().map(|import| import.name.clone()).collect(),
        target: None,
    });
    let document = Document {
        created: Some(settings.created.to_string()),
        author: settings.author.clone(),
        architecture: Some("wasm".to_owned()),
        os: Some(settings.artifact_os.clone().unwrap_or_else(|| by_kind.to_owned())),
        variant: None,
        os_version: None,
        os_features: None,
        // Not in the CNCF's text. Without these two, containerd starts the artifact only if the pod names a
        // command.
        config: Some(execution(settings)),
        rootfs: Some(root_filesystem(&[])),
        layer_digests: Some(vec![layer.to_string()]),
        component,
    };
    Ok(Blob::new(MediaType::WasmConfig, canonical_json(&document)?))
}

fn execution(settings: &ImageSettings) -> Execution {
    Execution {
        user: settings.user.clone(),
        env: unless_empty(
            settings.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        ),
        entrypoint: Some(settings.entrypoint()),
        cmd: unless_empty(settings.args.clone()),
        working_dir: settings.working_dir.clone(),
        labels: (!settings.labels.is_empty()).then(|| settings.labels.clone()),
        other: settings.other.0.clone(),
    }
}

fn unless_empty(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}

fn root_filesystem(diff_ids: &[Digest]) -> RootFilesystem {
    RootFilesystem {
        // image-spec, config.md allows no other value.
        kind: "layers".to_owned(),
        diff_ids: diff_ids.iter().map(Digest::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_reads_back() {
        let mut settings = ImageSettings::new("app");
        settings.env.insert("KEY".into(), "a=b".into());
        settings.args = vec!["--help".into()];
        settings.user = Some("1000:1000".into());
        settings.labels.insert("x".into(), "y".into());
        let blob = image_config(&settings, &Platform::wasi(), &[Digest::of(b"tar")], None).unwrap();
        let config = Config::parse(&blob.bytes().unwrap()).unwrap();
        assert_eq!(config.platform, Some(Platform::wasi()));
        assert_eq!(config.created.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(config.entrypoint, ["/app.wasm"]);
        assert_eq!(config.args, ["--help"]);
        assert_eq!(config.env, settings.env);
        assert_eq!(config.user, settings.user);
        assert_eq!(config.labels, settings.labels);
        assert_eq!(config.diff_ids, [Digest::of(b"tar").to_string()]);
        assert_eq!(config.command().collect::<Vec<_>>(), ["/app.wasm", "--help"]);
    }

    #[test]
    fn parts_for_engines_are_kept() {
        let theirs = br#"{"config":{"Entrypoint":["/x"],"WorkingDir":"/data","ExposedPorts":{"80/tcp":{}},"Volumes":null,
            "StopSignal":"SIGINT","Healthcheck":{"Test":["CMD","x"],"Interval":1000}}}"#;
        let config = Config::parse(theirs).unwrap();
        let mut settings = ImageSettings::new("app");
        (settings.working_dir, settings.other) = (config.working_dir.clone(), config.other.clone());
        let blob = image_config(&settings, &Platform::wasi(), &[], None).unwrap();
        let again = Config::parse(&blob.bytes().unwrap()).unwrap();
        assert_eq!((again.working_dir, &again.other), (Some("/data".to_owned()), &config.other));
        let parts: Vec<_> = config.other.iter().collect();
        let expected = [
            ("ExposedPorts", r#"{"80/tcp":{}}"#),
            ("Healthcheck", r#"{"Interval":1000,"Test":["CMD","x"]}"#),
            ("StopSignal", r#""SIGINT""#),
        ];
        assert_eq!(parts, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn what_others_write_is_read() {
        let wkg = br#"{"created":"2026-01-01T00:00:00Z","author":null,"architecture":"wasm","os":"wasip2",
            "layerDigests":["sha256:00"],"component":null}"#;
        let config = Config::parse(wkg).unwrap();
        assert_eq!(config.platform, Some(Platform::new("wasip2", "wasm")));
        assert!(config.entrypoint.is_empty());
        assert!(Config::parse(b"{}").unwrap().platform.is_none());
        assert!(Config::parse(b"[]").is_err());
    }
}

//! Parts of an image that a new image of its program can't have.

use serde_json::Value;

use super::assemble::TITLE;
use super::{Blob, Image, Manifest};

/// Keys of a configuration that are read, or made again.
const KEPT: [&str; 8] =
    ["created", "author", "architecture", "os", "config", "rootfs", "layerDigests", "component"];
// Enough for a user to see what is missing.
const MAX_LOSSES: usize = 20;

impl Image {
    /// Returns the other manifests that differ from the Wasm manifest, each with the parts that do.
    pub(super) fn other_programs(&self) -> Vec<String> {
        let Ok(wasm) = self.wasm_manifest() else { return Vec::new() };
        let differs = |manifest: &Manifest| {
            if manifest.blob().descriptor().is_attestation() {
                return Some(format!(
                    "the attestation {}, which is about the old image",
                    manifest.digest()
                ));
            }
            // Made again from the module.
            if manifest.is_native() {
                return None;
            }
            let name = match &manifest.config().platform {
                Some(platform) => platform.to_string(),
                None => format!("the manifest {}", manifest.digest()),
            };
            if manifest.layer_digests() != wasm.layer_digests() {
                return Some(format!("the other program for {name}"));
            }
            let parts = differing(manifest, wasm);
            let those = format!("the settings of {name} that differ from those for WebAssembly");
            (!parts.is_empty()).then(|| format!("{those}: {}", parts.join(", ")))
        };
        self.manifests().iter().filter_map(differs).take(MAX_LOSSES).collect()
    }
}

/// Returns the names of settings that two manifests have differently.
fn differing(a: &Manifest, b: &Manifest) -> Vec<&'static str> {
    let (a, b) = (a.config(), b.config());
    let parts = [
        ("Entrypoint", a.entrypoint != b.entrypoint),
        ("Cmd", a.args != b.args),
        ("Env", a.env != b.env),
        ("User", a.user != b.user),
        ("WorkingDir", a.working_dir != b.working_dir),
        ("Labels", a.labels != b.labels),
        ("other settings", a.other != b.other),
        ("author", a.author != b.author),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

impl Manifest {
    /// Returns parts of the configuration and of the manifest that settings don't have.
    pub(super) fn lost_parts(&self) -> Vec<String> {
        let mut lost = Vec::new();
        let config = json(self.config_blob());
        for (key, value) in config.as_object().into_iter().flatten() {
            if !KEPT.contains(&key.as_str()) && !is_empty(value) {
                lost.push(format!("`{key}` of the configuration"));
            }
        }
        let fraction = config["created"].as_str().and_then(|time| time.split_once('.'));
        if fraction.is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit())) {
            lost.push("the fraction of a second of `created`".to_owned());
        }
        let manifest = json(self.blob());
        for key in ["artifactType", "subject"] {
            if !is_empty(&manifest[key]) {
                lost.push(format!("`{key}` of the manifest"));
            }
        }
        let annotations = self.layers().iter().flat_map(|it| it.descriptor().annotations.keys());
        if annotations.into_iter().any(|key| key != TITLE) {
            lost.push("the annotations of layers".to_owned());
        }
        lost.truncate(MAX_LOSSES);
        lost
    }
}

fn json(blob: &Blob) -> Value {
    // It was parsed when the image was read.
    blob.bytes().ok().and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

//! Images as other tools make them: by buildah itself, and in shapes that are written here.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use wasm_oci_core::image::Digest;

use super::run::Run;
use super::{tools, umoci};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const ARTIFACT_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const WASM: &str = "application/wasm";

/// A layout whose documents are written one by one, right or wrong.
pub(crate) struct Written {
    folder: TempDir,
}

impl Written {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        fs::create_dir_all(folder.path().join("blobs/sha256")).expect("it can be written");
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("it can be written");
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stores a blob, and returns its descriptor.
    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes).to_string();
        let file = digest.replace(':', "/");
        fs::write(self.folder.path().join("blobs").join(file), bytes).expect("it can be written");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Stores a document.
    pub(crate) fn document(&self, media_type: &str, document: &Value) -> Value {
        self.blob(media_type, document.to_string().as_bytes())
    }

    /// Stores a manifest.
    pub(crate) fn manifest(&self, config: Value, layers: &[Value]) -> Value {
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        self.document(MANIFEST, &manifest)
    }

    /// Stores an index of manifests, each for a platform if it says so.
    pub(crate) fn index(&self, manifests: &[(Value, Option<&str>)]) -> Value {
        let entry = |(manifest, platform): &(Value, Option<&str>)| {
            let mut entry = manifest.clone();
            if let Some((os, architecture)) = platform.and_then(|platform| platform.split_once('/'))
            {
                entry["platform"] = json!({ "os": os, "architecture": architecture });
            }
            entry
        };
        let manifests: Vec<Value> = manifests.iter().map(entry).collect();
        self.document(
            INDEX,
            &json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests }),
        )
    }

    /// Names the image of a descriptor, as `oci:DIR:TAG`.
    pub(crate) fn name(&self, mut root: Value, tag: &str) -> String {
        root["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        let index = json!({ "schemaVersion": 2, "manifests": [root] });
        fs::write(self.folder.path().join("index.json"), index.to_string())
            .expect("it can be written");
        format!("oci:{}:{tag}", self.folder.path().display())
    }

    /// Pushes the image of a descriptor.
    #[track_caller]
    pub(crate) fn push(&self, root: Value, reference: &str) {
        // As it is: skopeo would compress what isn't, and write another manifest.
        let (from, to) = (self.name(root, "app"), format!("docker://{reference}"));
        let _pushed = umoci::copy(&from, &to, &["--all", "--preserve-digests"]).success();
    }
}

/// A tar with one file.
pub(crate) fn tar(path: &str, bytes: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, path, bytes).expect("memory can be written");
    tar.into_inner().expect("memory can be written")
}

/// A module that writes a text.
pub(crate) fn writing(text: &str, import: &str) -> Vec<u8> {
    let (length, text) = (text.len(), text.escape_default());
    wat::parse_str(format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            {import}
            (memory (export "memory") 1)
            (data (i32.const 16) "{text}")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const {length}))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#
    ))
    .expect("it is valid")
}

/// buildah, with a store of its own.
pub(crate) struct Buildah {
    folder: TempDir,
}

impl Buildah {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary directory can be made") }
    }

    /// Makes an image of `module`, as `/app.wasm`, with these options of `buildah config`, and pushes it.
    #[track_caller]
    pub(crate) fn push(&self, module: &Path, config: &[&str], reference: &str) {
        let container = self.run(&["from", "scratch"]).stdout.trim().to_owned();
        let module = module.to_str().expect("the path is text");
        let _copied = self.run(&["copy", &container, module, "/app.wasm"]);
        let _configured = self.run(&[&["config"], config, &[container.as_str()]].concat());
        let layout = format!("oci:{}:app", self.layout().display());
        let _made = self.run(&["commit", "--format", "oci", "--rm", &container, &layout]);
        let _pushed = umoci::copy(&layout, &format!("docker://{reference}"), &[]).success();
    }

    fn layout(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Run {
        // The administrator's, since others would need a range of users of their own.
        let mut command = tools::as_root(tools::program("buildah"));
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.folder.path().join("root"));
        Run::of(command.arg("--runroot").arg(self.folder.path().join("run")).args(args)).success()
    }
}

impl Drop for Buildah {
    /// The folder has files of the administrator's.
    fn drop(&mut self) {
        let _removed = Run::of(tools::as_root("rm").arg("-rf").arg(self.folder.path()));
    }
}

//! Standalone images on engines without a WebAssembly runtime: what the program gets, how it ends, and what it can't do.

pub(crate) mod containers;
mod hostile;
mod images;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use wasm_oci_core::image::Architecture;

use crate::harness::commands::program;
use crate::harness::{Run, wasm_oci};

/// The native platform of this machine.
pub(crate) fn platform() -> String {
    Architecture::of_this_machine().platform().to_string()
}

/// Unpacks the native program for an architecture, of the only image in a layout, into a folder.
pub(crate) fn unpack_native(layout: &Path, architecture: &str, root: &Path) {
    let blob = |digest: &Value| {
        let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        fs::read(layout.join("blobs/sha256").join(digest)).unwrap()
    };
    let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
    let tags = json(fs::read(layout.join("index.json")).unwrap());
    let index = json(blob(&tags["manifests"][0]["digest"]));
    let mut manifests = index["manifests"].as_array().unwrap().iter();
    let native = manifests.find(|it| it["platform"]["architecture"] == architecture).unwrap();
    for layer in json(blob(&native["digest"]))["layers"].as_array().unwrap() {
        let bytes = blob(&layer["digest"]);
        tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..])).unpack(root).unwrap();
    }
}

/// An archive with a standalone image of a module, for this machine.
struct Archive {
    folder: TempDir,
    name: &'static str,
}

impl Archive {
    /// Packs a module with more options.
    fn of(module: &Path, name: &'static str, options: &[&str]) -> Archive {
        let archive = Archive { folder: tempfile::tempdir().unwrap(), name };
        let mut pack = wasm_oci();
        pack.args([
            "pack",
            "--no-optimize",
            "--format=standalone",
            "--linux-platform",
            &platform(),
        ])
        .arg(module)
        .args(["--name", name, "--tag", &archive.image()])
        .arg("--tarball")
        .arg(archive.path())
        .args(options);
        let _packed = Run::of(&mut pack).success();
        archive
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("image.tar")
    }

    /// Its reference.
    fn image(&self) -> String {
        format!("example.com/{}:1", self.name)
    }
}

/// The image of all programs of `tests/guests`, with a folder for volumes.
fn guests() -> &'static Archive {
    static ARCHIVE: OnceLock<Archive> = OnceLock::new();
    ARCHIVE.get_or_init(|| of_guests("guests", &[]))
}

/// The same, as a user with numbers alone.
fn guests_of_user() -> &'static Archive {
    static ARCHIVE: OnceLock<Archive> = OnceLock::new();
    ARCHIVE.get_or_init(|| of_guests("guests-of-user", &["--user=1234:1234"]))
}

fn of_guests(name: &'static str, options: &[&str]) -> Archive {
    let empty = tempfile::tempdir().unwrap();
    let data = format!("data={}", empty.path().display());
    let options = [&["--include", &data], options].concat();
    Archive::of(crate::running::guests(), name, &options)
}

/// The image of `examples/http`.
fn http() -> &'static Archive {
    static ARCHIVE: OnceLock<Archive> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let options = runner_of_this_build();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Archive::of(&crate::serve::http(), "http", &options)
    })
}

/// Returns options for an image with the runner of this build, which serves HTTP: that of releases takes minutes to build. It is
/// not static, so the image has the libraries that it needs.
pub(crate) fn runner_of_this_build() -> Vec<String> {
    let runner = program("wasm-oci-runner");
    let include =
        |library: String| ["--include".to_owned(), format!("{}={library}", &library[1..])];
    let libraries = libraries(&runner).into_iter().flat_map(include);
    ["--runner".to_owned(), runner.display().to_string()].into_iter().chain(libraries).collect()
}

/// Returns the files of the shared libraries of a program, and of its loader.
fn libraries(program: &Path) -> Vec<String> {
    let listed = Run::of(Command::new("ldd").arg(program)).success().stdout;
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    listed.lines().filter_map(path).collect()
}

/// All of it with the runners that an image has by default.
#[test]
#[ignore = "the static runner for HTTP takes minutes to build: tests/run -- --ignored"]
fn a_component_serves_with_the_runner_of_releases() {
    let archive = Archive::of(&crate::serve::http(), "http", &[]);
    containers::serves_http(&crate::harness::Podman::of_root(), &archive);
}

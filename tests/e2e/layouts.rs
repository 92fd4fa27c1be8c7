//! Layouts and archives of ours in other people's hands: skopeo and umoci.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Registry, Run, tools, umoci, wasm_oci};

/// A folder with a module, `app.wasm`, and its image in `layout`.
struct Packed {
    folder: TempDir,
    digest: String,
}

impl Packed {
    fn new(format: &str) -> Packed {
        let folder = tempfile::tempdir().unwrap();
        let module = wat::parse_str(include_str!("echo.wat")).unwrap();
        fs::write(folder.path().join("app.wasm"), module).unwrap();
        let mut pack = wasm_oci();
        pack.args([
            "pack",
            "app.wasm",
            "--json",
            "--format",
            format,
            "--oci-layout-path",
            "layout",
        ]);
        pack.args(["--tarball", "app.tar", "--tag", "1.0"]);
        if !matches!(format, "module" | "artifact") {
            pack.args(["--include", "/etc/app.toml=app.wasm"]);
        }
        let run = Run::of(pack.current_dir(folder.path())).success();
        let message: Value = serde_json::from_str(&run.stdout).unwrap();
        Packed { digest: message["digest"].as_str().unwrap().to_owned(), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn skopeo(args: &[&str]) -> Run {
    Run::of(Command::new(tools::program("skopeo")).arg("--insecure-policy").args(args))
}

fn digest_of(text: &str) -> String {
    use wasm_oci_core::image::Digest;
    Digest::of(text.as_bytes()).to_string()
}

#[test]
fn skopeo_reads_and_copies_every_format_without_a_change() {
    let registry = Registry::start();
    for format in ["universal", "container", "module", "combined", "artifact"] {
        let packed = Packed::new(format);
        let layout = format!("oci:{}:1.0", packed.path("layout").display());
        let raw = skopeo(&["inspect", "--raw", &layout]).success();
        assert_eq!(digest_of(&raw.stdout), packed.digest, "{format}");

        let reference = format!("docker://{}/{format}:1.0", registry.host());
        let all = ["copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"];
        let _there = skopeo(&[&all[..], &[&layout, &reference]].concat()).success();
        let back = format!("oci:{}:1.0", packed.path("back").display());
        let _back = skopeo(&[&all[..], &[&reference, &back]].concat()).success();
        let raw = skopeo(&["inspect", "--raw", &back]).success();
        assert_eq!(digest_of(&raw.stdout), packed.digest, "{format}");

        let archive = format!("oci-archive:{}", packed.path("app.tar").display());
        let raw = skopeo(&["inspect", "--raw", &archive]).success();
        assert_eq!(digest_of(&raw.stdout), packed.digest, "{format}");
    }
}

#[test]
fn skopeo_inspects_what_docker_would_run() {
    let packed = Packed::new("universal");
    let layout = format!("oci:{}:1.0", packed.path("layout").display());
    let platforms = [("wasi", "wasm"), ("linux", "amd64"), ("linux", "arm64")];
    for (os, architecture) in platforms {
        let run = Run::of(Command::new(tools::program("skopeo")).args([
            "--override-os",
            os,
            "--override-arch",
            architecture,
            "inspect",
            "--config",
            &layout,
        ]))
        .success();
        let config: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(config["os"], os);
        assert_eq!(config["architecture"], architecture);
        assert_eq!(config["config"]["Entrypoint"][0], "/app.wasm");
    }
}

#[test]
fn umoci_unpacks_the_module_and_the_files() {
    // umoci knows no index, and no other systems than those that its bundles are for; a root file system it makes
    // of any single manifest.
    let packed = Packed::new("container");
    let root = packed.path("root");
    let image = format!("{}:1.0", packed.path("layout").display());
    let mut unpack = Command::new(tools::program("umoci"));
    let _unpacked =
        Run::of(unpack.args(["raw", "unpack", "--rootless", "--image", &image]).arg(&root))
            .success();
    assert!(fs::read(root.join("app.wasm")).unwrap().starts_with(b"\0asm"));
    assert_eq!(
        fs::read(root.join("etc/app.toml")).unwrap(),
        fs::read(packed.path("app.wasm")).unwrap()
    );
}

#[test]
fn an_image_of_umocis_runs_and_is_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("app.wasm");
    fs::write(&module, wat::parse_str(include_str!("echo.wat")).unwrap()).unwrap();
    umoci::image(&folder.path().join("layout"), &module);
    let location = format!("oci:{}", folder.path().join("layout").display());
    let run = Run::of(wasm_oci().args(["run", &location, "--env", "NAME=value", "--", "one"]));
    assert_eq!(run.stdout, "/app.wasm\none\nNAME=value\n", "{run:?}");
    assert_eq!(run.code, 7, "{run:?}");
    let inspected = Run::of(wasm_oci().args(["inspect", &location, "--json"])).success();
    let image: Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(image["format"], "container");
    assert_eq!(image["module"]["kind"], "command");
}

#[test]
fn an_image_moves_between_all_places() {
    let registry = Registry::start();
    let packed = Packed::new("universal");
    let reference = format!("{}/app:2.0", registry.host());
    let mut push = wasm_oci();
    push.args(["push", "oci-archive:app.tar", &reference]).current_dir(packed.folder.path());
    let run = Run::of(&mut push).success();
    assert_eq!(run.stdout.trim_end(), format!("{}/app@{}", registry.host(), packed.digest));

    let mut pull = wasm_oci();
    pull.args(["pull", &reference, "--oci-layout-path", "again"]).current_dir(packed.folder.path());
    let run = Run::of(&mut pull).success();
    assert_eq!(run.stdout.trim_end(), "oci:again:2.0");
    let inspected = inspect(&format!("oci:{}:2.0", packed.path("again").display()));
    assert_eq!(inspected["digest"], packed.digest.as_str());
    let pinned = inspect(&format!("{}/app@{}", registry.host(), packed.digest));
    assert_eq!(pinned, inspected);
}

fn inspect(location: &str) -> Value {
    let run = Run::of(wasm_oci().args(["inspect", "--json", location])).success();
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn the_same_module_and_settings_give_the_same_image() {
    let (one, two) = (Packed::new("universal"), Packed::new("universal"));
    assert_eq!(one.digest, two.digest);
    let same = |name: &str| same_file(&one.path(name), &two.path(name));
    assert!(same("app.tar"));
    assert!(same("layout/index.json"));
}

fn same_file(one: &Path, two: &Path) -> bool {
    fs::read(one).unwrap() == fs::read(two).unwrap()
}

#[test]
fn what_was_pulled_once_runs_by_its_digest_without_the_registry() {
    let registry = Registry::start();
    let packed = Packed::new("universal");
    let reference = format!("{}/app", registry.host());
    let layout = format!("oci:{}:1.0", packed.path("layout").display());
    let _pushed = Run::of(wasm_oci().args(["push", &layout, &reference])).success();
    let reference = format!("{reference}@{}", packed.digest);
    let cache = packed.path("cache");
    let run = |reference: &str| {
        let mut run = wasm_oci();
        Run::of(run.env("WASM_OCI_CACHE_DIR", &cache).args(["run", reference, "--", "one"]))
    };
    let first = run(&reference);
    assert_eq!((first.code, first.stdout.as_str()), (7, "/app.wasm\none\n"));
    drop(registry);
    let second = run(&reference);
    assert_eq!((second.code, second.stdout), (7, first.stdout));
    std::fs::remove_dir_all(&cache).unwrap();
    assert_eq!(run(&reference).code, 4);
}

/// Every name of the packed image in a layout and in archives, one of them as `docker save` writes it.
fn places(packed: &Packed) -> Vec<String> {
    let (layout, archive) = (packed.path("layout"), packed.path("app.tar"));
    let docker = packed.path("docker.tar");
    let to = format!("docker-archive:{}:localhost/app:2.0", docker.display());
    let from = format!("oci:{}:1.0", layout.display());
    let platform = ["--override-os", "wasi", "--override-arch", "wasm"];
    let _saved = skopeo(&[&platform[..], &["copy", &from, &to]].concat()).success();
    let named = format!("oci:{}:localhost/app:2.0", packed.path("named").display());
    let _copied = Run::of(wasm_oci().args(["copy", &from, &named])).success();
    let digest = &packed.digest;
    vec![
        from,
        format!("oci:{}", layout.display()),
        format!("oci:{}@{digest}", layout.display()),
        named,
        format!("oci-archive:{}:1.0", archive.display()),
        format!("oci-archive:{}", archive.display()),
        format!("oci-archive:{}@{digest}", archive.display()),
        format!("docker-archive:{}", docker.display()),
        to,
    ]
}

#[test]
fn pull_takes_layouts_and_archives() {
    let packed = Packed::new("container");
    let module = |place: &str| {
        let mut pull = wasm_oci();
        pull.args(["pull", place, "--module", "pulled.wasm"]).current_dir(packed.folder.path());
        assert_eq!(Run::of(&mut pull).success().stdout, "pulled.wasm\n", "{place}");
        fs::read(packed.path("pulled.wasm")).unwrap()
    };
    let places = places(&packed);
    let expected = module(&places[0]);
    assert!(expected.starts_with(b"\0asm"));
    for place in &places {
        assert_eq!(module(place), expected, "{place}");
        let folder = tempfile::tempdir().unwrap();
        let mut pull = wasm_oci();
        pull.args(["pull", place, "--oci-layout-path", "again", "--tarball", "again.tar"]);
        let run = Run::of(pull.arg("--json").current_dir(folder.path())).success();
        let message: Value = serde_json::from_str(&run.stdout).unwrap();
        // One without a tag of its own gets the usual one.
        let tag = match place {
            _ if place.ends_with(":1.0") => "1.0",
            _ if place.ends_with(":2.0") => "2.0",
            _ => "latest",
        };
        assert_eq!(message["tags"], serde_json::json!([tag]), "{place}");
        // Docker's archive has no manifest, so that another one is made of it.
        let is_same = message["digest"] == packed.digest.as_str();
        assert_eq!(is_same, !place.starts_with("docker-archive"), "{place}");
        for again in ["oci:again", "oci-archive:again.tar"] {
            let mut inspect = wasm_oci();
            inspect.args(["inspect", "--json", &format!("{again}:{tag}")]);
            let run = Run::of(inspect.current_dir(folder.path())).success();
            let found: Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(found["digest"], message["digest"], "{place}: {again}");
            let mut run = wasm_oci();
            let run = Run::of(run.args(["run", again, "--", "one"]).current_dir(folder.path()));
            assert_eq!((run.code, &*run.stdout), (7, "/app.wasm\none\n"), "{place}: {run:?}");
        }
        // A whole reference keeps its repository where that can be kept.
        let name = if tag == "2.0" { "localhost/app:2.0" } else { &format!("image:{tag}") };
        let index = tar_entry(&folder.path().join("again.tar"), "index.json");
        assert!(index.contains(&format!("{name}\"")), "{place}: {index}");
    }
}

fn tar_entry(path: &Path, name: &str) -> String {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let entry = entries.find(|entry| entry.path().unwrap().to_str() == Some(name)).unwrap();
    std::io::read_to_string(entry).unwrap()
}

#[test]
fn pull_says_what_it_can_not_take() {
    let packed = Packed::new("container");
    let pull = |place: &str, code: i32, reason: &str| {
        let mut pull = wasm_oci();
        pull.args(["pull", place, "--module", "pulled.wasm"]).current_dir(packed.folder.path());
        let module = fs::read(packed.path("app.wasm")).unwrap();
        let run = Run::with_bytes(&mut pull, &module);
        assert_eq!(run.code, code, "{place}: {}", run.stderr);
        assert!(run.stderr.contains(reason), "{place}: {}", run.stderr);
        assert!(!packed.path("pulled.wasm").exists(), "{place}");
    };
    pull("-", 2, "standard input is a module, not an image; pack it first");
    pull("app.wasm", 2, "`app.wasm` is a module, not an image; pack it first");
    pull("oci-archive:-", 2, "an archive can't be a standard stream: name a file");
    pull("docker-archive:-", 2, "an archive can't be a standard stream: name a file");
    pull("oci-archive:/dev/stdin", 1, "it is not a regular file; save it to one first");
    pull("oci:layout:2.0", 1, "it has 1.0");
    pull("oci-archive:app.tar:2.0", 1, "it has 1.0");
    pull("oci-archive:app.wasm", 1, "it can't be read as tar");
    pull("oci:none", 1, "none");
    pull("oci-archive:none.tar", 1, "none.tar");
}

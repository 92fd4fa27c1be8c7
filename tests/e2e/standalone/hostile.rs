//! Native code runs only if it is the image's own, and what is wrong with it is one clear line.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wasm_oci_core::image::Architecture;

use super::{Archive, guests, unpack_native};
use crate::harness::{Podman, Run, tools};

const CODE: &str = ".wasm-oci/code";

/// The root file system of an image's native manifest, without an engine around it.
struct Root(TempDir);

impl Root {
    fn of(archive: &Archive) -> Root {
        let (layout, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        untar(&archive.path(), layout.path());
        unpack_native(layout.path(), Architecture::of_this_machine().name(), root.path());
        Root(root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Starts the runner with this as its root.
    fn run(&self, args: &[&str]) -> Run {
        self.run_after("", args)
    }

    /// The same, after a command of the shell in its process.
    fn run_after(&self, before: &str, args: &[&str]) -> Run {
        let mut command = tools::as_root("sh");
        let script = format!("{before}\nexec \"$@\"");
        command.args(["-c", &script, "sh"]).arg(tools::program("chroot")).arg(self.0.path());
        Run::of(command.args(["/.wasm-oci/runner", "/guests.wasm"]).args(args))
    }

    fn code(&self) -> Vec<u8> {
        fs::read(self.path(CODE)).unwrap()
    }

    /// Replaces the code, and returns the message of the runner.
    #[track_caller]
    fn message_with(&self, code: &[u8]) -> String {
        fs::write(self.path(CODE), code).unwrap();
        let run = self.run(&["exit", "3"]);
        assert_eq!((run.code, run.stdout.as_str()), (126, ""), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        assert!(
            run.stderr.starts_with("error: ") && run.stderr.contains("/.wasm-oci/code"),
            "{run:?}"
        );
        run.stderr
    }
}

fn untar(archive: &Path, folder: &Path) {
    let _untarred =
        Run::of(Command::new("tar").arg("-C").arg(folder).arg("-xf").arg(archive)).success();
}

#[test]
fn damaged_and_foreign_code_is_refused() {
    let root = Root::of(guests());
    assert_eq!(root.run(&["exit", "3"]).code, 3);
    let code = root.code();
    for length in [0, 1, 63, 64, 1000, code.len() / 2] {
        let _message = root.message_with(&code[..length]);
    }
    let _message = root.message_with(b"#!/bin/sh\necho not code\n");
    let module = fs::read(root.path("guests.wasm")).unwrap();
    let _message = root.message_with(&module);

    // Of another version of the engine, and for another processor, as the code itself says.
    let altered = |text: &str| {
        let place = code.windows(text.len()).position(|it| it == text.as_bytes());
        let last = place.expect("the code says it") + text.len() - 1;
        let mut other = code.clone();
        other[last] = if other[last] == b'9' { b'8' } else { b'9' };
        other
    };
    let message = root.message_with(&altered(&wasm_oci_core::run::engine_version()));
    assert!(message.contains("version"), "{message}");
    let _message = root.message_with(&altered(Architecture::of_this_machine().triple()));

    fs::remove_file(root.path(CODE)).unwrap();
    assert_eq!(root.run(&["exit", "3"]).code, 126);
}

#[test]
fn a_program_can_not_replace_its_code_or_the_runner() {
    let root = Root::of(guests());
    let (code, runner) = (root.code(), fs::read(root.path(".wasm-oci/runner")).unwrap());
    for what in ["write", "remove", "rename", "link"] {
        for path in ["/.wasm-oci/code", "/.wasm-oci/runner", "/data/../.wasm-oci/code"] {
            let run = root.run(&["missing", what, path]);
            assert_eq!(run.code, 134, "{what} {path}: {run:?}");
        }
    }
    let _made = root.run(&["missing", "make", "/.wasm-oci-2"]);
    let _written = root.run(&["missing", "write", "/new"]);
    for path in [".wasm-oci-2", "new", "data/link", "data/other"] {
        assert!(!root.path(path).exists(), "{path}");
    }
    assert!(code == root.code(), "the code changed");
    assert!(runner == fs::read(root.path(".wasm-oci/runner")).unwrap(), "the runner changed");
    // What the kernel offers to change a process.
    let proc = root.path("proc");
    fs::create_dir(&proc).unwrap();
    let mount = format!("mount -t proc proc {}", proc.display());
    let mut unshare = tools::as_root("unshare");
    let script = format!(
        "{mount} && exec chroot {} /.wasm-oci/runner /guests.wasm missing write /proc/self/mem",
        root.0.path().display()
    );
    let run = Run::of(unshare.args(["--mount", "sh", "-c", &script]));
    assert_eq!(run.code, 134, "{run:?}");
}

#[test]
fn a_volume_over_the_runner_or_its_code_is_refused() {
    let podman = Podman::of_root();
    let _loaded = podman.load(&guests().path()).success();
    let folder = tempfile::tempdir().unwrap();
    let root = Root::of(guests());
    let code = folder.path().join("code");
    fs::write(&code, root.code()).unwrap();
    let volume = format!("--volume={}:/.wasm-oci/code", code.display());
    let run = Run::of(&mut podman.run_command(&guests().image(), &[volume], &["exit", "3"]));
    assert_eq!(run.code, 126, "{run:?}");
    assert!(run.stderr.contains("a volume is mounted at /.wasm-oci/code"), "{run:?}");
}

#[test]
fn an_altered_layer_is_refused_by_the_engine() {
    let podman = Podman::of_root();
    let folder = tempfile::tempdir().unwrap();
    let (layout, archive) = (folder.path().join("layout"), folder.path().join("altered.tar"));
    fs::create_dir(&layout).unwrap();
    untar(&guests().path(), &layout);
    let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    let largest =
        blobs.map(|it| it.unwrap().path()).max_by_key(|it| fs::metadata(it).unwrap().len());
    let largest = largest.unwrap();
    let mut bytes = Vec::new();
    fs::File::open(&largest).unwrap().read_to_end(&mut bytes).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let mut tar = Command::new("tar");
    let _packed = Run::of(tar.arg("-C").arg(&layout).arg("-cf").arg(&archive).arg(".")).success();
    assert_ne!(podman.load(&archive).code, 0, "it took a layer that does not have its digest");
    let (from, to) = (
        format!("oci:{}", layout.display()),
        format!("oci:{}", folder.path().join("to").display()),
    );
    let copied = Run::of(crate::harness::wasm_oci().args(["copy", &from, &to]));
    assert!(copied.code != 0 && copied.stderr.contains("digest"), "{copied:?}");
}

#[test]
fn too_little_address_space_is_said_in_one_line() {
    let root = Root::of(guests());
    let run = root.run_after("ulimit -v 100000", &["exit", "3"]);
    assert_eq!(run.code, 126, "{run:?}");
    assert!(run.stderr.lines().count() == 1 && run.stderr.starts_with("error: "), "{run:?}");
}

#[test]
fn what_is_not_unicode_is_replaced() {
    let root = Root::of(guests());
    let run = root.run_after("set -- \"$@\" \"$(printf 'a\\377')\"", &["args"]).success();
    assert_eq!(run.stdout, "[\"args\", \"a\u{fffd}\"]\n");
}

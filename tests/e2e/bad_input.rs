//! Bad input: one line that says what is wrong, where and what to do next; the documented exit code; nothing
//! half-written.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{Registry, Run, cargo_wasm_oci, tools, wasm_oci};

/// A folder to work in.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Folder {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn module(&self, name: &str, wat: &str) -> &Folder {
        self.write(name, wat::parse_str(wat).unwrap())
    }

    /// A crate with this main.rs.
    fn package(&self, main: &str) -> &Folder {
        let manifest =
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n";
        self.write("Cargo.toml", manifest).write("src/main.rs", main)
    }

    fn wasm_oci(&self, args: &[&str]) -> Run {
        Run::of(wasm_oci().args(args).current_dir(self.0.path()))
    }

    fn cargo(&self, args: &[&str]) -> Run {
        Run::of(cargo_wasm_oci().arg("wasm-oci").args(args).current_dir(self.0.path()))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// It failed with `code`, said all of `words` on one line, and printed nothing on standard output.
#[track_caller]
fn assert_refused(run: &Run, code: i32, words: &[&str]) {
    assert_eq!(run.code, code, "{run:?}");
    assert_eq!(run.stdout, "", "{run:?}");
    let errors: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors.as_slice() else { panic!("not one line of error: {run:?}") };
    for word in words {
        assert!(error.contains(word), "no {word:?} in {error:?}");
    }
}

const COMMAND: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

#[test]
fn what_is_not_wasm() {
    let folder = Folder::new();
    folder
        .write("text.wasm", "(module)")
        .write("elf.wasm", b"\x7fELF\x02\x01\x01\0")
        .write("empty.wasm", "");
    for command in ["pack", "validate", "inspect", "size", "run"] {
        assert_refused(
            &folder.wasm_oci(&[command, "text.wasm"]),
            3,
            &["`text.wasm`", "text format", "`.wat`"],
        );
        assert_refused(
            &folder.wasm_oci(&[command, "elf.wasm"]),
            3,
            &["`elf.wasm`", "native", "wasm32-wasip1"],
        );
        assert_refused(&folder.wasm_oci(&[command, "empty.wasm"]), 3, &["`empty.wasm`", "empty"]);
        assert_refused(
            &folder.wasm_oci(&[command, "none.wasm"]),
            1,
            &["can't read", "`none.wasm`"],
        );
    }
    assert_eq!(folder.names(), ["elf.wasm", "empty.wasm", "text.wasm"]);
}

#[test]
fn a_module_that_is_cut_short() {
    let folder = Folder::new();
    let whole = wat::parse_str(COMMAND).unwrap();
    for length in 8..whole.len() {
        folder.write("cut.wasm", &whole[..length]);
        let run = folder.wasm_oci(&["pack", "cut.wasm"]);
        // Some prefixes are modules themselves: those that end where a section does.
        if run.code != 0 {
            assert_refused(&run, 3, &["`cut.wasm`", "at byte", "build or fetch it again"]);
            assert_eq!(folder.names(), ["cut.wasm"]);
        }
        fs::remove_dir_all(folder.path("cut.oci")).ok();
    }
}

#[test]
fn an_import_that_no_runtime_has() {
    let folder = Folder::new();
    folder.module(
        "foo.wasm",
        r#"(module (import "env" "foo" (func)) (func (export "_start") call 0))"#,
    );
    let run = folder.wasm_oci(&["pack", "foo.wasm"]);
    assert_refused(&run, 3, &["`foo.wasm`", "`env.foo`", "link the C library"]);
    assert_eq!(folder.names(), ["foo.wasm"]);
    let _allowed = folder.wasm_oci(&["pack", "foo.wasm", "--allow-import", "env"]).success();
}

#[test]
fn a_library_where_a_program_is_needed() {
    let folder = Folder::new();
    folder.module("component.wasm", "(component)");
    let run = folder.wasm_oci(&["run", "component.wasm"]);
    assert_refused(&run, 3, &["`component.wasm`", "library", "`wasi:cli/run`"]);
    folder.module("library.wasm", r#"(module (func (export "f")))"#);
    assert_refused(&folder.wasm_oci(&["run", "library.wasm"]), 3, &["`library.wasm`", "`_start`"]);
}

#[test]
fn a_bad_reference() {
    let folder = Folder::new();
    folder.module("app.wasm", COMMAND);
    assert_refused(
        &folder.wasm_oci(&["push", "app.wasm", "Not/A:Reference:1"]),
        2,
        &["REGISTRY/REPOSITORY:TAG"],
    );
    assert_refused(
        &folder.wasm_oci(&["pull", "ghcr.io/a@sha256:12", "--module", "x"]),
        2,
        &["ghcr.io/a@sha256:12"],
    );
    assert_refused(&folder.wasm_oci(&["inspect", "oci:"]), 2, &["path is missing"]);
    assert_refused(&folder.wasm_oci(&["pack", "app.wasm", "--tag=.x"]), 2, &["--tag", "`.x`"]);
    assert_refused(
        &folder.wasm_oci(&["pack", "app.wasm", "--format", "dockre"]),
        2,
        &["`dockre`", "universal"],
    );
    assert_eq!(folder.names(), ["app.wasm"]);
}

#[test]
fn a_registry_that_is_not_there() {
    let folder = Folder::new();
    folder.module("app.wasm", COMMAND);
    let push = folder.wasm_oci(&["push", "app.wasm", "127.0.0.1:1/app:1"]);
    assert_refused(&push, 4, &["127.0.0.1:1", "that the registry is running"]);
    let pull = folder.wasm_oci(&["pull", "127.0.0.1:1/app:1", "--oci-layout-path", "layout"]);
    assert_refused(&pull, 4, &["127.0.0.1:1"]);
    assert_eq!(folder.names(), ["app.wasm"]);
}

#[test]
fn a_registry_that_wants_a_password() {
    let folder = Folder::new();
    folder.module("app.wasm", COMMAND);
    let registry = Registry::start_private();
    let to = format!("{}/app:1", registry.host());
    let mut push = wasm_oci();
    push.args(["push", "app.wasm", &to])
        .current_dir(folder.0.path())
        .env("DOCKER_CONFIG", folder.0.path());
    assert_refused(&Run::of(&mut push), 5, &[registry.host(), "docker login"]);
}

#[test]
fn an_image_that_is_not_there() {
    let folder = Folder::new();
    let registry = Registry::start();
    let missing =
        folder.wasm_oci(&["pull", &format!("{}/app:1", registry.host()), "--module", "app.wasm"]);
    assert_refused(&missing, 4, &["app", "`1`"]);
    folder.module("app.wasm", COMMAND);
    let _packed = folder.wasm_oci(&["pack", "app.wasm", "--tag", "a"]).success();
    assert_refused(&folder.wasm_oci(&["inspect", "oci:app.oci:b"]), 1, &["`b`", "it has a"]);
    assert_refused(&folder.wasm_oci(&["inspect", "oci:none"]), 1, &["`none`", "oci-layout"]);
    assert_refused(&folder.wasm_oci(&["inspect", "app.oci"]), 2, &["oci:app.oci"]);
}

#[test]
fn a_package_without_a_bin_and_a_bin_that_is_not_there() {
    let folder = Folder::new();
    folder.package("fn main() {}");
    assert_refused(&folder.cargo(&["build", "--bin", "apq"]), 2, &["`apq`", "did you mean `app`?"]);
    assert_refused(&folder.cargo(&["build", "-p", "other"]), 2, &["`other`", "app"]);
    fs::rename(folder.path("src/main.rs"), folder.path("src/lib.rs")).unwrap();
    assert_refused(&folder.cargo(&["build"]), 1, &["`app`", "src/main.rs"]);
    assert!(!folder.path("target/wasm-oci").exists());
}

#[test]
fn no_package_at_all() {
    assert_refused(&Folder::new().cargo(&["build"]), 1, &["Cargo.toml"]);
}

#[test]
fn a_compile_error_is_cargos_own() {
    let folder = Folder::new();
    folder.package("fn main() { this is not Rust }");
    let run = folder.cargo(&["build"]);
    assert_eq!((run.code, run.stdout.as_str()), (101, ""), "{run:?}");
    assert!(run.stderr.contains("src/main.rs:1:"), "{run:?}");
    assert!(run.stderr.contains("error: could not compile `app`"), "{run:?}");
    assert!(!folder.path("target/wasm-oci/app").exists());
}

#[test]
fn settings_with_a_slip() {
    let folder = Folder::new();
    folder.package("fn main() {}");
    let manifest = fs::read_to_string(folder.path("Cargo.toml")).unwrap();
    let with = |settings: &str| {
        folder
            .write("Cargo.toml", format!("{manifest}\n[package.metadata.wasm-oci]\n{settings}\n"));
        folder.cargo(&["build"])
    };
    assert_refused(&with("lables = {}"), 1, &["`lables`", "did you mean `labels`?", "Cargo.toml"]);
    assert_refused(&with("format = 3"), 1, &["Cargo.toml", "a text or a list of texts"]);
    assert_refused(&with("format = \"docker\""), 1, &["`format`", "`docker`", "universal"]);
    assert_refused(&with("include = { \"/etc/x\" = \"none\" }"), 1, &["none"]);
}

#[test]
fn two_programs_for_one_name() {
    let folder = Folder::new();
    folder.package("fn main() {}").write("src/bin/other.rs", "fn main() {}");
    let run = folder.cargo(&["push", "127.0.0.1:1/app"]);
    assert_refused(&run, 2, &["`app`", "`other`", "{bin}"]);
    assert_refused(&folder.cargo(&["run"]), 2, &["--bin", "app", "other"]);
    let unnamed = folder.cargo(&["push", "--bin", "app"]);
    assert_refused(&unnamed, 2, &["`app` has no repository"]);
}

#[test]
fn a_target_that_may_not_be_installed() {
    let folder = Folder::new();
    folder.package("fn main() {}");
    // A toolchain without the target: this one's programs alone.
    let rustc = folder.path("toolchain/bin/rustc");
    let script = format!(
        "#!/bin/sh\nif [ \"$1 $2\" = '--print sysroot' ]; then echo '{}'; else exec '{}' \"$@\"; fi\n",
        folder.path("toolchain").display(),
        tools::program("rustc").display()
    );
    tools::script(&rustc, &script);
    let mut build = cargo_wasm_oci();
    build
        .args(["wasm-oci", "build", "--offline"])
        .current_dir(folder.0.path())
        .env("RUSTC", &rustc);
    assert_refused(
        &Run::of(&mut build),
        1,
        &["wasm32-wasip1", "--offline", "rustup target add wasm32-wasip1"],
    );
}

/// A file system of so many kilobytes, as long as it lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mounted(at: &Path, options: &str) -> SmallDisk {
        fs::create_dir_all(at).unwrap();
        let mut mount = tools::as_root("mount");
        let _mounted =
            Run::of(mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at)).success();
        SmallDisk(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Run::of(tools::as_root("umount").arg(&self.0));
    }
}

/// Bytes that don't compress, the same each time.
fn noise() -> impl Iterator<Item = u8> {
    let step = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(1_u32), step).map(|state| state.to_be_bytes()[0])
}

#[test]
fn a_full_disk() {
    let folder = Folder::new();
    let _disk = SmallDisk::mounted(&folder.path("disk"), "size=64k,mode=0777");
    let noise: String = noise().take(200_000).map(|byte| format!("\\{byte:02x}")).collect();
    folder.module(
        "large.wasm",
        &format!(
            r#"(module (memory (export "memory") 8) (data (i32.const 0) "{noise}") (func (export "_start")))"#
        ),
    );
    folder.module("small.wasm", COMMAND);
    let _small =
        folder.wasm_oci(&["pack", "small.wasm", "--oci-layout-path", "disk/layout"]).success();
    let before = folder.wasm_oci(&["inspect", "oci:disk/layout"]).success().stdout;

    let run = folder.wasm_oci(&["pack", "large.wasm", "--oci-layout-path", "disk/layout"]);
    assert_refused(&run, 1, &["disk/layout", "No space left on device", "free some space"]);
    assert_eq!(folder.wasm_oci(&["inspect", "oci:disk/layout"]).success().stdout, before);
    let run = folder.wasm_oci(&["pack", "large.wasm", "--tarball", "disk/large.tar"]);
    assert_refused(&run, 1, &["disk/large.tar", "No space left on device"]);
    let run = folder.wasm_oci(&["optimize", "large.wasm", "-o", "disk/out.wasm"]);
    assert_refused(&run, 1, &["disk/out.wasm", "No space left on device"]);
    // The same from a registry: into the layout, or on the way there.
    let server = Registry::start();
    let reference = format!("{}/large:1", server.host());
    let _pushed = folder.wasm_oci(&["push", "large.wasm", &reference]).success();
    let run = folder.wasm_oci(&["pull", &reference, "--oci-layout-path", "disk/layout"]);
    assert_refused(&run, 1, &["disk/layout", "No space left on device", "free some space"]);
    let mut pull = wasm_oci();
    pull.args(["pull", &reference, "--oci-layout-path", "elsewhere"])
        .env("TMPDIR", folder.path("disk"));
    let run = Run::of(pull.current_dir(folder.path("")));
    assert_refused(&run, 1, &["disk", "No space left on device"]);
    assert_eq!(folder.wasm_oci(&["inspect", "oci:disk/layout"]).success().stdout, before);
    let left: Vec<_> = fs::read_dir(folder.path("disk"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["layout"]);
}

#[test]
fn a_read_only_folder() {
    let folder = Folder::new();
    folder.package("fn main() {}").module("app.wasm", COMMAND);
    let _disk = SmallDisk::mounted(&folder.path("target"), "ro");
    let run = folder.wasm_oci(&["pack", "app.wasm", "--oci-layout-path", "target/layout"]);
    assert_refused(&run, 1, &["target/layout", "Read-only file system", "make it writable"]);
    // cargo can't build there, and says so itself.
    let run = folder.cargo(&["build"]);
    assert_eq!(run.code, 101, "{run:?}");
    assert!(run.stderr.contains("Read-only file system"), "{run:?}");
    let run =
        folder.cargo(&["build", "--target-dir", "elsewhere", "--oci-layout-path", "target/layout"]);
    assert_refused(&run, 1, &["target/layout", "Read-only file system", "make it writable"]);
}

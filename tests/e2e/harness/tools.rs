//! Paths of the components that `tests/setup` installs, with a message that says to run it if one is missing.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file of a program on the `PATH`, or in a directory for administrators, which the `PATH` of others lacks.
#[track_caller]
pub(crate) fn program(name: &str) -> PathBuf {
    let path = search_path();
    let found =
        env::split_paths(&path).map(|directory| directory.join(name)).find(|file| is_program(file));
    found.unwrap_or_else(|| panic!("{name} is not installed: run tests/setup"))
}

/// The `PATH` of this process and the directories for administrators.
pub(crate) fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::join_paths(env::split_paths(&path).chain(more)).expect("a PATH can be split and joined")
}

/// The directory with the Wasm shim, for the `PATH` of a containerd.
#[track_caller]
pub(crate) fn shim_directory() -> PathBuf {
    let directory = cache().join("shim");
    cached(&directory.join("containerd-shim-wasmtime-v1"), "the Wasm shim");
    directory
}

/// A program of the newer containerd, which is in the cache because the machine has its own.
#[track_caller]
pub(crate) fn newer_containerd(name: &str) -> PathBuf {
    cached(&cache().join("containerd-1.7/usr/bin").join(name), "containerd 1.7")
}

/// Docker's client, wherever it is: without an engine.
#[track_caller]
pub(crate) fn docker() -> PathBuf {
    let path = search_path();
    let installed = env::split_paths(&path).map(|directory| directory.join("docker"));
    let unpacked = cache().join("docker/usr/bin/docker");
    let found = installed.chain([unpacked]).find(|file| is_program(file));
    found.unwrap_or_else(|| panic!("docker is not installed: run tests/setup"))
}

/// The folder with the crates of `tests/real-crates`, and their native programs in `native/bin`.
#[track_caller]
pub(crate) fn real_crates() -> PathBuf {
    let folder = cache().join("real-crates");
    assert!(folder.is_dir(), "the real crates are not at {}: run tests/setup", folder.display());
    folder
}

/// The folder that holds `zig`. The one around it holds the Python module `ziglang`.
#[track_caller]
pub(crate) fn zig_directory() -> PathBuf {
    let directory = cache().join("zig/ziglang");
    cached(&directory.join("zig"), "zig");
    directory
}

/// A program of Debian's PostgreSQL, which are in a folder of their version.
#[track_caller]
pub(crate) fn postgres(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|file| is_program(file));
    found.sort();
    found.pop().unwrap_or_else(|| panic!("PostgreSQL's {name} is not installed: run tests/setup"))
}

/// `go`.
#[track_caller]
pub(crate) fn go() -> PathBuf {
    cached(&cache().join("go/go/bin/go"), "Go")
}

/// npm, which takes packages from the cache that `tests/setup` has filled, and from nowhere else.
#[track_caller]
pub(crate) fn npm() -> Command {
    let mut command = Command::new(program("npm"));
    command.envs(npm_settings());
    command
}

/// Environment variables that keep npm offline.
#[track_caller]
pub(crate) fn npm_settings() -> [(&'static str, OsString); 4] {
    let folder = cache().join("npm");
    assert!(
        folder.join("key").is_file(),
        "the npm packages are not at {}: run tests/setup",
        folder.display()
    );
    let yes = || OsString::from("true");
    let no = || OsString::from("false");
    [
        ("npm_config_cache", folder.into()),
        ("npm_config_offline", yes()),
        ("npm_config_audit", no()),
        ("npm_config_update_notifier", no()),
    ]
}

/// A checker from PyPI (`tests/requirements.txt`): `check-jsonschema`, `kubernetes-validate` or `zizmor`.
#[track_caller]
pub(crate) fn python_checker(name: &str) -> Command {
    let folder = cache().join("checkers/python");
    let mut command = Command::new(cached(&folder.join("bin").join(name), name));
    command.env("PYTHONPATH", folder);
    command
}

/// A checker from npm: `action-validator`.
#[track_caller]
pub(crate) fn npm_checker(name: &str) -> Command {
    Command::new(cached(&cache().join("checkers/npm/node_modules/.bin").join(name), name))
}

/// A Liquid for Node, the module.
#[track_caller]
pub(crate) fn liquid() -> PathBuf {
    let module = cache().join("liquid/node_modules/liquidjs/dist/liquid.node.js");
    assert!(module.is_file(), "liquidjs is not at {}: run tests/setup", module.display());
    module
}

/// `mdbook`.
#[track_caller]
pub(crate) fn mdbook() -> Command {
    Command::new(cached(&cache().join("checkers/mdbook/bin/mdbook"), "mdbook"))
}

/// Writes a script that can be executed, and the folder that it is in.
pub(crate) fn script(path: &Path, text: &str) {
    let folder = path.parent().expect("a script is in a folder");
    fs::create_dir_all(folder).expect("a folder can be made");
    fs::write(path, text).expect("it can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// A command for `program` as the administrator, whom containerd needs for mounts and namespaces.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Command {
    // The owner of a process's own directory is the user it acts as.
    let uid = fs::metadata("/proc/self").map(|directory| directory.uid());
    if uid.is_ok_and(|uid| uid == 0) {
        return Command::new(program);
    }
    let mut command = Command::new(self::program("sudo"));
    command.args(["--non-interactive", "--"]).arg(program);
    command
}

/// The start of a command as another user, in an environment to which `NAME=VALUE` adds.
pub(crate) fn as_user(user: &str) -> Command {
    let mut command = as_root("setpriv");
    let ids = |option: &str| {
        let run = super::Run::of(Command::new("id").args([option, user]));
        assert_eq!(run.code, 0, "there is no user {user}: run tests/setup");
        run.stdout.trim().to_owned()
    };
    command.arg(format!("--reuid={}", ids("-u"))).arg(format!("--regid={}", ids("-g")));
    command.args(["--clear-groups", "env", "-i", &format!("PATH={}", search_path().display())]);
    command.arg(format!("HOME=/home/{user}"));
    command
}

fn cache() -> PathBuf {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_user = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    variable("WASM_OCI_TEST_CACHE")
        .or_else(|| Some(of_user()?.join("wasm-oci-tests")))
        .expect("HOME is set, or WASM_OCI_TEST_CACHE")
}

#[track_caller]
fn cached(file: &Path, what: &str) -> PathBuf {
    assert!(is_program(file), "{what} is not at {}: run tests/setup", file.display());
    file.to_owned()
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

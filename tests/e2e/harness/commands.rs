//! Our own commands, as built from this checkout.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{signals, tools};

/// The command `wasm-oci`.
pub(crate) fn wasm_oci() -> Command {
    let mut command = Command::new(program("wasm-oci"));
    command.env("WASM_OCI_CACHE_DIR", cache());
    command
}

/// The folder of caches that all tests share, so that none compiles or optimizes what another has. Where blobs were in a
/// registry is forgotten: another registry may have got its port since.
fn cache() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let forget = || {
        let folder = lasting("cache");
        std::fs::remove_dir_all(folder.join("blob-info")).ok();
        folder
    };
    FOLDER.get_or_init(forget).clone()
}

/// The command `wasm-oci` in a process that can't have more than these bytes of memory for its data.
pub(crate) fn wasm_oci_within(memory: u64) -> Command {
    let mut command = Command::new(tools::program("prlimit"));
    command.arg(format!("--data={memory}")).arg(program("wasm-oci"));
    command.env("WASM_OCI_CACHE_DIR", cache());
    command
}

/// The command `cargo wasm-oci`: its first argument has to be `wasm-oci`, as when cargo starts it.
pub(crate) fn cargo_wasm_oci() -> Command {
    let mut command = Command::new(program("cargo-wasm-oci"));
    command.env("WASM_OCI_CACHE_DIR", cache());
    forget_this_test(&mut command);
    command
}

/// The cargo that started this test.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_this_test(&mut command);
    command
}

/// Takes away what is set for the tests themselves: it says nothing about the crates that they build, and build
/// scripts that look at it run again.
pub(crate) fn forget_this_test(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_TARGET_"].iter().any(|it| text.starts_with(it))
        {
            command.env_remove(name);
        }
    }
}

/// The file of one of our programs. They are brought up to date once: cargo does not build another package's
/// programs for a test.
pub(crate) fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    signals::reset_for_children();
    FOLDER.get_or_init(build).join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn build() -> PathBuf {
    // All of the workspace, because features are unified over what is built: less of it could mean building
    // dependencies once more.
    let mut cargo = cargo();
    // Keep the settings of the surrounding `cargo test`.
    if let Some(folder) = env::var_os("CARGO_TARGET_DIR") {
        cargo.env("CARGO_TARGET_DIR", folder);
    }
    let status = cargo
        .args(["build", "--quiet", "--locked", "--workspace", "--all-targets"])
        .current_dir(root())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "our own commands can't be built");
    // This test lies in the folder `deps` beside them.
    let test = env::current_exe().expect("a test knows its own file");
    test.parent().and_then(Path::parent).expect("a test is in two folders").to_owned()
}

/// The folder of our programs as an archive of a release has it: with runners of standalone images beside them. These are only
/// the beginnings of programs, for images that nothing starts: real ones take minutes to build.
pub(crate) fn folder_with_runners() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = lasting("with-runners");
        fs::create_dir_all(&folder).expect("a folder can be made");
        for name in ["wasm-oci", "cargo-wasm-oci"] {
            let to = folder.join(name);
            fs::remove_file(&to).ok();
            fs::hard_link(program(name), to).expect("both are in the target folder");
        }
        // Machine numbers of ELF (System V ABI).
        for (architecture, machine) in [("amd64", 0x3e), ("arm64", 0xb7)] {
            let elf =
                [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 11], &[machine, 0], &[0; 44]].concat();
            for kind in ["", "http-"] {
                let runner = folder.join(format!("wasm-oci-runner-{kind}{architecture}"));
                fs::write(runner, &elf).expect("the folder can be written");
            }
        }
        folder
    };
    FOLDER.get_or_init(make).clone()
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are in the checkout")
        .to_owned()
}

/// rustup's own folder, which is found by the home and not by CARGO_HOME.
pub(crate) fn rustup_home() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").expect("there is a home")).join(".rustup");
    env::var_os("RUSTUP_HOME").map_or_else(home, PathBuf::from)
}

/// An example's manifest.
pub(crate) fn example(name: &str) -> PathBuf {
    root().join("examples").join(name).join("Cargo.toml")
}

/// A folder that other tests don't use and that stays, for what takes long to build.
pub(crate) fn lasting(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

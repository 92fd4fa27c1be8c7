//! With a compiler and an installer that only pretend.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;

use fs_err as fs;
use wasm_oci_app::config::target::WasiTarget;

use super::Sandbox;
use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::error::Error;
use crate::cargo::selection::{ManifestArgs, Selection};
use crate::cargo::toolchain::{self, Toolchain};

/// A toolchain without the target, in a folder like one of rustup's, or in another.
fn toolchain(folder: &str) -> Sandbox {
    let mut sandbox = Sandbox::new(&[]);
    let sysroot = sandbox.root().join(folder);
    let target = sysroot.join("lib/rustlib/wasm32-wasip1/lib");
    script(&sandbox, "bin/rustc", &format!("echo {}", sysroot.display()));
    script(
        &sandbox,
        "bin/rustup",
        &format!(
            "[ \"$5\" = broken ] && {{ echo no net >&2; exit 1; }}; mkdir -p {}",
            target.display()
        ),
    );
    let path = std::env::join_paths([sandbox.root().join("bin"), "/usr/bin".into(), "/bin".into()]);
    sandbox.set("PATH", path.expect("a path"));
    sandbox
}

fn script(sandbox: &Sandbox, path: &str, text: &str) {
    sandbox.write(path, &format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(sandbox.root().join(path), PermissionsExt::from_mode(0o755))
        .expect("writable");
}

fn prepare(
    sandbox: &Sandbox,
    selection: &Selection,
    may_install: bool,
) -> Result<Vec<String>, Error> {
    let env = sandbox.env("");
    let config = CargoConfig::load(&env, &[]);
    let mut told = Vec::new();
    let mut tell = |command: &str| told.push(command.to_owned());
    let toolchain =
        toolchain::prepare(&env, &config, selection, WasiTarget::Wasip1, may_install, &mut tell)?;
    assert!(toolchain.has_target(WasiTarget::Wasip1));
    Ok(told)
}

const COMMAND: &str = "rustup target add wasm32-wasip1 --toolchain mine";

#[test]
fn a_missing_target_is_installed_once() {
    let sandbox = toolchain("toolchains/mine");
    assert_eq!(prepare(&sandbox, &Selection::default(), true).expect("installed"), [COMMAND]);
    assert_eq!(prepare(&sandbox, &Selection::default(), true).expect("there"), [""; 0]);
}

#[test]
fn nothing_is_installed_where_that_is_forbidden() {
    let sandbox = toolchain("toolchains/mine");
    let manifest = ManifestArgs { frozen: true, ..ManifestArgs::default() };
    let offline = Selection { manifest, ..Selection::default() };
    for (selection, may_install) in [(offline, true), (Selection::default(), false)] {
        let error = prepare(&sandbox, &selection, may_install).expect_err("forbidden");
        assert!(error.to_string().ends_with(&format!("run `{COMMAND}`")), "{error}");
    }
}

#[test]
fn what_rustup_cannot_do_is_said() {
    let error = prepare(&toolchain("usr"), &Selection::default(), true).expect_err("not rustup's");
    assert!(matches!(error, Error::NoRustup { .. }), "{error}");
    let error =
        prepare(&toolchain("toolchains/broken"), &Selection::default(), true).expect_err("no net");
    assert!(error.to_string().ends_with("--toolchain broken` failed: no net"), "{error}");
}

#[test]
fn a_glance_suffices_only_for_cargos_own_compiler() {
    let mut sandbox = Sandbox::new(&[]);
    let env = sandbox.env("");
    let rustup_aware = Toolchain::ask(&env, &CargoConfig::load(&env, &[])).expect("a toolchain");
    let seen = Toolchain::glance(&env, &CargoConfig::load(&env, &[]), WasiTarget::Wasip1)
        .map(|it| it.sysroot);
    assert!(seen.is_none_or(|sysroot| sysroot == rustup_aware.sysroot));
    sandbox.set("RUSTC", "rustc");
    let env = sandbox.env("");
    assert_eq!(Toolchain::glance(&env, &CargoConfig::load(&env, &[]), WasiTarget::Wasip1), None);
}

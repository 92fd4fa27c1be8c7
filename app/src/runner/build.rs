//! Building a runner with cargo: the same bytes on every machine that has the same Rust.

use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use super::toolchain::{Toolchain, command};
use super::{RunnerKind, RunnerVariant, c_compiler};
use crate::config::env_vars;
use crate::error::RunnerError;
use crate::rustc::{RUSTFLAGS, Remap, SEPARATOR, commit, remap_flags};
use crate::ui::shell::Shell;

/// The profile `runner` of the workspace. As variables, it also comes before a profile in the user's configuration of cargo.
const PROFILE: [(&str, &str); 4] =
    [("opt-level", "s"), ("lto", "fat"), ("codegen-units", "1"), ("panic", "abort")];
/// What it has of the profile `release`.
const INHERITED: [(&str, &str); 5] = [
    ("strip", "symbols"),
    ("debug", "false"),
    ("debug-assertions", "false"),
    ("overflow-checks", "false"),
    ("incremental", "false"),
];

/// Builds the runner in `target_dir`, and returns its file there.
pub(super) fn build_into(
    target_dir: &Path,
    variant: RunnerVariant,
    sources: &Path,
    toolchain: &Toolchain,
    downloads: bool,
    shell: &Shell,
) -> Result<PathBuf, RunnerError> {
    let triple = variant.architecture.triple();
    toolchain.prepare(triple, sources, downloads, shell)?;
    let c_compiler = c_compiler::variables(variant.architecture, target_dir)?;
    let home = cargo_home();
    let cargo = |subcommand: &str| {
        let mut cargo = command("cargo", sources);
        cargo.args([subcommand, "--locked", "--target", triple]);
        if !shell.is_verbose() {
            cargo.arg("--quiet");
        }
        if !downloads {
            cargo.arg("--offline");
        }
        // A relative path would be one in the folder of the sources.
        if let Some(home) = &home {
            cargo.env("CARGO_HOME", home);
        }
        cargo
    };
    // First, because the names of the folders with the crates have to be known.
    run(&mut cargo("fetch"), "fetching the crates of the runner")?;
    let mut build = cargo("build");
    build.args(["--profile", "runner", "--package", "wasm-oci-runner"]);
    build.arg("--target-dir").arg(target_dir);
    if variant.kind == RunnerKind::Command {
        build.arg("--no-default-features");
    }
    let flags = flags(sources, target_dir, toolchain, home.as_deref());
    build
        .env(RUSTFLAGS, flags.join(SEPARATOR))
        // Before a linker in the user's configuration.
        .env(format!("CARGO_TARGET_{}_LINKER", triple.replace('-', "_").to_uppercase()), LINKER)
        // Nothing between cargo and rustc.
        .envs([("RUSTC_WRAPPER", ""), ("RUSTC_WORKSPACE_WRAPPER", "")])
        .envs(c_compiler);
    for (key, value) in PROFILE.iter().chain(&INHERITED) {
        let name = key.replace('-', "_").to_uppercase();
        build.env(format!("CARGO_PROFILE_RUNNER_{name}"), value);
    }
    run(&mut build, "building the runner")?;
    Ok(target_dir.join(triple).join("runner/wasm-oci-runner"))
}

fn run(cargo: &mut Command, step: &'static str) -> Result<(), RunnerError> {
    tracing::debug!(?cargo, "running");
    let status = cargo.status();
    let status =
        status.map_err(|source| RunnerError::NotStarted { program: "cargo".to_owned(), source })?;
    if status.success() { Ok(()) } else { Err(RunnerError::Cargo { step, status }) }
}

/// The linker of the toolchain.
const LINKER: &str = "rust-lld";

fn flags(
    sources: &Path,
    target_dir: &Path,
    toolchain: &Toolchain,
    cargo_home: Option<&Path>,
) -> Vec<String> {
    // rustup's musl and linker, because those of a machine differ. A fixed address saves the relocations at each start, and the
    // bytes that describe them: nothing else is in the container's process.
    let mut flags = vec![
        "-Crelocation-model=static".to_owned(),
        // Nothing unwinds: panics abort, and wasmtime follows frame pointers.
        "-Cforce-unwind-tables=no".to_owned(),
        "-Clink-self-contained=yes".to_owned(),
        "-Clinker-flavor=ld.lld".to_owned(),
        format!("-Clinker={LINKER}"),
    ];
    let mut remaps = vec![Remap::new(target_dir, "/target")];
    remaps.extend(sources.parent().map(|checkout| Remap::new(checkout, "/source")));
    let std = toolchain.sysroot.join("lib/rustlib/src/rust");
    let commit = commit(&toolchain.version);
    remaps.extend(commit.map(|commit| Remap::new(std, format!("/rustc/{commit}"))));
    if let Some(home) = cargo_home {
        // A mirror has another folder than crates.io.
        let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
        remaps.extend(registries.map(|it| Remap::new(it.path(), "/crates")));
        remaps.push(Remap::new(home, "/cargo"));
    }
    flags.extend(remap_flags(&remaps));
    flags
}

fn cargo_home() -> Option<PathBuf> {
    let named = env_vars::value("CARGO_HOME").map(PathBuf::from);
    let home = named.or_else(|| Some(std::env::home_dir()?.join(".cargo")))?;
    std::path::absolute(home).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_that_of_the_workspace() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(file).unwrap().parse().unwrap();
        let profile = manifest["profile"]["runner"].as_table().unwrap();
        let text = |value: &toml::Value| value.to_string().trim_matches('"').to_owned();
        let mut of_manifest: Vec<_> =
            profile.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        let inherits = ("inherits", "release");
        let mut of_build: Vec<_> = [inherits]
            .iter()
            .chain(&PROFILE)
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        of_manifest.sort();
        of_build.sort();
        assert_eq!(of_build, of_manifest);
    }
}

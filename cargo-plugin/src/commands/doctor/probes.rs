//! Probes of the tools that build crates.

use std::path::{Path, PathBuf};

use wasm_oci_app::config::c_compiler::Choice;
use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_app::inspect::doctor::tool::{CommandOutput, answer, numbers};
use wasm_oci_app::inspect::doctor::{Finding, Probe};

use crate::cargo::c::toolchain::Toolchain as CToolchain;
use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::git::{PendingRevision, Unreadable};
use crate::cargo::toolchain::{Toolchain, rustup};

// The oldest version of Rust that our tests use.
const TESTED: &str = env!("CARGO_PKG_RUST_VERSION");

// The first version with the target name `wasm32-wasip1`.
const OLDEST: (u32, u32) = (1, 78);

const INSTALL_RUST: &str = "install Rust: https://rustup.rs";

/// Returns the probes for building the crate in `folder`.
pub(super) fn build_probes(
    env: &CargoEnv,
    target: WasiTarget,
    choice: Choice,
    folder: PathBuf,
) -> Vec<Probe> {
    let (of_rust, of_cargo, of_c, of_git) = (env.clone(), env.clone(), env.clone(), env.clone());
    vec![
        Probe::new("rust", move || rust(&of_rust, target)),
        Probe::new("cargo", move || vec![cargo(&of_cargo)]),
        Probe::new("C compiler", move || vec![c_compiler(&of_c, target, choice)]),
        Probe::new("git", move || vec![git(&of_git, &folder)]),
    ]
}

/// Probes the compiler and its standard libraries.
fn rust(env: &CargoEnv, needed: WasiTarget) -> Vec<Finding> {
    let has_rustup = rustup(env).is_some();
    let config = CargoConfig::load(env, &[]);
    let Ok(toolchain) = Toolchain::ask(env, &config) else {
        // Without rustc, nothing else about the toolchain can be found out.
        return vec![Finding::missing("rust", "rustc doesn't start", INSTALL_RUST).needed()];
    };
    let version = say(env, toolchain.rustc.clone(), &["--version"]);
    let mut findings = vec![compiler(&version.map(|said| said.stdout).unwrap_or_default())];
    findings.extend(
        WasiTarget::ALL
            .map(|target| standard_library(&toolchain, target, target == needed, has_rustup)),
    );
    findings.push(match has_rustup {
        true => Finding::ok("rustup", "installs a target that is missing"),
        false => Finding::missing(
            "rustup",
            "not on PATH",
            "targets can't be installed without it: https://rustup.rs",
        ),
    });
    findings
}

/// Judges a line such as `rustc 1.91.0 (f8297e351 2025-10-28)`.
fn compiler(line: &str) -> Finding {
    let version = line.split_whitespace().nth(1).unwrap_or_default();
    let found = line.trim();
    match (numbers(version), numbers(TESTED)) {
        (Some(version), _) if version < OLDEST => {
            Finding::missing("rust", found, "it has no target wasm32-wasip1: `rustup update`")
                .needed()
        }
        (Some(version), Some(tested)) if version < tested => Finding::warning(
            "rust",
            found,
            format!("we test with {TESTED} and newer: `rustup update`"),
        ),
        _ => Finding::ok("rust", found),
    }
}

fn standard_library(
    toolchain: &Toolchain,
    target: WasiTarget,
    is_needed: bool,
    has_rustup: bool,
) -> Finding {
    let about = format!("target {target}");
    if toolchain.has_target(target) {
        return Finding::ok(&about, "installed");
    }
    let command = format!("`rustup target add {target}`");
    match (has_rustup, is_needed) {
        // Only a warning, because the first build installs the target.
        (true, true) => Finding::warning(
            &about,
            "not installed",
            format!("the first build installs it: {command}"),
        ),
        (true, false) => {
            Finding::warning(&about, "not installed", format!("only for components: {command}"))
        }
        (false, true) => Finding::missing(
            &about,
            format!("not in {}", toolchain.sysroot.display()),
            "install the package of your distribution, or Rust through rustup",
        )
        .needed(),
        (false, false) => Finding::missing(&about, "not installed", "only needed to build for it"),
    }
}

fn cargo(env: &CargoEnv) -> Finding {
    match say(env, env.cargo().to_owned(), &["--version"]).filter(|said| said.success) {
        Some(said) => Finding::ok("cargo", said.stdout.trim()),
        None => Finding::missing("cargo", "doesn't start", INSTALL_RUST).needed(),
    }
}

fn c_compiler(env: &CargoEnv, target: WasiTarget, choice: Choice) -> Finding {
    let advice = "only for crates with C inside: `pip install ziglang`, or wasi-sdk";
    match CToolchain::find(env, target, choice, env.cwd()) {
        Some(found) if found.has_libc() => Finding::ok("C compiler", found.to_string()),
        Some(found) => {
            let found = format!("{found}, without a C library for WASI");
            Finding::warning("C compiler", found, advice)
        }
        None => Finding::missing("C compiler", "none for WebAssembly", advice),
    }
}

/// Probes the repository that the crate is in, whose commit gets into images.
fn git(env: &CargoEnv, folder: &Path) -> Finding {
    let Some(pending) = PendingRevision::start(env, folder) else {
        return match env.find("git") {
            Some(_) => Finding::ok("git", "no repository here"),
            None => Finding::missing(
                "git",
                "not on PATH",
                "only for crates in a repository: images name its commit",
            ),
        };
    };
    match pending.finish(None) {
        Ok(Some(revision)) => Finding::ok("git", format!("images name commit {revision}")),
        Ok(None) => Finding::ok("git", "no commit that images could name"),
        Err(Unreadable { reason, remedy, .. }) => {
            let advice = remedy.unwrap_or_else(|| {
                "until then, images lack the commit, and so have other digests than elsewhere"
                    .to_owned()
            });
            Finding::warning("git", reason, advice)
        }
    }
}

fn say(env: &CargoEnv, program: PathBuf, args: &[&str]) -> Option<CommandOutput> {
    answer(env.command(program).args(args))
}

#[cfg(test)]
mod tests {
    use wasm_oci_app::inspect::doctor::FindingState;

    use super::*;

    #[test]
    fn a_compiler_is_as_old_as_it_says() {
        let of = |line: &str| {
            let finding = compiler(line);
            (finding.state, finding.needed)
        };
        assert_eq!(of("rustc 1.77.2 (25ef9e3d8 2024-04-09)\n"), (FindingState::Missing, true));
        assert_eq!(of("rustc 1.80.0 (051478957 2024-07-21)\n"), (FindingState::Warning, false));
        assert_eq!(of("rustc 1.999.0-nightly (0 2030-01-01)\n"), (FindingState::Ok, false));
    }
}

//! The Rust toolchain that cargo uses, and its standard library for a target.

use std::path::{Path, PathBuf};
use std::process::Output;

use wasm_oci_app::config::target::WasiTarget;
use wasm_oci_app::rustc::{commit, error_message, has_target, rustup_name};
use wasm_oci_core::trace::OrTrace;

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::{CargoEnv, traced};
use crate::cargo::error::Error;
use crate::cargo::selection::Selection;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    pub rustc: PathBuf,
    pub sysroot: PathBuf,
}

impl Toolchain {
    /// Returns the toolchain that contains `$CARGO`, if it certainly builds for `target`. Starts no process.
    pub fn glance(env: &CargoEnv, config: &CargoConfig, target: WasiTarget) -> Option<Toolchain> {
        // rustc takes as long to start as a build that has nothing to do.
        let sysroot = env.cargo().parent()?.parent()?.to_owned();
        let rustc = env.cargo().with_file_name(format!("rustc{}", std::env::consts::EXE_SUFFIX));
        let toolchain = Toolchain { rustc, sysroot };
        (chosen_rustc(env, config).is_none() && toolchain.has_target(target)).then_some(toolchain)
    }

    /// Runs rustc to find the toolchain.
    pub fn ask(env: &CargoEnv, config: &CargoConfig) -> Result<Toolchain, Error> {
        let rustc = chosen_rustc(env, config).unwrap_or_else(|| PathBuf::from("rustc"));
        let sysroot = print(env, &rustc, &["--print", "sysroot"])?;
        Ok(Toolchain { rustc, sysroot: PathBuf::from(sysroot.trim()) })
    }

    /// Returns true if the standard library for the target is installed.
    pub fn has_target(&self, target: WasiTarget) -> bool {
        has_target(&self.sysroot, target.name())
    }

    /// Returns the folder of the standard library's sources, if they are installed.
    pub fn std_sources(&self) -> Option<PathBuf> {
        // If they are, rustc writes this path into modules. Otherwise it writes `/rustc/` and its
        // commit.
        Some(self.sysroot.join("lib/rustlib/src/rust")).filter(|dir| dir.is_dir())
    }

    /// Asks rustc for the commit that it was built from.
    pub fn commit(&self, env: &CargoEnv) -> Option<String> {
        let version = print(env, &self.rustc, &["-vV"]).or_trace("ask rustc for its commit")?;
        commit(&version).map(str::to_owned)
    }

    /// Asks rustc for the conditions (`cfg`) that hold for the target. Returns an empty text if it fails.
    pub fn print_cfg(&self, env: &CargoEnv, target: WasiTarget) -> String {
        let args = ["--print", "cfg", "--target", target.name()];
        print(env, &self.rustc, &args).or_trace("ask rustc for conditions").unwrap_or_default()
    }

    /// Installs the standard library through rustup.
    fn install_target(
        &self,
        env: &CargoEnv,
        target: WasiTarget,
        status: &mut dyn FnMut(&str),
    ) -> Result<(), Error> {
        let (Some(args), Some(rustup)) = (self.install_args(target), rustup(env)) else {
            return Err(Error::NoRustup { target, sysroot: self.sysroot.clone() });
        };
        let command = self.install_command(target);
        status(&command);
        let output = run(env, &rustup, &args)?;
        match output.status.success() && self.has_target(target) {
            true => Ok(()),
            false => Err(Error::InstallFailed { command, message: error_message(&output.stderr) }),
        }
    }

    fn install_args(&self, target: WasiTarget) -> Option<[&str; 5]> {
        Some(["target", "add", target.name(), "--toolchain", rustup_name(&self.sysroot)?])
    }

    /// Returns the command for users to run.
    fn install_command(&self, target: WasiTarget) -> String {
        let name = rustup_name(&self.sysroot)
            .map(|name| format!(" --toolchain {name}"))
            .unwrap_or_default();
        format!("rustup target add {target}{name}")
    }
}

/// Finds the toolchain, and installs the standard library for `target` if needed and allowed. Calls `status` with the command that
/// installs it.
pub fn prepare(
    env: &CargoEnv,
    config: &CargoConfig,
    selection: &Selection,
    target: WasiTarget,
    may_install: bool,
    status: &mut dyn FnMut(&str),
) -> Result<Toolchain, Error> {
    let toolchain = Toolchain::ask(env, config)?;
    // `-Z build-std` compiles the standard library together with the program.
    let builds_std = selection.manifest.unstable.iter().any(|flag| flag.starts_with("build-std"));
    if builds_std || toolchain.has_target(target) {
        return Ok(toolchain);
    }
    let forbidden_by = match (selection.is_offline(), may_install) {
        (true, _) => Some("`--offline` or `--frozen`"),
        (_, false) => Some("the setting `install-target = false`"),
        _ => None,
    };
    if let Some(forbidden_by) = forbidden_by {
        let command = toolchain.install_command(target);
        return Err(Error::TargetMissing { target, command, forbidden_by });
    }
    toolchain.install_target(env, target, status)?;
    Ok(toolchain)
}

/// Returns the compiler that the user chose for cargo.
fn chosen_rustc(env: &CargoEnv, config: &CargoConfig) -> Option<PathBuf> {
    let variable = env.var("RUSTC").filter(|it| !it.is_empty()).map(PathBuf::from);
    variable.or_else(|| {
        // A bare name is looked up on PATH. A path is relative to the configuration file.
        let written = config.text(env, &["build", "rustc"])?;
        match Path::new(written).components().count() {
            1 => Some(PathBuf::from(written)),
            _ => config.path(env, &["build", "rustc"]),
        }
    })
}

pub fn rustup(env: &CargoEnv) -> Option<PathBuf> {
    // rustup installs itself here, but PATH may not contain the folder.
    let at_home = || Some(env.cargo_home()?.join("bin/rustup")).filter(|path| path.is_file());
    env.find("rustup").or_else(at_home)
}

fn print(env: &CargoEnv, rustc: &Path, args: &[&str]) -> Result<String, Error> {
    let output = run(env, rustc, args)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::RustcFailed {
            rustc: rustc.to_owned(),
            message: error_message(&output.stderr),
        }),
    }
}

fn run(env: &CargoEnv, program: &Path, args: &[&str]) -> Result<Output, Error> {
    let output = traced(env.command(program).args(args)).output();
    output.map_err(|source| Error::NotStarted { program: program.to_owned(), source })
}

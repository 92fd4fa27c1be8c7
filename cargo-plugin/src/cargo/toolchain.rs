//! The Rust toolchain that cargo uses, and its standard library for a target.

use std::path::{Path, PathBuf};
use std::process::Output;

use wasm_oci_app::config::target::WasiTarget;

use crate::cargo::cargo_config::CargoConfig;
use crate::cargo::env::CargoEnv;
use crate::cargo::error::Error;
use crate::cargo::project::told;
use crate::cargo::selection::Selection;

/// A toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// Its compiler.
    pub rustc: PathBuf,
    /// Its folder.
    pub sysroot: PathBuf,
}

impl Toolchain {
    /// The toolchain that `$CARGO` lies in, when it is certain that it can build for `target`. Takes no process: asking
    /// rustc is as slow as a whole build that has nothing to do.
    pub fn glance(env: &CargoEnv, config: &CargoConfig, target: WasiTarget) -> Option<Self> {
        let sysroot = env.cargo().parent()?.parent()?.to_owned();
        let rustc = env.cargo().with_file_name(format!("rustc{}", std::env::consts::EXE_SUFFIX));
        let toolchain = Self { rustc, sysroot };
        (chosen_rustc(env, config).is_none() && toolchain.has_target(target)).then_some(toolchain)
    }

    /// Asks rustc.
    pub fn ask(env: &CargoEnv, config: &CargoConfig) -> Result<Self, Error> {
        let rustc = chosen_rustc(env, config).unwrap_or_else(|| PathBuf::from("rustc"));
        let sysroot = print(env, &rustc, &["--print", "sysroot"])?;
        Ok(Self { rustc, sysroot: PathBuf::from(sysroot.trim()) })
    }

    /// Whether the standard library is there.
    pub fn has_target(&self, target: WasiTarget) -> bool {
        self.sysroot.join("lib/rustlib").join(target.name()).join("lib").is_dir()
    }

    /// Where the sources of the standard library are, when they are installed. Then rustc writes this path, and
    /// otherwise `/rustc/` and its commit.
    pub fn std_sources(&self) -> Option<PathBuf> {
        Some(self.sysroot.join("lib/rustlib/src/rust")).filter(|dir| dir.is_dir())
    }

    /// The commit that rustc was built from, as it says itself.
    pub fn commit(&self, env: &CargoEnv) -> Option<String> {
        let version = print(env, &self.rustc, &["-vV"]).ok()?;
        version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).map(str::to_owned)
    }

    /// What rustc has to say of conditions on the target; nothing when it can't.
    pub fn print_cfg(&self, env: &CargoEnv, target: WasiTarget) -> String {
        print(env, &self.rustc, &["--print", "cfg", "--target", target.name()]).unwrap_or_default()
    }

    /// rustup's name for it.
    fn name(&self) -> Option<&str> {
        let is_rustups = self.sysroot.parent()?.file_name()? == "toolchains";
        self.sysroot.file_name()?.to_str().filter(|_| is_rustups)
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
            false => Err(Error::InstallFailed { command, message: told(&output.stderr) }),
        }
    }

    fn install_args(&self, target: WasiTarget) -> Option<[&str; 5]> {
        Some(["target", "add", target.name(), "--toolchain", self.name()?])
    }

    /// What a user types to the same effect.
    fn install_command(&self, target: WasiTarget) -> String {
        let name = self.name().map(|name| format!(" --toolchain {name}")).unwrap_or_default();
        format!("rustup target add {target}{name}")
    }
}

/// The toolchain, with the standard library for `target`, which is installed when that is allowed. `status` is told the
/// command that does so.
pub fn prepare(
    env: &CargoEnv,
    config: &CargoConfig,
    selection: &Selection,
    target: WasiTarget,
    may_install: bool,
    status: &mut dyn FnMut(&str),
) -> Result<Toolchain, Error> {
    let toolchain = Toolchain::ask(env, config)?;
    let builds_std = selection.unstable.iter().any(|flag| flag.starts_with("build-std"));
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

/// The compiler that the user chose for cargo, if any.
fn chosen_rustc(env: &CargoEnv, config: &CargoConfig) -> Option<PathBuf> {
    let variable = env.var("RUSTC").filter(|it| !it.is_empty()).map(PathBuf::from);
    variable.or_else(|| {
        // A bare name is looked up in PATH, a path counts from where it is written.
        let written = config.text(env, &["build", "rustc"])?;
        match Path::new(written).components().count() {
            1 => Some(PathBuf::from(written)),
            _ => config.path(env, &["build", "rustc"]),
        }
    })
}

/// rustup, in PATH or where it installs itself.
pub fn rustup(env: &CargoEnv) -> Option<PathBuf> {
    let at_home = || Some(env.cargo_home()?.join("bin/rustup")).filter(|path| path.is_file());
    env.find("rustup").or_else(at_home)
}

fn print(env: &CargoEnv, rustc: &Path, args: &[&str]) -> Result<String, Error> {
    let output = run(env, rustc, args)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::RustcFailed { rustc: rustc.to_owned(), message: told(&output.stderr) }),
    }
}

fn run(env: &CargoEnv, program: &Path, args: &[&str]) -> Result<Output, Error> {
    let output = env.command(program).args(args).output();
    output.map_err(|source| Error::NotStarted { program: program.to_owned(), source })
}

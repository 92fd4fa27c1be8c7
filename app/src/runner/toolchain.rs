//! The Rust toolchain that builds runners: the one that the folder of their sources has by default, whichever crate is packed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::config::env_vars;
use crate::error::RunnerError;
use crate::rustc::{RUSTFLAGS, error_message, has_target, rustup_name};
use crate::signals::end_children_on_signals;
use crate::ui::shell::Shell;

/// Variables that change what cargo and the compilers make. Those of the crate that is packed don't apply to the runner.
const VARIABLES: [&str; 13] = [
    "CARGO",
    RUSTFLAGS,
    "CARGO_INCREMENTAL",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
    "SOURCE_DATE_EPOCH",
    "CFLAGS",
    "TARGET_CFLAGS",
    "CRATE_CC_NO_DEFAULTS",
];
const PREFIXES: [&str; 6] =
    ["CARGO_BUILD_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PROFILE_", "CARGO_TARGET_", "CFLAGS_"];

/// Makes a command that runs in the folder of the sources, without the variables of the crate that is packed.
pub(super) fn command(program: &str, sources: &Path) -> Command {
    end_children_on_signals();
    let mut command = Command::new(program);
    command.current_dir(sources);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if VARIABLES.contains(&text.as_ref()) || PREFIXES.iter().any(|it| text.starts_with(it)) {
            command.env_remove(&name);
        }
    }
    command
}

pub(super) struct Toolchain {
    /// The output of `rustc -vV`.
    pub(super) version: String,
    pub(super) sysroot: PathBuf,
}

/// Asks rustc for its version and commit.
pub(super) fn version(sources: &Path) -> Result<String, RunnerError> {
    ask(sources, &["-vV"])
}

fn ask(sources: &Path, args: &[&str]) -> Result<String, RunnerError> {
    let output = output(command("rustc", sources).args(args))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(RunnerError::Rustc {
            rustc: "rustc".into(),
            message: error_message(&output.stderr),
        }),
    }
}

impl Toolchain {
    pub(super) fn of(sources: &Path) -> Result<Toolchain, RunnerError> {
        let sysroot = ask(sources, &["--print", "sysroot"])?.into();
        Ok(Toolchain { version: version(sources)?, sysroot })
    }

    /// Installs the target's standard library through rustup, if it is missing.
    pub(super) fn prepare(
        &self,
        triple: &'static str,
        sources: &Path,
        downloads: bool,
        shell: &Shell,
    ) -> Result<(), RunnerError> {
        if has_target(&self.sysroot, triple) {
            return Ok(());
        }
        let Some(name) = rustup_name(&self.sysroot) else {
            return Err(RunnerError::NoRustup { triple, sysroot: self.sysroot.clone() });
        };
        let args = ["target", "add", triple, "--toolchain", name];
        let shown = format!("rustup {}", args.join(" "));
        let forbidden_by = match (downloads, env_vars::value("CARGO_NET_OFFLINE").as_deref()) {
            (false, _) => Some("`--offline`, `--frozen` or the setting `install-target = false`"),
            (true, Some("true" | "1")) => Some("CARGO_NET_OFFLINE"),
            (true, _) => None,
        };
        if let Some(forbidden_by) = forbidden_by {
            return Err(RunnerError::TargetMissing { triple, command: shown, forbidden_by });
        }
        shell.status("Installing", format_args!("the Rust target {triple} (`{shown}`)"));
        let output = output(command("rustup", sources).args(args))?;
        match output.status.success() && has_target(&self.sysroot, triple) {
            true => Ok(()),
            false => Err(RunnerError::InstallFailed {
                command: shown,
                message: error_message(&output.stderr),
            }),
        }
    }
}

pub(super) fn output(command: &mut Command) -> Result<Output, RunnerError> {
    tracing::debug!(?command, "running");
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|source| RunnerError::NotStarted { program, source })
}

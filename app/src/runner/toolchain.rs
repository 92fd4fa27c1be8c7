//! The Rust toolchain that builds runners: the one that the folder of their sources has by default, whichever crate is packed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::config::env_vars;
use crate::error::RunnerError;
use crate::signals::end_children_on_signals;
use crate::ui::shell::Shell;

/// Variables that change what cargo and the compilers make. Those of the crate that is packed don't apply to the runner.
const VARIABLES: [&str; 13] = [
    "CARGO",
    "CARGO_ENCODED_RUSTFLAGS",
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

impl Toolchain {
    pub(super) fn of(sources: &Path) -> Result<Toolchain, RunnerError> {
        let ask = |args: &[&str]| {
            let output = output(command("rustc", sources).args(args))?;
            match output.status.success() {
                true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
                false => Err(RunnerError::Rustc {
                    rustc: "rustc".into(),
                    message: error_message(&output.stderr),
                }),
            }
        };
        let version = ask(&["-vV"])?;
        Ok(Toolchain { version, sysroot: ask(&["--print", "sysroot"])?.into() })
    }

    /// Returns the commit that rustc was built from.
    pub(super) fn commit(&self) -> Option<&str> {
        self.version.lines().find_map(|line| line.strip_prefix("commit-hash: "))
    }

    /// Installs the target's standard library through rustup, if it is missing.
    pub(super) fn prepare(
        &self,
        triple: &'static str,
        sources: &Path,
        downloads: bool,
        shell: &Shell,
    ) -> Result<(), RunnerError> {
        if self.has_target(triple) {
            return Ok(());
        }
        let Some(name) = self.name() else {
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
        match output.status.success() && self.has_target(triple) {
            true => Ok(()),
            false => Err(RunnerError::InstallFailed {
                command: shown,
                message: error_message(&output.stderr),
            }),
        }
    }

    fn has_target(&self, triple: &str) -> bool {
        self.sysroot.join("lib/rustlib").join(triple).join("lib").is_dir()
    }

    /// Returns the name of a toolchain that rustup manages.
    fn name(&self) -> Option<&str> {
        // rustup keeps each toolchain in `$RUSTUP_HOME/toolchains/NAME`.
        let is_rustups = self.sysroot.parent()?.file_name()? == "toolchains";
        self.sysroot.file_name()?.to_str().filter(|_| is_rustups)
    }
}

pub(super) fn output(command: &mut Command) -> Result<Output, RunnerError> {
    tracing::debug!(?command, "running");
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|source| RunnerError::NotStarted { program, source })
}

/// Returns the message that a tool wrote to standard error, without its `error: `.
fn error_message(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    text.strip_prefix("error: ").unwrap_or(text).to_owned()
}

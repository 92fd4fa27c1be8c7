use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use fs_err as fs;
use wasm_oci_core::fs::write;
use wasm_oci_core::image::Architecture;

use wasm_oci_app::error::Error;
use wasm_oci_app::runner::{RunnerKind, RunnerVariant};
use wasm_oci_app::ui::shell::Shell;

/// Find or build the runners of standalone images
///
/// A runner is a static Linux program that runs a module's compiled code. Releases have one for each architecture beside the
/// command. A command that was built from source builds a runner once, and keeps it in the cache.
#[derive(Debug, Args)]
pub(crate) struct Runner {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a runner from its sources, even if it is there, and print its path
    Build(BuildArgs),
    /// Print the path of a runner; build it first if it is not there
    Path(RunnerArgs),
}

#[derive(Debug, Args)]
struct RunnerArgs {
    /// Architecture of the runner: amd64, arm64
    #[arg(long, value_name = "ARCH")]
    architecture: Option<Architecture>,
    /// The runner for components that send or answer HTTP requests
    #[arg(long)]
    http: bool,
}

#[derive(Debug, Args)]
struct BuildArgs {
    #[command(flatten)]
    runner: RunnerArgs,
    /// Write the runner to this file, and print its path
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl RunnerArgs {
    fn variant(&self) -> RunnerVariant {
        RunnerVariant {
            kind: if self.http { RunnerKind::Http } else { RunnerKind::Command },
            architecture: self.architecture.unwrap_or_else(Architecture::of_this_machine),
        }
    }
}

impl Runner {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        let file = match self.command {
            Command::Path(runner) => runner.variant().find(true, shell)?,
            Command::Build(BuildArgs { runner, output }) => {
                let built = runner.variant().build(true, shell)?;
                match output {
                    None => built,
                    Some(output) => {
                        copy(&built, &output)
                            .map_err(|source| Error::Write { path: output.clone(), source })?;
                        output
                    }
                }
            }
        };
        shell.print(file.display())
    }
}

/// Copies the file with its content, but not the permissions of an entry in a cache.
fn copy(built: &Path, output: &Path) -> io::Result<()> {
    write(output, &fs::read(built)?)?;
    #[cfg(unix)]
    fs::set_permissions(output, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

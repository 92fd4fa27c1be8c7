use clap::{Args, Subcommand};
use wasm_oci_core::image::Architecture;

use wasm_oci_app::error::Error;
use wasm_oci_app::pipeline::standalone::{RunnerKind, find};
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
    /// Print the path of a runner, and build it before if it is not there
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

impl Runner {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        let Command::Path(RunnerArgs { architecture, http }) = self.command;
        let kind = if http { RunnerKind::Http } else { RunnerKind::Command };
        let architecture = architecture.unwrap_or_else(Architecture::of_this_machine);
        shell.print(find(architecture, kind, shell)?.display())
    }
}

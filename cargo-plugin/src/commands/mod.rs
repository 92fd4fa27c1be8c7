//! The subcommands of `cargo wasm-oci`, a file each.

mod build;
mod push;
mod run;
mod serve;

use clap::{Args, Parser, Subcommand};
use wasm_oci::args::OutputArgs;
use wasm_oci::shell::Shell;

use crate::failure::Failure;

/// cargo, which runs this as its subcommand.
#[derive(Debug, Parser)]
#[command(name = "cargo", bin_name = "cargo", max_term_width = 100)]
#[expect(missing_docs, reason = "clap would show it")]
pub enum Cargo {
    WasmOci(Cli),
}

/// Build Rust programs into WebAssembly container images that run everywhere
#[derive(Debug, Args)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it")]
    pub output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::Build),
    Push(push::Push),
    Run(run::Run),
    Serve(serve::Serve),
}

impl Cli {
    /// Does what was asked for, and returns the exit code.
    ///
    /// # Errors
    /// Why it could not.
    pub fn run(self, shell: &Shell) -> Result<u8, Failure> {
        match self.command {
            Command::Build(build) => build.run(&self.output, shell).map(|()| 0),
            Command::Push(push) => push.run(&self.output, shell).map(|()| 0),
            Command::Run(run) => run.run(&self.output, shell),
            Command::Serve(serve) => serve.run(&self.output, shell).map(|()| 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cargo::command().debug_assert();
    }
}

//! `wasm-oci completions`: what a shell completes our commands with.

use clap::{Args, Command};
use clap_complete::Shell as Dialect;

use crate::error::Error;
use crate::ui::shell::Shell;

/// Print a script by which a shell completes this command
///
/// For bash, in ~/.bashrc: source <(wasm-oci completions bash), and the same of cargo wasm-oci.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    dialect: Dialect,
}

impl Completions {
    /// Prints the script for `command`, and what comes `after` it for a shell. Its own name is what the shell completes:
    /// never `cargo`, whose completion is cargo's.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub fn run(
        self,
        mut command: Command,
        after: fn(Dialect) -> &'static str,
        shell: &Shell,
    ) -> Result<(), Error> {
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.dialect, &mut command, &name, &mut script);
        let script = String::from_utf8_lossy(&script);
        // clap_complete 4.6.11 writes a name with a hyphen in two ways for bash, and then knows no subcommand.
        let script = script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
        shell.print(format_args!("{}{}", script.trim_end(), after(self.dialect).trim_end()))
    }
}

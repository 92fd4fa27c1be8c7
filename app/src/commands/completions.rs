//! `wasm-oci completions`: completion scripts for shells.

use clap::{Args, Command};
use clap_complete::Shell as Dialect;

use crate::error::Error;
use crate::ui::shell::Shell;

/// Print a shell completion script
///
/// For bash, add this to ~/.bashrc: source <(wasm-oci completions bash). The same works for cargo wasm-oci.
#[derive(Debug, Args)]
pub struct Completions {
    /// Shell to print the script for
    #[arg(value_name = "SHELL")]
    dialect: Dialect,
}

impl Completions {
    /// Prints the script for `command`, followed by the text that `after` returns for the shell.
    pub fn run(
        self,
        mut command: Command,
        after: fn(Dialect) -> &'static str,
        shell: &Shell,
    ) -> Result<(), Error> {
        // The script completes only our own name, never `cargo`: a shell has one completion function for a
        // command, and that of `cargo` belongs to cargo.
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.dialect, &mut command, &name, &mut script);
        let script = String::from_utf8_lossy(&script);
        // clap_complete 4.6.11 writes a name with a hyphen in two ways for bash, which breaks the completion of subcommands.
        let script = script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
        let after = after(self.dialect);
        shell.print_exactly(&format!("{}{}\n", script.trim_end(), after.trim_end()))
    }
}

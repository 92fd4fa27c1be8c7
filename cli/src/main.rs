//! The command `wasm-oci`.

use std::process::ExitCode;

use wasm_oci::commands::Cli;

fn main() -> ExitCode {
    let cli = Cli::of(std::env::args_os());
    let shell = cli.output.shell();
    match cli.run(&shell) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            shell.report(&error);
            error.exit_code().into()
        }
    }
}

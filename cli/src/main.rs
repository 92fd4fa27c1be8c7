//! The command `wasm-oci`.

use std::process::ExitCode;

use wasm_oci::commands::Cli;
use wasm_oci_app::commands::parse;
use wasm_oci_app::runtime::block_on;

fn main() -> ExitCode {
    // Not `args`, which panics on an argument that is not Unicode, such as a path.
    let cli: Cli = parse(std::env::args_os().collect());
    let shell = cli.output.shell();
    let workers = cli.workers();
    match block_on(cli.run(&shell), workers) {
        // Not always 0: `run` ends with the exit code of the program.
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            shell.report(&error);
            error.exit_code().into()
        }
    }
}

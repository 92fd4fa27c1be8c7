//! The command `cargo wasm-oci`.

use std::process::ExitCode;

use cargo_wasm_oci::commands::Cargo;

fn main() -> ExitCode {
    let Cargo::WasmOci(cli) = Cargo::of(std::env::args_os());
    let shell = cli.output.shell();
    match cli.run(&shell) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // cargo has told why its build failed.
            if !failure.is_told() {
                shell.error(&failure);
            }
            failure.exit_code().into()
        }
    }
}

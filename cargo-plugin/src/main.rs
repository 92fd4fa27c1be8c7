//! The command `cargo wasm-oci`.

use std::process::ExitCode;

use cargo_wasm_oci::cargo::c::compiler_shim::Invocation;
use cargo_wasm_oci::commands::{Cargo, spelled_out};
use wasm_oci_app::commands::parse;
use wasm_oci_app::runtime::block_on;
use wasm_oci_app::ui::shell::{Shell, Verbosity};

fn main() -> ExitCode {
    if let Some(compiler) = Invocation::of(std::env::args_os()) {
        return compile(&compiler);
    }
    let Cargo::WasmOci(cli) = parse(spelled_out(std::env::args_os()));
    let shell = cli.output.shell();
    let workers = cli.workers();
    match block_on(cli.run(&shell), workers) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // cargo has already printed why its build failed.
            if !failure.is_printed() {
                shell.report(&failure);
            }
            failure.exit_code().into()
        }
    }
}

fn compile(compiler: &Invocation) -> ExitCode {
    match compiler.run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            Shell::new(Verbosity::Normal, clap::ColorChoice::Never).report(&error);
            ExitCode::FAILURE
        }
    }
}

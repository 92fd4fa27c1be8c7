//! Runner of standalone images: it is the first process of the container, and runs the module's compiled code.
//!
//! The image has three layers: this program at `/.wasm-oci/runner`, the compiled code at `/.wasm-oci/code`, and the module itself,
//! which only Wasm runtimes read. The arguments are those of the program, which begin with its name.

mod root;
#[cfg(feature = "http")]
mod serve;

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use wasm_oci_core::error_chain;
use wasm_oci_core::run::{Engine, EntryKind, ExitReason, Limits, Program, RunOptions, run};

/// Exit code if the program can't be started, as shells and container engines use it.
const NOT_STARTED: u8 = 126;
/// Exit code of a program that a trap stopped: that of a native program which SIGABRT ended.
const TRAP: u8 = 134;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

/// What the container gives to the program.
struct Given {
    args: Vec<String>,
    env: Vec<(String, String)>,
}

fn start() -> Result<ExitCode, String> {
    let given = Given { args: texts("an argument", env::args_os().skip(1))?, env: variables()? };
    root::require_own_files()?;
    let engine = engine()?;
    let name = given.args.first().map_or("program", String::as_str);
    // SAFETY: the image's layer made the file, `require_own_files` has seen that nothing is mounted over it, and the program
    // gets no folder that contains it to write to.
    let program = unsafe { engine.load(name, Path::new(root::CODE)) };
    let program = program.map_err(|e| error_chain(&e))?;
    match program.entry_kind() {
        #[cfg(feature = "http")]
        EntryKind::Http => serve::serve(&engine, &program, given),
        _ => command(&engine, &program, given),
    }
}

fn command(engine: &Engine, program: &Program, given: Given) -> Result<ExitCode, String> {
    end_on_signals()?;
    // As in containerd's shim, a function of the module can take the place of its entry point.
    let export = given.args.first().and_then(|name| Some(name.split_once('#')?.1.to_owned()));
    let options = RunOptions {
        args: given.args,
        env: given.env,
        export,
        dirs: root::folders()?,
        network: true,
        ..RunOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    let outcome = runtime.block_on(run(engine, program, &options));
    // A read of standard input may still block its thread.
    runtime.shutdown_background();
    match outcome.map_err(|e| error_chain(&e))?.exit_reason {
        // A process has eight bits of it.
        ExitReason::Exit(code) => Ok(ExitCode::from(code.to_le_bytes()[0])),
        ExitReason::Trap(trap) => {
            eprintln!("error: the program was stopped: {trap}");
            Ok(ExitCode::from(TRAP))
        }
        ExitReason::Limit(limit) => Err(limit.to_string()),
    }
}

#[cfg(feature = "http")]
fn engine() -> Result<Engine, String> {
    Engine::pooled(&Limits::default()).map_err(|e| error_chain(&e))
}

#[cfg(not(feature = "http"))]
fn engine() -> Result<Engine, String> {
    Engine::new(&Limits::default()).map_err(|e| error_chain(&e))
}

/// Ends the process on the signals that ask for it. The kernel ignores them for the first process of a container, unless they are
/// handled (pid_namespaces(7)).
fn end_on_signals() -> Result<(), String> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        let always = std::sync::Arc::new(true.into());
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, always)
            .map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn variables() -> Result<Vec<(String, String)>, String> {
    let (names, values): (Vec<_>, Vec<_>) = env::vars_os().unzip();
    let names = texts("the name of a variable", names)?;
    Ok(names.into_iter().zip(texts("the value of a variable", values)?).collect())
}

fn texts(what: &str, all: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, String> {
    let text = |it: OsString| {
        it.into_string().map_err(|it| format!("{what} is not UTF-8, which WASI requires: {it:?}"))
    };
    all.into_iter().map(text).collect()
}

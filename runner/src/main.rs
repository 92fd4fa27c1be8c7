//! Runner of standalone images: it is the first process of the container, and runs the module's compiled code.
//!
//! The image has three layers: this program at `/.wasm-oci/runner`, the compiled code at `/.wasm-oci/code`, and the module itself,
//! which only Wasm runtimes read. The arguments are those of the program, which begin with its name.

mod root;
#[cfg(feature = "http")]
mod serve;

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use wasm_oci_core::error_chain;
#[cfg(feature = "http")]
use wasm_oci_core::run::EntryKind;
use wasm_oci_core::run::{Engine, ExitReason, Limits, Program, RunOptions, run};

use self::root::Mounts;

/// Exit code if the program can't be started, as shells and container engines use it.
const NOT_STARTED: u8 = 126;
/// Exit code of a program that a trap stopped: that of a native program which SIGABRT ended.
const TRAP: u8 = 134;

fn main() -> ExitCode {
    // First: a signal that comes before would be lost.
    let started = end_on_signals().map_err(|e| e.to_string()).and_then(start);
    started.unwrap_or_else(|message| {
        say(format_args!("error: {message}"));
        ExitCode::from(NOT_STARTED)
    })
}

/// Writes a line to standard error. Unlike `eprintln`, it doesn't end the process if nobody reads.
fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What the container gives to the program.
struct Given {
    args: Vec<String>,
    env: Vec<(String, String)>,
    mounts: Mounts,
}

/// Runs the program. Signals end the process while `_ends` is true.
fn start(_ends: Arc<AtomicBool>) -> Result<ExitCode, String> {
    // WASI has only UTF-8. Container engines keep arguments and variables as JSON, so they have replaced other bytes before.
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let given = Given {
        args: env::args_os().skip(1).map(text).collect(),
        env: env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
        mounts: Mounts::read(),
    };
    given.mounts.require_own_files()?;
    let engine = engine()?;
    let name = given.args.first().map_or("program", String::as_str);
    // SAFETY: the image's layer made the file, `require_own_files` has seen that nothing is mounted over it, and the program
    // gets no folder that contains it to write to.
    #[expect(unsafe_code, reason = "native code of this image")]
    let program = unsafe { engine.load(name, Path::new(root::CODE)) };
    let program = program.map_err(|e| error_chain(&e))?;
    // Commands and servers send requests with TLS. Only the first call can succeed, and this is it.
    #[cfg(feature = "http")]
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[cfg(feature = "http")]
    if program.entry_kind() == EntryKind::Http {
        return serve::serve(&engine, &program, given, &_ends);
    }
    command(&engine, &program, given)
}

fn command(engine: &Engine, program: &Program, given: Given) -> Result<ExitCode, String> {
    // As in containerd's shim, a function of the module can take the place of its entry point.
    let export = given.args.first().and_then(|name| Some(name.split_once('#')?.1.to_owned()));
    let options = RunOptions {
        args: given.args,
        env: given.env,
        export,
        dirs: given.mounts.folders()?,
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
            say(format_args!("error: the program was stopped: {trap}"));
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
/// handled (pid_namespaces(7)). SIGTERM and SIGINT end it only while the returned value is true.
fn end_on_signals() -> io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::flag::register_conditional_shutdown;
    let ends = Arc::new(AtomicBool::new(true));
    for signal in [SIGTERM, SIGINT] {
        register_conditional_shutdown(signal, 128 + signal, Arc::clone(&ends))?;
    }
    for signal in [SIGHUP, SIGQUIT] {
        register_conditional_shutdown(signal, 128 + signal, Arc::new(true.into()))?;
    }
    Ok(ends)
}

/// Function of wasmtime that is written in C, about the library that unwinds stacks: LLVM's, in rustup's musl. As it is here, the
/// linker takes no output of a C compiler into this program, so that its bytes don't depend on which one there is. The name ends
/// with wasmtime's version.
#[expect(unsafe_code, reason = "the name of a symbol")]
#[unsafe(export_name = "wasmtime_using_libunwind_48_0_8")]
extern "C" fn wasmtime_using_libunwind() -> bool {
    true
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_function_has_the_name_of_this_version_of_wasmtime() {
        let lock = include_str!("../../Cargo.lock");
        let after_name = lock.split("name = \"wasmtime\"\nversion = \"").nth(1).unwrap();
        let version = after_name.split('"').next().unwrap().replace('.', "_");
        let name = format!("\"wasmtime_using_libunwind_{version}\"");
        assert!(include_str!("main.rs").contains(&name), "{name}");
    }
}

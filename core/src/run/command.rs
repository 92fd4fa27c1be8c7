//! Running commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::{Linker, Store, Trap, WasmBacktrace};
use wasmtime_wasi::cli::{AsyncStdinStream, InputFile};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{I32Exit, WasiCtxView, WasiView, p2};
#[cfg(feature = "http")]
use wasmtime_wasi_http::{
    WasiHttpCtx, WasiHttpCtxView, WasiHttpView, p2::add_only_http_to_linker_async,
};

use super::context::{Limited, SandboxConfig, exit_reason, in_time, is_about_instances, store};
use super::engine::Code;
use super::hints::{self, Hint};
use super::limits::Limiter;
#[cfg(feature = "http")]
use super::outgoing::Outgoing;
use super::streams::{self, Stream};
use super::trap::Trapped;
use super::{Engine, EntryKind, Error, Limit, Program, RunOptions, Stdin};

/// Result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The reason why the program ended.
    pub exit_reason: ExitReason,
    /// Its standard output, if that was captured.
    pub stdout: Vec<u8>,
    /// Its standard error, if that was captured.
    pub stderr: Vec<u8>,
    /// Permissions that a failed program seems to have missed.
    pub hints: Vec<Hint>,
}

/// Reason why a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitReason {
    /// It exited with this code, or returned from its entry point (0).
    Exit(i32),
    /// A trap stopped it.
    Trap(Trapped),
    /// A limit stopped it.
    Limit(Limit),
}

struct State {
    wasi: WasiP1Ctx,
    #[cfg(feature = "http")]
    http: WasiHttpCtx,
    #[cfg(feature = "http")]
    outgoing: Outgoing,
    limiter: Limiter,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

#[cfg(feature = "http")]
impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: self.wasi.ctx().table,
            hooks: &mut self.outgoing,
        }
    }
}

impl Limited for State {
    fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }
}

/// Runs a command to its end.
///
/// Needs a tokio runtime with I/O and time. Reads of a terminal block a thread of that runtime, so end the runtime with
/// `shutdown_background`, which doesn't wait for them.
///
/// # Errors
/// [`Error::NotACommand`] for a library or a server, [`Error::Dir`] and [`Error::Stdin`] if a folder or the standard input
/// can't be opened, [`Error::Module`] if the program imports functions that WASI doesn't have. A program that fails while it
/// runs is not an error but an [`ExitReason`].
// Asynchronous, so that a time limit also ends a program that waits in a host function (docs/decisions/0022-asynchronous-runs.md).
pub async fn run(
    engine: &Engine,
    program: &Program,
    options: &RunOptions,
) -> Result<Outcome, Error> {
    let is_started = match (program.code(), &options.export) {
        // An entrypoint such as `/app.wasm#function` calls an export of any module, as in containerd.
        (Code::Module(_), Some(_)) => true,
        _ => matches!(program.entry_kind(), EntryKind::Module | EntryKind::Component),
    };
    if !is_started {
        return Err(Error::NotACommand {
            name: program.name().to_owned(),
            entry: program.entry_kind(),
        });
    }
    let (stdout, stderr) = streams::pair(options.streams, &options.limits);
    let refused: Arc<AtomicBool> = Arc::default();
    let state = State {
        wasi: context(options, stdout.clone(), stderr.clone())?,
        #[cfg(feature = "http")]
        http: WasiHttpCtx::new(),
        #[cfg(feature = "http")]
        outgoing: Outgoing::new(options.network, &refused),
        limiter: Limiter::new(options.limits),
    };
    let store = store(engine.wasmtime(), state, &options.limits)?;
    let result = match program.code() {
        Code::Module(module) => {
            let mut linker: Linker<State> = Linker::new(engine.wasmtime());
            p1::add_to_linker_async(&mut linker, |state| &mut state.wasi)
                .and_then(|()| exit_as_natively(&mut linker))
                .map_err(|e| program.refused(&e))?;
            let linked = linker.instantiate_pre(module).map_err(|e| program.refused(&e))?;
            in_time(&options.limits, run_module(store, linked, options.export.as_deref())).await
        }
        Code::Component(component) => {
            let mut linker = wasmtime::component::Linker::new(engine.wasmtime());
            p2::add_to_linker_async(&mut linker).map_err(|e| program.refused(&e))?;
            #[cfg(feature = "http")]
            add_only_http_to_linker_async(&mut linker).map_err(|e| program.refused(&e))?;
            let linked = linker.instantiate_pre(component).map_err(|e| program.refused(&e))?;
            in_time(&options.limits, run_component(store, linked)).await
        }
    };
    let exit_reason = match result {
        // A failure of the host must not look like a trap of the program.
        Err(error) if !has_run(&error) => return Err(not_started(program, &error)),
        result => program.named(exit_reason(result, &options.limits)),
    };
    let refused = refused.load(Ordering::Relaxed);
    let hints =
        hints::hints(&exit_reason, program.entry_kind(), &stderr.written(), refused, options);
    let captured = |stream: &Stream| match options.streams {
        super::Streams::Capture => stream.written(),
        super::Streams::Inherit => Vec::new(),
    };
    Ok(Outcome { exit_reason, stdout: captured(&stdout), stderr: captured(&stderr), hints })
}

fn exit_as_natively(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    // wasmtime-wasi traps if the exit code is above 125. A native program may exit with any code.
    let exit = |code: i32| -> wasmtime::Result<()> { Err(I32Exit(code).into()) };
    linker.allow_shadowing(true).func_wrap("wasi_snapshot_preview1", "proc_exit", exit)?;
    Ok(())
}

async fn run_module(
    mut store: Store<State>,
    linked: wasmtime::InstancePre<State>,
    export: Option<&str>,
) -> wasmtime::Result<i32> {
    let instance = linked.instantiate_async(&mut store).await?;
    let function = instance.get_typed_func::<(), ()>(&mut store, export.unwrap_or("_start"))?;
    // WASI requires this call before any other function of a reactor. Commands don't export it
    // (https://github.com/WebAssembly/WASI/blob/main/legacy/application-abi.md).
    if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
        initialize.call_async(&mut store, ()).await?;
    }
    function.call_async(&mut store, ()).await?;
    Ok(0)
}

async fn run_component(
    mut store: Store<State>,
    linked: wasmtime::component::InstancePre<State>,
) -> wasmtime::Result<i32> {
    let instance = linked.instantiate_async(&mut store).await?;
    let command = Command::new(&mut store, &instance)?;
    // The result of `wasi:cli/run` has no number, so any error becomes exit code 1.
    let result = command.wasi_cli_run().call_run(&mut store).await?;
    Ok(i32::from(result.is_err()))
}

/// Returns true if the error came from the running program, and false if the host could not start it.
fn has_run(error: &wasmtime::Error) -> bool {
    error.is::<I32Exit>()
        || error.is::<Limit>()
        || error.is::<Trap>()
        || error.is::<WasmBacktrace>()
        || is_about_instances(error)
}

fn not_started(program: &Program, error: &wasmtime::Error) -> Error {
    match is_out_of_memory(error) {
        true => Error::Engine(format!(
            "{error:#} (a limit of `ulimit -v` is below what wasmtime reserves)"
        )),
        false => program.refused(error),
    }
}

#[cfg(unix)]
fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    // wasmtime has no error type for a refused reservation, but keeps the system's error code as a cause.
    let refused = Some(&rustix::io::Errno::NOMEM);
    error.chain().any(|cause| cause.downcast_ref() == refused)
}

#[cfg(not(unix))]
fn is_out_of_memory(_: &wasmtime::Error) -> bool {
    false
}

fn context(options: &RunOptions, stdout: Stream, stderr: Stream) -> Result<WasiP1Ctx, Error> {
    let given = SandboxConfig {
        args: &options.args,
        env: &options.env,
        dirs: &options.dirs,
        network: options.network,
        // With a time limit, the timer needs the thread while the program waits.
        has_thread: options.limits.timeout.is_none(),
    };
    let mut builder = given.context(stdout, stderr)?;
    match &options.stdin {
        Stdin::Inherit => builder.inherit_stdin(),
        Stdin::Bytes(bytes) => builder.stdin(MemoryInputPipe::new(bytes.clone())),
        Stdin::File(path) => match std::fs::File::open(path) {
            // A read from a pipe or a device can block. Do it on another thread, so that a time limit still works.
            Ok(file) if file.metadata().is_ok_and(|it| !it.is_file()) => {
                builder.stdin(AsyncStdinStream::new(tokio::fs::File::from_std(file)))
            }
            Ok(file) => builder.stdin(InputFile::new(file)),
            Err(source) => return Err(Error::Stdin { path: path.clone(), source }),
        },
    };
    Ok(builder.build_p1())
}

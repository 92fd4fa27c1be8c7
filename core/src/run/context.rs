//! Parts that `run` and `serve` share: the sandbox, the store, the time limit and the reason for an exit.

use std::future::Future;

use wasmtime::{Store, Trap};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use super::command::ExitReason;
use super::limits::Limiter;
use super::streams::Stream;
use super::trap::Trapped;
use super::{Dir, Error, Limit, Limits};

/// Parts of the host that an instance can see, in addition to its streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct SandboxConfig<'a> {
    pub(super) args: &'a [String],
    pub(super) env: &'a [(String, String)],
    pub(super) dirs: &'a [Dir],
    pub(super) network: bool,
    /// True if the instance may block its thread: no timer and no other instance needs it.
    pub(super) has_thread: bool,
}

impl SandboxConfig<'_> {
    pub(super) fn context(self, stdout: Stream, stderr: Stream) -> Result<WasiCtxBuilder, Error> {
        let mut builder = WasiCtxBuilder::new();
        builder.args(self.args).envs(&variables(self.env)).stdout(stdout).stderr(stderr);
        builder.allow_blocking_current_thread(self.has_thread);
        if self.network {
            // wasmtime-wasi has a switch for each, and all are off by default.
            builder.inherit_network().allow_ip_name_lookup(true).allow_tcp(true).allow_udp(true);
        } else {
            builder.allow_tcp(false).allow_udp(false);
        }
        for dir in self.dirs {
            let permissions = if dir.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
            let failed = |e: wasmtime::Error| Error::Dir {
                host: dir.host.clone(),
                reason: format!("{e:#}"),
            };
            builder.preopened_dir(&dir.host, &dir.guest, permissions).map_err(failed)?;
        }
        Ok(builder)
    }
}

/// Returns each variable once, with its last value.
fn variables(all: &[(String, String)]) -> Vec<(&str, &str)> {
    // wasmtime-wasi passes duplicates on, and most programs would use the first value.
    let mut variables: Vec<(&str, &str)> = Vec::with_capacity(all.len());
    for (name, value) in all {
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => variables.push((name, value)),
        }
    }
    variables
}

pub(super) trait Limited {
    fn limiter(&mut self) -> &mut Limiter;
}

pub(super) fn store<T: Limited + 'static>(
    engine: &wasmtime::Engine,
    state: T,
    limits: &Limits,
) -> Result<Store<T>, Error> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| state.limiter());
    if let Some(fuel) = limits.fuel {
        store.set_fuel(fuel).map_err(|e| Error::Engine(e.to_string()))?;
    }
    if limits.timeout.is_some() {
        // The program yields at every tick, because the timer of `in_time` is on the same thread.
        store.epoch_deadline_async_yield_and_update(1);
    }
    Ok(store)
}

/// Runs a program until its time limit. The program can be stopped where it waits for the host, and in its own code at
/// every tick of its engine.
pub(super) async fn in_time<T>(
    limits: &Limits,
    program: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    match limits.timeout {
        None => program.await,
        Some(timeout) => match tokio::time::timeout(timeout, program).await {
            Ok(result) => result,
            Err(_) => Err(wasmtime::Error::new(Limit::Timeout(timeout))),
        },
    }
}

/// Returns the reason for an exit, from the result of the entry point (an exit code).
pub(super) fn exit_reason(result: wasmtime::Result<i32>, limits: &Limits) -> ExitReason {
    let error = match result {
        Ok(code) => return ExitReason::Exit(code),
        Err(error) => error,
    };
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return ExitReason::Exit(exit.0);
    }
    if let Some(limit) = error.downcast_ref::<Limit>() {
        return ExitReason::Limit(*limit);
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
        return ExitReason::Limit(Limit::Fuel(limits.fuel.unwrap_or_default()));
    }
    if is_about_instances(&error) {
        return ExitReason::Limit(Limit::Instances(Limiter::instances_limit(limits)));
    }
    ExitReason::Trap(Trapped::new(&error))
}

pub(super) fn is_about_instances(error: &wasmtime::Error) -> bool {
    // wasmtime has no type for the error of this limit (`bump_resource_counts` in its store.rs).
    format!("{error:?}").contains("resource limit exceeded")
}

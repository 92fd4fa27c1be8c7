//! Serving HTTP, if the program is a handler of requests.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use wasm_oci_core::error_chain;
use wasm_oci_core::run::{Access, Engine, Error, Program, ServeOptions, Server};

use crate::{Given, say};

/// The port without the variable `PORT`.
const DEFAULT_PORT: u16 = 8080;

/// Answers requests until SIGTERM or SIGINT, then waits for those that have begun. A second signal ends the process at once:
/// `ends` says whether signals do.
pub(crate) fn serve(
    engine: &Engine,
    program: &Program,
    given: Given,
    ends: &Arc<AtomicBool>,
) -> Result<ExitCode, String> {
    let port = given.env.iter().find(|(name, value)| name == "PORT" && !value.is_empty());
    let port = port.map(|(_, value)| value);
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => text.parse().map_err(|_| format!("PORT is `{text}`, which is not a port"))?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let options = ServeOptions {
            args: given.args,
            env: given.env,
            dirs: given.mounts.folders()?,
            network: true,
            ..ServeOptions::default()
        };
        let server = bind(engine, program, options, port).await.map_err(|e| error_chain(&e))?;
        let listen = |kind| signal(kind).map_err(|e| e.to_string());
        let (mut terminate, mut interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        ends.store(false, Ordering::Relaxed);
        let ends = Arc::clone(ends);
        let shutdown = async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            ends.store(true, Ordering::Relaxed);
        };
        say(format_args!("listening on {}", server.local_addr()));
        let cut_off = server.run(shutdown, report).await;
        if cut_off > 0 {
            say(format_args!("warning: {cut_off} requests were cut off"));
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn bind(
    engine: &Engine,
    program: &Program,
    options: ServeOptions,
    port: u16,
) -> Result<Server, Error> {
    // Linux accepts IPv4 there, too. Some containers have no IPv6.
    let addr = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match Server::bind(engine, program, ServeOptions { addr, ..options.clone() }).await {
        Err(Error::Listen { source, .. }) if source.kind() != std::io::ErrorKind::AddrInUse => {
            let addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            Server::bind(engine, program, ServeOptions { addr, ..options }).await
        }
        result => result,
    }
}

fn report(access: &Access) {
    if let Some(failure) = &access.failure {
        let Access { method, path, .. } = access;
        say(format_args!("error: {method} {path}: {failure}"));
    }
}

//! Serving HTTP, if the program is a handler of requests.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use wasm_oci_core::error_chain;
use wasm_oci_core::run::{Access, Engine, Error, Program, ServeOptions, Server};

use crate::{Given, root};

/// The port without the variable `PORT`.
const DEFAULT_PORT: u16 = 8080;

/// Answers requests until SIGTERM or SIGINT, then waits for those that have begun.
pub fn serve(engine: &Engine, program: &Program, given: Given) -> Result<ExitCode, String> {
    let port = given.env.iter().find(|(name, _)| name == "PORT").map(|(_, value)| value);
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => text.parse().map_err(|_| format!("PORT is `{text}`, which is not a port"))?,
    };
    // Programs send requests with TLS. Only the first call can succeed, and this is it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let options = ServeOptions {
            args: given.args,
            env: given.env,
            dirs: root::folders()?,
            network: true,
            ..ServeOptions::default()
        };
        let server = bind(engine, program, options, port).await.map_err(|e| error_chain(&e))?;
        eprintln!("listening on {}", server.local_addr());
        let listen = |kind| signal(kind).map_err(|e| e.to_string());
        let (mut terminate, mut interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        let shutdown = async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        let cut_off = server.run(shutdown, report).await;
        if cut_off > 0 {
            eprintln!("warning: {cut_off} requests were cut off");
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
        eprintln!("error: {method} {path}: {failure}");
    }
}

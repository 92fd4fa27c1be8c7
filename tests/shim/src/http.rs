//! Components that answer HTTP requests (`wasi:http/proxy`): a server in the container, each request an instance of its
//! own, as runwasi's shim has it.
use anyhow::{Context, Result};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use tokio::{net::TcpListener, sync::oneshot};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::bindings::{ProxyPre, http::types::ErrorCode, http::types::Scheme};
use wasmtime_wasi_http::types::{HostFutureIncomingResponse, OutgoingRequestConfig};
use wasmtime_wasi_http::{HttpResult, WasiHttpCtx, WasiHttpView, body::HyperOutgoingBody, io::TokioIo};

/// The variable of the container in which runwasi's shim, too, finds the address to listen at.
const ADDRESS: &str = "WASMTIME_HTTP_PROXY_SOCKET_ADDR";

/// Whether it answers requests, by what it exports.
pub fn answers(engine: &Engine, component: &Component) -> bool {
    let ty = component.component_type();
    ty.exports(engine).any(|(name, _)| name.starts_with("wasi:http/incoming-handler@"))
}

/// Answers requests until the container is stopped.
pub async fn serve(engine: &Engine, component: &Component, environment: &[String]) -> Result<()> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::add_only_http_to_linker_async(&mut linker)?;
    let pre = ProxyPre::new(linker.instantiate_pre(component)?)?;
    let variables: Vec<(String, String)> = environment.iter().map(|variable| split(variable)).collect();
    let address = variables.iter().find(|(name, _)| name == ADDRESS).map_or("0.0.0.0:8080", |(_, value)| value);
    let listener = TcpListener::bind(address).await.with_context(|| format!("can't listen at {address}"))?;
    loop {
        let (client, _) = listener.accept().await?;
        let (pre, variables) = (pre.clone(), variables.clone());
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(&pre, &variables, request));
            // A client that goes away is no fault of ours.
            http1::Builder::new().serve_connection(TokioIo::new(client), answer).await.ok();
        });
    }
}

fn split(variable: &str) -> (String, String) {
    let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
    (name.to_owned(), value.to_owned())
}

async fn answer(
    pre: &ProxyPre<Instance>,
    variables: &[(String, String)],
    request: Request<Incoming>,
) -> Result<Response<HyperOutgoingBody>> {
    let wasi = WasiCtxBuilder::new().envs(variables).inherit_stdio().build();
    let instance = Instance { wasi, http: WasiHttpCtx::new(), table: ResourceTable::new() };
    let mut store = Store::new(pre.engine(), instance);
    let (sender, receiver) = oneshot::channel();
    let request = store.data_mut().new_incoming_request(Scheme::Http, request)?;
    let out = store.data_mut().new_response_outparam(sender)?;
    let pre = pre.clone();
    // It may go on after the answer has begun.
    let task = tokio::spawn(async move {
        let proxy = pre.instantiate_async(&mut store).await?;
        proxy.wasi_http_incoming_handler().call_handle(store, request, out).await
    });
    match receiver.await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(task.await?.err().context("there was no answer, and no reason")?),
    }
}

/// What a request's instance has of the host.
struct Instance {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Instance {
    fn ctx(&mut self) -> &mut WasiHttpCtx {
        &mut self.http
    }

    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    fn send_request(
        &mut self,
        _request: Request<HyperOutgoingBody>,
        _config: OutgoingRequestConfig,
    ) -> HttpResult<HostFutureIncomingResponse> {
        // No test asks for it, and it would need certificates.
        Err(ErrorCode::HttpRequestDenied.into())
    }
}

//! HTTP server for a component of `wasi:http/proxy`, with a new instance for each request.
//!
//! Three owners share the [`Record`] of a request: hyper's connection, the instance, and the body of the answer between the
//! two. Any of them may be the last to drop it, which reports the request.

mod access;
mod answer;
mod host;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Request;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};
use wasmtime_wasi_http::p2::add_only_http_to_linker_async;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use self::access::Record;
pub use self::access::{Access, Failure};
use self::answer::{Head, answer};
use super::command::ExitReason;
use super::context::{Limited, SandboxConfig, exit_reason, in_time, store};
use super::engine::{Code, MAX_CONCURRENT};
use super::limits::Limiter;
use super::outgoing::Outgoing;
use super::{Dir, Engine, EntryKind, Error, Limits, Program, streams};
use crate::connections::{self, ConnectionLimits, RequestBody, Room, max_open_files};

/// Options of a server. Its instances can see nothing else of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// Address to listen on. Port 0 selects a free port.
    pub addr: SocketAddr,
    /// Arguments, beginning with the program's name.
    pub args: Vec<String>,
    /// Environment variables. Of two with the same name, the later one counts.
    pub env: Vec<(String, String)>,
    /// Folders, which all instances share.
    pub dirs: Vec<Dir>,
    /// True if instances may open connections, resolve names and send HTTP requests.
    pub network: bool,
    /// Limits of each request. The engine must have been created for the same limits. Without a time limit, an instance that
    /// loops occupies a thread for ever, even after its client has disconnected.
    pub limits: Limits,
    /// Limits of the clients' connections.
    pub connections: ConnectionLimits,
    /// Largest number of requests that run at a time. It may be lower if instances of the program don't fit into the pool, or open
    /// many folders.
    pub requests: usize,
    /// Largest number of requests that wait because others run. Further ones are answered with 503.
    pub queue: usize,
    /// Longest time that a request waits because others run. Then it is answered with 503.
    pub queue_time: Duration,
    /// Time for running requests after the shutdown has begun.
    pub drain: Duration,
}

impl Default for ServeOptions {
    /// Returns options for a free port of the loopback address, without permissions and limits of the program. 1,000 requests may
    /// wait for ten seconds, and there are ten seconds to drain.
    fn default() -> ServeOptions {
        ServeOptions {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            args: Vec::new(),
            env: Vec::new(),
            dirs: Vec::new(),
            network: false,
            limits: Limits::default(),
            connections: ConnectionLimits::default(),
            requests: 1_000,
            queue: 1_000,
            queue_time: Duration::from_secs(10),
            drain: Duration::from_secs(10),
        }
    }
}

/// Server that listens, and answers requests once it is [run](Server::run).
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    app: Arc<App>,
}

/// State that all requests share.
struct App {
    linked: ProxyPre<State>,
    options: ServeOptions,
    /// Places for instances: as many as fit into the pool.
    room: Room,
}

struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    limiter: Limiter,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

impl Limited for State {
    fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }
}

impl Server {
    /// Binds the address. Requests wait from now on.
    ///
    /// # Errors
    /// [`Error::NotACommand`] for a program that doesn't answer requests, [`Error::Module`] if it imports functions that WASI
    /// doesn't have, [`Error::Dir`] if a folder can't be opened, [`Error::Listen`] if the address can't be bound.
    pub async fn bind(
        engine: &Engine,
        program: &Program,
        options: ServeOptions,
    ) -> Result<Server, Error> {
        let (EntryKind::Http, Code::Component(component)) = (program.entry_kind(), program.code())
        else {
            return Err(Error::NotACommand {
                name: program.name().to_owned(),
                entry: program.entry_kind(),
            });
        };
        let link = || {
            let mut linker = Linker::new(engine.wasmtime());
            p2::add_to_linker_async(&mut linker)?;
            add_only_http_to_linker_async(&mut linker)?;
            ProxyPre::new(linker.instantiate_pre(component)?)
        };
        let places = at_once(component).min(with_open_folders(options.dirs.len()));
        let room = Room::new(places.min(options.requests), options.queue, options.queue_time);
        let app = App { linked: link().map_err(|e| program.refused(&e))?, options, room };
        // Report a folder that can't be opened now, and not at the first request.
        let _context = app.context()?;
        let failed = |source| Error::Listen { addr: app.options.addr, source };
        let listener = TcpListener::bind(app.options.addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, addr, app: Arc::new(app) })
    }

    /// The bound address, with the actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers requests until `shutdown`, then waits for running requests for the time of [`ServeOptions::drain`]. Calls
    /// `on_access` at the end of each request. Returns the number of requests that were cut off.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()>,
        on_access: impl Fn(&Access) + Send + Sync + 'static,
    ) -> usize {
        let Server { listener, app, addr } = self;
        let (drain, limits) = (app.options.drain, app.options.connections);
        let (stop, stopped) = watch::channel(());
        let (alive, mut gone) = mpsc::channel(1);
        let running = Arc::new(AtomicUsize::new(0));
        let life = Life {
            app,
            addr,
            on_access: Arc::new(on_access),
            running: Arc::clone(&running),
            _alive: alive,
            stopped,
        };
        let service = move |request| {
            let life = life.clone();
            async move { answer(&life, request).await }
        };
        let mut open = connections::serve(listener, limits, service, shutdown).await;
        let all_end = async {
            open.closed().await;
            // Instances may still run after their answer. This closes when the last other handle is dropped.
            while gone.recv().await.is_some() {}
        };
        if tokio::time::timeout(drain, all_end).await.is_ok() {
            return 0;
        }
        let cut_off = running.load(Ordering::Relaxed);
        drop((stop, open));
        while gone.recv().await.is_some() {}
        cut_off
    }
}

/// Handles that every connection and instance holds while it runs.
#[derive(Clone)]
struct Life {
    app: Arc<App>,
    /// The address of the server.
    addr: SocketAddr,
    on_access: Arc<dyn Fn(&Access) + Send + Sync>,
    /// Number of requests in progress.
    running: Arc<AtomicUsize>,
    /// Dropped with each holder: the channel closes after the last one.
    _alive: mpsc::Sender<()>,
    /// Closed to stop everything.
    stopped: watch::Receiver<()>,
}

impl Life {
    /// Runs `work` until everything has to stop.
    async fn until_stopped<T>(mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            _ = self.stopped.changed() => None,
        }
    }
}

/// Assumed number of memories or tables of a component for which wasmtime can't tell.
const UNKNOWN_NEED: u32 = 16;

/// Returns the number of requests whose instances fit into the pool at a time. Other requests wait.
fn at_once(component: &Component) -> usize {
    let each = component
        .resources_required()
        .map_or(UNKNOWN_NEED, |needed| needed.num_memories.max(needed.num_tables).max(1));
    usize::try_from(MAX_CONCURRENT / each.min(MAX_CONCURRENT)).unwrap_or(1)
}

/// Returns the number of instances that can have this many open folders each, with as many files left for connections.
fn with_open_folders(each: usize) -> usize {
    match (each, max_open_files()) {
        (1.., Some(files)) => (files / 4 / each).max(1),
        _ => usize::MAX,
    }
}

impl App {
    fn context(&self) -> Result<WasiCtx, Error> {
        let ServeOptions { args, env, dirs, network, limits, .. } = &self.options;
        let (stdout, stderr) = streams::pair_to_stderr(limits);
        // Other requests need the thread while this one waits for the host.
        let given = SandboxConfig { args, env, dirs, network: *network, has_thread: false };
        Ok(given.context(stdout, stderr)?.build())
    }

    /// Handles one request in a new instance, for which there is room, and which sends the head of its answer to `to_client`.
    async fn handle(
        &self,
        request: Request<RequestBody>,
        to_client: oneshot::Sender<Head>,
        record: &Arc<Record>,
    ) -> Result<(), Failure> {
        let limits = self.options.limits;
        let started =
            |e: &dyn std::fmt::Display| Failure::Start(format!("it could not be started: {e:#}"));
        let state = State {
            table: ResourceTable::new(),
            wasi: self.context().map_err(|e| started(&e))?,
            http: WasiHttpCtx::new(),
            outgoing: Outgoing::new(self.options.network, record.refused()),
            limiter: Limiter::new(limits),
        };
        // A store of its own, so that no request finds data of another (docs/decisions/0024-store-per-request.md).
        let mut store = store(self.linked.engine(), state, &limits).map_err(|e| started(&e))?;
        let mut http = store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request).map_err(|e| started(&e))?;
        let answer = http.new_response_outparam(to_client).map_err(|e| started(&e))?;
        let work = async {
            let proxy = self.linked.instantiate_async(&mut store).await?;
            proxy.wasi_http_incoming_handler().call_handle(&mut store, request, answer).await?;
            Ok(0)
        };
        let result = match exit_reason(in_time(&limits, work).await, &limits) {
            ExitReason::Exit(0) => Ok(()),
            ExitReason::Exit(code) => Err(Failure::Exit(code)),
            ExitReason::Trap(trace) => Err(Failure::Trap(trace)),
            ExitReason::Limit(limit) => Err(Failure::Limit(limit)),
        };
        if let Err(failure) = &result {
            // Record it before the store is dropped: that closes the body, which then looks for a failure.
            record.fail(failure.clone());
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{BuiltModule, ValidateOptions};

    #[tokio::test]
    async fn only_what_answers_requests_is_served() {
        let engine = Engine::new(&Limits::default()).unwrap();
        for wat in ["(component)", r#"(module (func (export "_start")))"#] {
            let module = BuiltModule::new("a", wat::parse_str(wat).unwrap()).unwrap();
            let program = engine.program(module, &ValidateOptions::default()).unwrap();
            let bound = Server::bind(&engine, &program, ServeOptions::default()).await;
            assert!(matches!(bound, Err(Error::NotACommand { .. })));
        }
    }
}

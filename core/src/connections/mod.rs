//! HTTP connections from clients that nobody vouches for, with limits that no client can evade.
//!
//! Every connection has a supervisor, which closes it when it is overdue: the client sent no
//! complete head of a request in time, asks for nothing, or sends or reads so slowly that it would hold its place for ever.
//! One rule covers the protocol's detection, TLS-less HTTP/2 handshakes, heads and bodies alike, because it looks at requests
//! and bytes instead of states of the protocol.

mod activity;
mod body;
mod room;
mod stream;

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Body;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use self::activity::Activity;
use self::body::AnswerBody;
pub use self::body::RequestBody;
pub use self::room::{Permit, Room};
use self::stream::MeteredStream;
use crate::trace::OrTrace;

// A connection can't be accepted if a resource such as file descriptors is used up. Trying again at once would only
// keep a processor busy until another connection ends.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Largest head of a request, in bytes. Other servers have 8 to 64 KiB.
const MAX_HEAD: usize = 64 << 10;

/// Number of concurrent requests in one HTTP/2 connection. RFC 9113 recommends no fewer.
const MAX_STREAMS: u32 = 100;

/// Limits of the connections of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Number of open connections. Others wait until one ends.
    pub connections: usize,
    /// Time from the first byte of a request to the end of its head. For the first request, from the start of the connection.
    pub head: Duration,
    /// Time between two requests of a connection. If connections wait for a place, idle ones are closed earlier.
    pub idle: Duration,
    /// Time that a client may take for nothing while it sends a body or reads an answer. Each byte that arrives gives it a
    /// millisecond back, so that it needs 1,000 bytes a second on average.
    pub stall: Duration,
}

impl Default for ConnectionLimits {
    /// Returns 1,000 connections, but half as many as this process can open files; 10 seconds for a head, 60 seconds between
    /// requests, and 30 seconds for a client that stalls.
    fn default() -> ConnectionLimits {
        let files = max_open_files().map_or(usize::MAX, |files| files / 2);
        ConnectionLimits {
            connections: files.clamp(1, 1_000),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        }
    }
}

impl ConnectionLimits {
    /// The interval at which a connection is checked.
    fn tick(&self) -> Duration {
        let shortest = self.head.min(self.idle).min(self.stall);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

/// Returns the number of files and connections that this process may have open, where there is such a limit.
pub(crate) fn max_open_files() -> Option<usize> {
    #[cfg(unix)]
    {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        limit.current.and_then(|files| usize::try_from(files).ok())
    }
    #[cfg(not(unix))]
    None
}

/// Connections that are still open after a server has stopped to accept others.
#[derive(Debug)]
pub struct Open {
    /// Closes after the last connection.
    closed: mpsc::Receiver<()>,
    /// Connections end when it is dropped.
    _cut: watch::Sender<Phase>,
}

impl Open {
    /// Waits until the last connection is closed. Dropping the value closes those that are left.
    pub async fn closed(&mut self) {
        while self.closed.recv().await.is_some() {}
    }
}

/// Phases of a server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Accepting,
    Closing,
}

/// Parts that all connections of a server share.
#[derive(Clone)]
struct Shared {
    limits: ConnectionLimits,
    /// True if a connection waits for the place of another.
    is_crowded: Arc<AtomicBool>,
    phase: watch::Receiver<Phase>,
    _open: mpsc::Sender<()>,
}

/// Accepts connections until `shutdown`, and answers their requests with `service`. Then the listener is closed, and so is every
/// connection after the requests in progress.
pub async fn serve<S, F, B>(
    listener: TcpListener,
    limits: ConnectionLimits,
    service: S,
    shutdown: impl Future<Output = ()>,
) -> Open
where
    S: Fn(Request<RequestBody>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (cut, phase) = watch::channel(Phase::Accepting);
    let (open, closed) = mpsc::channel(1);
    let shared = Shared { limits, is_crowded: Arc::default(), phase, _open: open };
    let places = Arc::new(Semaphore::new(limits.connections));
    let builder = builder();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            (stream, place) = accept(&listener, &places, &shared.is_crowded) => {
                let connection = supervise(builder.clone(), stream, service.clone(), shared.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            () = &mut shutdown => break,
        }
    }
    // Clients get an error at once instead of waiting.
    drop(listener);
    cut.send(Phase::Closing).or_trace("tell connections to close");
    Open { closed, _cut: cut }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The supervisor has the limits of time: hyper's covers heads of HTTP/1 only.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MAX_HEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
    builder
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    is_crowded: &AtomicBool,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Connections wait in the system's queue until there is a place, so that none is opened that we can't serve.
    let place = match Arc::clone(places).try_acquire_owned() {
        Ok(place) => Some(place),
        Err(_) => {
            is_crowded.store(true, Ordering::Relaxed);
            let place = Arc::clone(places).acquire_owned().await.ok();
            is_crowded.store(false, Ordering::Relaxed);
            place
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::debug!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Serves one connection until it ends or is overdue.
async fn supervise<S, F, B>(
    builder: auto::Builder<TokioExecutor>,
    stream: TcpStream,
    service: S,
    shared: Shared,
) where
    S: Fn(Request<RequestBody>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let Shared { limits, is_crowded, mut phase, _open } = shared;
    // Answers are written as a whole, so Nagle's algorithm would only delay them.
    stream.set_nodelay(true).or_trace("turn off Nagle's algorithm");
    let activity = Activity::new(limits, Instant::now());
    let of_requests = activity.clone();
    let service = hyper::service::service_fn(move |request: Request<_>| {
        let running = of_requests.begin_request(request.version());
        let request = request.map(|body| RequestBody::new(body, &of_requests));
        let answer = service(request);
        async move {
            let answer = answer.await.map(|body| AnswerBody::new(body, running));
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let stream = TokioIo::new(MeteredStream::new(stream, &activity));
    let mut connection = std::pin::pin!(builder.serve_connection(stream, service));
    let mut ticks = tokio::time::interval(limits.tick());
    let mut is_closing = *phase.borrow() == Phase::Closing;
    let mut was_overdue = false;
    if is_closing {
        connection.as_mut().graceful_shutdown();
    }
    loop {
        tokio::select! {
            served = connection.as_mut() => {
                // An error of one connection, such as a malformed request, doesn't affect the server.
                if let Err(error) = served {
                    tracing::debug!(error, "can't serve a connection");
                }
                return;
            }
            changed = phase.changed() => {
                // An error means that `Open` was dropped.
                if changed.is_err() {
                    return;
                }
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = ticks.tick() => {
                let is_crowded = is_closing || is_crowded.load(Ordering::Relaxed);
                let Some(reason) = activity.overdue(Instant::now(), is_crowded) else { continue };
                if was_overdue {
                    tracing::debug!(reason, "close a connection");
                    return;
                }
                // HTTP/2 tells its client so first.
                was_overdue = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;

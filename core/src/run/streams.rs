//! Standard output and standard error of a program.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::{Limit, Streams};

/// As much as a program may write at once.
const PIECE: usize = 1 << 20;

/// How much of the end of what was written is kept when it isn't captured, in bytes.
const TAIL: usize = 16 << 10;

/// Which of the two.
#[derive(Debug, Clone, Copy)]
enum Target {
    Out,
    Err,
}

/// What both streams together may still be given.
#[derive(Debug)]
struct Budget {
    limit: u64,
    left: u64,
}

/// One of a program's two streams.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    target: Target,
    streams: Streams,
    written: Arc<Mutex<Vec<u8>>>,
    budget: Option<Arc<Mutex<Budget>>>,
}

/// Standard output and standard error.
pub(super) fn pair(streams: Streams, limit: Option<u64>) -> (Stream, Stream) {
    let budget = limit.map(|limit| Arc::new(Mutex::new(Budget { limit, left: limit })));
    let stream = |target| Stream { target, streams, written: Arc::default(), budget: budget.clone() };
    (stream(Target::Out), stream(Target::Err))
}

/// The same for a server's instances: its own standard output is for other things, so both go to standard error.
#[cfg(feature = "serve")]
pub(super) fn pair_to_stderr(limit: Option<u64>) -> (Stream, Stream) {
    let (stdout, stderr) = pair(Streams::Inherit, limit);
    (Stream { target: Target::Err, ..stdout }, stderr)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    /// All that was written if it was captured, else the end of it.
    pub(super) fn written(&self) -> Vec<u8> {
        lock(&self.written).clone()
    }

    fn put(&self, bytes: &[u8]) -> Result<(), PutError> {
        let allowed = self.allowed(bytes);
        let mut written = lock(&self.written);
        written.extend_from_slice(&bytes[..allowed]);
        if self.streams == Streams::Inherit {
            let surplus = written.len().saturating_sub(TAIL);
            written.drain(..surplus);
            let result = match self.target {
                Target::Out => write_all(&mut io::stdout().lock(), &bytes[..allowed]),
                Target::Err => write_all(&mut io::stderr().lock(), &bytes[..allowed]),
            };
            result.map_err(PutError::Io)?;
        }
        match &self.budget {
            Some(budget) if allowed < bytes.len() => Err(PutError::Limit(Limit::Output(lock(budget).limit))),
            _ => Ok(()),
        }
    }

    /// How many of these bytes the budget allows; they are taken from it.
    fn allowed(&self, bytes: &[u8]) -> usize {
        let Some(budget) = &self.budget else { return bytes.len() };
        let mut budget = lock(budget);
        let allowed = bytes.len().min(usize::try_from(budget.left).unwrap_or(usize::MAX));
        budget.left -= allowed as u64;
        allowed
    }
}

fn write_all(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    // A program has its own buffers; what it has written it wants to be seen.
    stream.flush()
}

enum PutError {
    Io(io::Error),
    Limit(Limit),
}

impl From<PutError> for StreamError {
    fn from(error: PutError) -> StreamError {
        match error {
            PutError::Io(e) if e.kind() == io::ErrorKind::BrokenPipe => StreamError::Closed,
            PutError::Io(e) => StreamError::LastOperationFailed(e.into()),
            PutError::Limit(limit) => StreamError::Trap(wasmtime::Error::new(limit)),
        }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        self.streams == Streams::Inherit
            && match self.target {
                Target::Out => io::IsTerminal::is_terminal(&io::stdout()),
                Target::Err => io::IsTerminal::is_terminal(&io::stderr()),
            }
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        Ok(self.put(&bytes)?)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE)
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(match self.put(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(PutError::Io(e)) => Err(e),
            Err(PutError::Limit(limit)) => Err(io::Error::other(limit)),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

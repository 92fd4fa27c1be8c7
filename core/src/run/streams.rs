//! Standard output and standard error of programs.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::{Limit, Limits, Streams};

/// Largest write of a program, in bytes.
const PIECE: usize = 1 << 20;

/// Size of the end of standard error that we keep for hints, in bytes, if it isn't captured.
const TAIL: usize = 16 << 10;

// After `poll` has reported room in a pipe, a write of up to `PIPE_BUF` bytes doesn't block (4096 on Linux, pipe(7)).
#[cfg(unix)]
const PIPE_PIECE: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Out,
    Err,
}

/// Bytes that both streams together may still write.
#[derive(Debug)]
struct Budget {
    limit: u64,
    left: u64,
}

/// Time at which we stop waiting for a reader.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    timeout: Duration,
    at: Instant,
}

/// One of the two streams of a program.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    target: Target,
    streams: Streams,
    written: Arc<Mutex<Vec<u8>>>,
    budget: Option<Arc<Mutex<Budget>>>,
    deadline: Option<Deadline>,
}

/// Returns standard output and standard error of a program that starts now.
pub(super) fn pair(streams: Streams, limits: &Limits) -> (Stream, Stream) {
    let budget = limits.output.map(|limit| Arc::new(Mutex::new(Budget { limit, left: limit })));
    let deadline = limits.timeout.and_then(|timeout| {
        let at = Instant::now().checked_add(timeout)?;
        Some(Deadline { timeout, at })
    });
    let stream = |target| Stream {
        target,
        streams,
        written: Arc::default(),
        budget: budget.clone(),
        deadline,
    };
    (stream(Target::Out), stream(Target::Err))
}

/// Returns the streams of a server's instance. Both go to standard error, because the server prints its address to
/// standard output.
#[cfg(feature = "serve")]
pub(super) fn pair_to_stderr(limits: &Limits) -> (Stream, Stream) {
    let (stdout, stderr) = pair(Streams::Inherit, limits);
    (Stream { target: Target::Err, ..stdout }, stderr)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    /// Returns the captured output, or the end of standard error if it isn't captured.
    pub(super) fn written(&self) -> Vec<u8> {
        lock(&self.written).clone()
    }

    fn put(&self, bytes: &[u8]) -> Result<(), PutError> {
        let allowed = self.allowed(bytes);
        self.keep(&bytes[..allowed]);
        if self.streams == Streams::Inherit {
            write_all(self.target, &bytes[..allowed], self.deadline)?;
        }
        match &self.budget {
            Some(budget) if allowed < bytes.len() => {
                Err(PutError::Limit(Limit::Output(lock(budget).limit)))
            }
            _ => Ok(()),
        }
    }

    fn keep(&self, bytes: &[u8]) {
        let mut written = lock(&self.written);
        match self.streams {
            Streams::Capture => written.extend_from_slice(bytes),
            Streams::Inherit if self.target == Target::Err => {
                written.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
                // Trim only every 48 KiB: `drain` shifts the remaining bytes.
                if written.len() > 4 * TAIL {
                    let surplus = written.len() - TAIL;
                    written.drain(..surplus);
                }
            }
            Streams::Inherit => {}
        }
    }

    /// Takes the length of `bytes` from the budget, or what is left of it, and returns it.
    fn allowed(&self, bytes: &[u8]) -> usize {
        let Some(budget) = &self.budget else { return bytes.len() };
        let mut budget = lock(budget);
        let allowed = bytes.len().min(usize::try_from(budget.left).unwrap_or(usize::MAX));
        budget.left -= allowed as u64;
        allowed
    }
}

/// Writes to a stream of this process. Waits until the deadline for a reader that doesn't read.
#[cfg(unix)]
fn write_all(target: Target, mut bytes: &[u8], deadline: Option<Deadline>) -> Result<(), PutError> {
    use std::os::fd::AsFd;
    // Programs have their own buffers, so std's would only delay the output.
    let (out, err) = (io::stdout(), io::stderr());
    let fd = match target {
        Target::Out => out.as_fd(),
        Target::Err => err.as_fd(),
    };
    while !bytes.is_empty() {
        let piece = match deadline {
            None => bytes,
            Some(_) => {
                wait_for_room(fd, deadline)?;
                &bytes[..bytes.len().min(PIPE_PIECE)]
            }
        };
        match rustix::io::write(fd, piece) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Another process that shares the file may have made it non-blocking.
            Err(rustix::io::Errno::AGAIN) => wait_for_room(fd, deadline)?,
            Err(e) => return Err(PutError::Io(e.into())),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn wait_for_room(
    fd: std::os::fd::BorrowedFd<'_>,
    deadline: Option<Deadline>,
) -> Result<(), PutError> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    loop {
        let left = deadline.map(|deadline| deadline.at.saturating_duration_since(Instant::now()));
        // A time that doesn't fit is longer than any program runs: no timeout.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], left.as_ref()) {
            Ok(0) => {
                let timeout = deadline.map(|deadline| deadline.timeout).unwrap_or_default();
                return Err(PutError::Limit(Limit::Timeout(timeout)));
            }
            // After an error or a hang-up, the write fails and reports it.
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(PutError::Io(e.into())),
        }
    }
}

#[cfg(not(unix))]
fn write_all(target: Target, bytes: &[u8], _deadline: Option<Deadline>) -> Result<(), PutError> {
    use io::Write;
    // std buffers standard output, but not standard error.
    let written = match target {
        Target::Out => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
        Target::Err => io::stderr().write_all(bytes),
    };
    written.map_err(PutError::Io)
}

enum PutError {
    Io(io::Error),
    Limit(Limit),
}

impl From<PutError> for StreamError {
    fn from(error: PutError) -> StreamError {
        match error {
            // WASI has no SIGPIPE: the write fails, and the program decides.
            PutError::Io(e) if e.kind() == io::ErrorKind::BrokenPipe => StreamError::Closed,
            PutError::Io(e) => StreamError::LastOperationFailed(e.into()),
            // A program could ignore any other error and go on.
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
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
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

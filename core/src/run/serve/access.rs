//! Access log entries of requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::{Request, StatusCode};

use super::Life;
use crate::connections::RequestBody;
use crate::run::Limit;
use crate::run::trap::Trapped;

/// Access log entry of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Status of the answer; `None` if the client disconnected before there was one.
    pub status: Option<u16>,
    /// Size of the body that was passed to the connection, in bytes.
    pub bytes: u64,
    /// Time from the end of the request's head to the end of the answer.
    pub duration: Duration,
    /// First failure.
    pub failure: Option<Failure>,
    /// True if the program tried to send a request without access to the network.
    pub refused_request: bool,
}

/// Reason why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A trap stopped the program.
    #[error("it was stopped: {0}")]
    Trap(Trapped),
    /// A limit stopped the program.
    #[error("it was stopped: {0}")]
    Limit(Limit),
    /// The program exited with this code.
    #[error("it exited with {0}")]
    Exit(i32),
    /// The program ended without an answer.
    #[error("it gave no answer")]
    NoAnswer,
    /// The program answered with an error code of `wasi:http`.
    #[error("it answered with an error: {0}")]
    Error(String),
    /// The instance could not be created.
    #[error("{0}")]
    Start(String),
    /// Too many other requests were running and waiting.
    #[error("too many requests were waiting")]
    Busy,
    /// The client disconnected before the end of the answer.
    #[error("the client disconnected")]
    Gone,
}

impl Failure {
    pub(super) fn answer(&self) -> (StatusCode, &'static str) {
        // Details of the program are for the server's log only, because anybody may be the client.
        match self {
            Failure::Limit(Limit::Timeout(_)) => {
                (StatusCode::GATEWAY_TIMEOUT, "the request took too long\n")
            }
            Failure::Limit(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "the request exceeded a limit\n")
            }
            Failure::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many requests are waiting\n"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "the request could not be answered\n"),
        }
    }
}

/// Log entry of a request in progress. It is reported when its last owner drops it.
pub(super) struct Record {
    access: Mutex<Access>,
    refused: Arc<AtomicBool>,
    start: Instant,
    life: Life,
}

impl Record {
    pub(super) fn new(life: &Life, request: &Request<RequestBody>) -> Arc<Record> {
        life.running.fetch_add(1, Ordering::Relaxed);
        let access = Access {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            status: None,
            bytes: 0,
            duration: Duration::ZERO,
            failure: None,
            refused_request: false,
        };
        Arc::new(Record {
            access: Mutex::new(access),
            refused: Arc::default(),
            start: Instant::now(),
            life: life.clone(),
        })
    }

    pub(super) fn access(&self) -> MutexGuard<'_, Access> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refused(&self) -> &Arc<AtomicBool> {
        &self.refused
    }

    /// The time since the end of the request's head.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn fail(&self, failure: Failure) {
        // Later failures follow from the first.
        self.access().failure.get_or_insert(failure);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.access().failure.is_some()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.life.running.fetch_sub(1, Ordering::Relaxed);
        let access = self.access.get_mut().unwrap_or_else(PoisonError::into_inner);
        access.refused_request = self.refused.load(Ordering::Relaxed);
        // Without a status there was no body, which would have recorded the duration when it was dropped.
        if access.status.is_none() {
            access.failure.get_or_insert(Failure::Gone);
            access.duration = self.start.elapsed();
        }
        (self.life.on_access)(access);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_told_what_kind_of_failure_it_was_and_no_more() {
        let status = |failure: Failure| failure.answer().0.as_u16();
        assert_eq!(status(Failure::Limit(Limit::Timeout(Duration::from_secs(1)))), 504);
        assert_eq!(status(Failure::Limit(Limit::Memory(1))), 503);
        let trap = Failure::Trap(Trapped { reason: "inside".to_owned(), frames: Vec::new() });
        assert!(!trap.answer().1.contains("inside"));
        assert_eq!(status(trap), 500);
    }
}

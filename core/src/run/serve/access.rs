//! What became of requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::{Request, StatusCode};

use super::Life;
use crate::run::Limit;
use crate::run::trap::Trapped;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// The status of the answer; None when the client was gone before there was one.
    pub status: Option<u16>,
    /// How much of the answer's body was handed to the connection, in bytes.
    pub bytes: u64,
    /// From the end of the request's head to the end of the answer.
    pub duration: Duration,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// Whether a request that it wanted to send itself was refused.
    pub refused_request: bool,
}

/// Why a request was not answered as it should have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The program was stopped by a trap.
    #[error("it was stopped: {0}")]
    Trap(Trapped),
    /// The program was stopped by a limit.
    #[error("it was stopped: {0}")]
    Limit(Limit),
    /// The program exited with this code.
    #[error("it exited with {0}")]
    Exit(i32),
    /// The program ended without an answer.
    #[error("it gave no answer")]
    NoAnswer,
    /// The program gave an error for an answer.
    #[error("it answered with an error: {0}")]
    Error(String),
    /// An instance could not be set up.
    #[error("{0}")]
    Start(String),
    /// The client didn't wait for the end of the answer.
    #[error("the client was gone")]
    Gone,
}

impl Failure {
    /// The status of an answer that says so, and its body, which tells nothing of what is inside.
    pub(super) fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Failure::Limit(Limit::Timeout(_)) => {
                (StatusCode::GATEWAY_TIMEOUT, "the request took longer than it may\n")
            }
            Failure::Limit(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "the request needed more than it may have\n")
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "the request could not be answered\n"),
        }
    }
}

/// What is known of a request so far. It is reported when nobody has anything to add.
pub(super) struct Record {
    access: Mutex<Access>,
    refused: Arc<AtomicBool>,
    start: Instant,
    life: Life,
}

impl Record {
    pub(super) fn new(life: &Life, request: &Request<Incoming>) -> Arc<Record> {
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

    /// Whether a request that the program wanted to send was refused.
    pub(super) fn refused(&self) -> &Arc<AtomicBool> {
        &self.refused
    }

    /// The time since the head of the request was there.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Notes what went wrong first: the rest follows from it.
    pub(super) fn fail(&self, failure: Failure) {
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

//! Debug log of discarded errors.

use std::error::Error;
use std::panic::Location;

use tracing::Level;

use crate::error::error_chain;

/// Extension of `Result` for errors that nobody needs to see: they appear in the debug log only (`-vv`).
pub trait OrTrace<T> {
    /// Returns the value. Otherwise logs the error with all its causes and returns `None`; `action` is what failed, as
    /// it follows "can't".
    fn or_trace(self, action: &str) -> Option<T>;
}

impl<T, E: Into<Box<dyn Error>>> OrTrace<T> for Result<T, E> {
    #[track_caller]
    fn or_trace(self, action: &str) -> Option<T> {
        match self {
            Ok(value) => Some(value),
            Err(error) => {
                trace_ignored(action, error);
                None
            }
        }
    }
}

/// Logs an error that is discarded, with all its causes and the place in our source.
#[track_caller]
pub fn trace_ignored(action: &str, error: impl Into<Box<dyn Error>>) {
    // The text of the chain is only worth making if the log shows it.
    if tracing::enabled!(Level::DEBUG) {
        let (error, at) = (error_chain(&*error.into()), Location::caller());
        tracing::debug!(error, %at, "ignored: can't {action}");
    }
}

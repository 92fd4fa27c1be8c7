//! Traces of discarded errors.

use std::error::Error;
use std::panic::Location;

use tracing::Level;

/// Extension of `Result` for errors that nobody needs to see: they appear in the debug log only (`-vv`).
pub trait OrTrace<T> {
    /// Returns the value. Otherwise traces the error with all its causes and returns `None`; `action` says what
    /// failed, as it follows "can't".
    fn or_trace(self, action: &str) -> Option<T>;
}

impl<T, E: Into<Box<dyn Error>>> OrTrace<T> for Result<T, E> {
    #[track_caller]
    fn or_trace(self, action: &str) -> Option<T> {
        let at = Location::caller();
        self.map_err(|error| {
            if tracing::enabled!(Level::DEBUG) {
                let error: Box<dyn Error> = error.into();
                let mut text = error.to_string();
                let mut source = error.source();
                while let Some(cause) = source {
                    text = format!("{text}: {cause}");
                    source = cause.source();
                }
                tracing::debug!(error = %text, %at, "ignored: can't {action}");
            }
        })
        .ok()
    }
}

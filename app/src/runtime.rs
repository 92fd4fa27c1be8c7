//! The asynchronous runtime.

use std::future::Future;

use crate::error::Error;

/// Runs what waits for a network on this thread.
///
/// # Errors
/// What it fails with, or [`Error::Runtime`].
pub fn block_on<T, E: Into<Error>>(future: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(future).map_err(Into::into)
}

/// The same until the user interrupts it (Ctrl-C). From then on that no longer ends the process by itself, so that it is for
/// the last that a command does.
///
/// # Errors
/// As [`block_on`], or [`Error::Interrupted`].
pub fn until_interrupted<T, E: Into<Error>>(
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    block_on(async {
        tokio::select! {
            result = future => result.map_err(Into::into),
            Ok(()) = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        }
    })
}

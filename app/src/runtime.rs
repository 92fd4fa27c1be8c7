//! The asynchronous runtime.

use std::future::Future;

use crate::error::Error;

/// Runs a future to its end on this thread.
///
/// # Errors
/// The error of the future, or [`Error::Runtime`].
pub fn block_on<T, E: Into<Error>>(future: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(future).map_err(Into::into)
}

/// Runs a future until it ends or the user presses Ctrl-C. Only for the last action of a command: afterwards, Ctrl-C no longer
/// ends the process by itself.
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

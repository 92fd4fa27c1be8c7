//! The asynchronous runtime.

use std::future::Future;

use crate::error::Error;

/// Runs a future to its end on this thread.
pub fn block_on<T, E: Into<Error>>(future: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    runtime.block_on(future).map_err(Into::into)
}

/// Runs a future until it ends or the user presses Ctrl-C.
// Only for the last action of a command: tokio's handler stays for the rest of the process, so that Ctrl-C no longer ends it by
// itself.
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

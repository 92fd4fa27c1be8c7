//! The asynchronous runtime, made once in `main`.

use std::future::Future;

use tokio::runtime::Builder;

use crate::error::Error;

/// Runs a command's future to its end on this thread.
pub fn block_on<T, E: From<Error>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    // With worker threads, because `serve` answers requests on all processors, and because smoke tests and the probes of
    // `doctor` wait on threads of their own.
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    let result = runtime.block_on(command);
    // Dropping the runtime would wait for blocking calls, such as a read from a terminal that never ends.
    runtime.shutdown_background();
    result
}

/// Runs a future until it ends or the user presses Ctrl-C.
// Only for the last action of a command: tokio's handler stays for the rest of the process, so that Ctrl-C no longer ends it by
// itself.
pub async fn until_interrupted<T, E: Into<Error>>(
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    tokio::select! {
        result = future => result.map_err(Into::into),
        Ok(()) = tokio::signal::ctrl_c() => Err(Error::Interrupted),
    }
}

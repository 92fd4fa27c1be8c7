//! The asynchronous runtime, made once in `main`.

use std::future::Future;

use tokio::runtime::Builder;

use crate::error::Error;
use crate::signals::{Handled, remove_temporaries_on_signals};

/// Threads of the runtime next to the one of `main`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One for each processor. `serve` answers requests on all of them, and smoke tests and the probes of `doctor` wait on
    /// threads of their own, which need others to do the input and output.
    PerProcessor,
    /// None, for a command whose start counts: each thread costs about a tenth of a millisecond.
    None,
}

/// Runs a command's future to its end on this thread.
pub fn block_on<T, E: From<Error>>(
    command: impl Future<Output = Result<T, E>>,
    workers: Workers,
) -> Result<T, E> {
    remove_temporaries_on_signals();
    let mut runtime = match workers {
        Workers::PerProcessor => Builder::new_multi_thread(),
        Workers::None => Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(Error::Runtime)?;
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
    let handled = Handled::interrupt();
    tokio::select! {
        result = future => result.map_err(Into::into),
        Ok(()) = tokio::signal::ctrl_c() => {
            handled.for_good();
            Err(Error::Interrupted)
        }
    }
}

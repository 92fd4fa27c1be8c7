//! Signals that end a command.

#[cfg(unix)]
mod descendants;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

/// Number of those who end the command by themselves on SIGINT, and of those who do on SIGTERM.
static OF_INTERRUPT: AtomicUsize = AtomicUsize::new(0);
static OF_TERMINATE: AtomicUsize = AtomicUsize::new(0);

/// Keeps [`remove_temporaries_on_signals`] and [`end_children_on_signals`] from ending the process on SIGINT, until it is dropped.
#[derive(Debug)]
pub struct Handled(());

impl Handled {
    pub fn interrupt() -> Handled {
        OF_INTERRUPT.fetch_add(1, Ordering::SeqCst);
        Handled(())
    }

    /// Keeps it for the rest of the process. Whoever has heard a signal needs that: the thread that removes temporary files
    /// may hear of the same one later, and would end the process in the middle of its own end.
    pub fn for_good(self) {
        std::mem::forget(self);
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        OF_INTERRUPT.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Makes signals that end the process remove its temporary files first.
pub fn remove_temporaries_on_signals() {
    // Not before the first temporary file: most commands have none.
    #[cfg(unix)]
    wasm_oci_core::fs::before_first_temporary(unix::listen);
}

/// Makes signals that end the process end all that it has started, too: cargo, its compilers, and their own processes. A terminal
/// sends Ctrl-C to all of them by itself, but a supervisor sends SIGTERM to one process.
pub fn end_children_on_signals() {
    #[cfg(unix)]
    unix::listen();
}

#[cfg(unix)]
mod unix {
    use std::sync::Once;
    use std::sync::atomic::Ordering;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;
    use wasm_oci_core::fs::remove_temporaries;
    use wasm_oci_core::trace::OrTrace;

    use super::{OF_INTERRUPT, OF_TERMINATE, descendants};

    pub(super) fn listen() {
        static ONCE: Once = Once::new();
        ONCE.call_once(start);
    }

    fn start() {
        let ignored = ignored();
        let signals = [SIGINT, SIGTERM, SIGHUP].into_iter();
        let signals = signals.filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let Some(mut signals) = Signals::new(signals).or_trace("listen for signals") else {
            return;
        };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let handled = match signal {
                    SIGINT => OF_INTERRUPT.load(Ordering::SeqCst),
                    SIGTERM => OF_TERMINATE.load(Ordering::SeqCst),
                    _ => 0,
                };
                if handled > 0 {
                    continue;
                }
                remove_temporaries();
                descendants::end(signal);
                // The parent process sees by which signal we ended, as without temporary files.
                emulate_default_handler(signal).or_trace("end by a signal");
            }
        });
    }

    /// Returns the signals that the parent process has us ignore, as `nohup` and shells in the background do: bit 0 is signal 1
    /// (`SigIgn` of proc_pid_status(5)).
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
    }
}

/// Listens for SIGINT and SIGTERM, which don't end the process from then on.
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub fn new() -> Result<Signals, Error> {
        OF_TERMINATE.fetch_add(1, Ordering::SeqCst);
        Handled::interrupt().for_good();
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| signal(kind).map_err(Error::Runtime);
            let terminate = listen(SignalKind::terminate())?;
            Ok(Signals { terminate, interrupt: listen(SignalKind::interrupt())? })
        }
        #[cfg(not(unix))]
        Ok(Signals {})
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for the next Ctrl-C.
    #[cfg(not(unix))]
    pub async fn next(&mut self) {
        // If we can't listen for Ctrl-C, it ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

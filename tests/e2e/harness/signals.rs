//! Signals for the programs that tests start.

use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};

/// Makes what this test starts end by the signals that end a program by default, also where the test itself ignores
/// them: `nohup tests/run &` ignores SIGHUP, SIGINT and SIGQUIT, and what is ignored stays so in a new program.
pub(crate) fn reset_for_children() {
    static ONCE: Once = Once::new();
    // A signal with a handler, here one that does nothing, has its default effect in a new program (execve(2)).
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.expect("the kernel tells it").trim();
        let ignored = u64::from_str_radix(ignored, 16).expect("it is a bit mask");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let _inside = runtime.as_ref().expect("it can be made").enter();
        let kinds = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::terminate(),
        ];
        for kind in kinds.into_iter().filter(|kind| ignored >> (kind.as_raw_value() - 1) & 1 == 1) {
            // The handler stays when this listener goes.
            drop(signal(kind).expect("a handler can be installed"));
        }
    });
}

//! Debug log: the events of our crates, on standard error.

use std::fmt;
use std::io;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::ui::shell::Shell;

// Events of other crates stay hidden, because some contain URLs and headers with secrets.
const OWN_TARGETS: [&str; 2] = ["wasm_oci", "cargo_wasm_oci"];

/// Writes each event through the shell, so that progress bars make room for it. Only the first call has an effect.
pub fn install(shell: &Shell) {
    let shell = shell.clone();
    let lines = Layer::new()
        .with_ansi(false)
        .with_writer(move || ShellWriter(shell.clone()))
        .event_format(OneLine);
    let targets = OWN_TARGETS.map(|target| (target, LevelFilter::DEBUG));
    let log = tracing_subscriber::registry().with(lines.with_filter(Targets::from_iter(targets)));
    // A second shell of the same process finds the log of the first.
    let _ = log.try_init();
}

/// Format of an event: `debug TARGET: MESSAGE FIELD=VALUE …`, with the fields of its spans at the end.
struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = event.metadata().level().as_str().to_lowercase();
        write!(writer, "{level:>9} {}: ", event.metadata().target())?;
        context.format_fields(writer.by_ref(), event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                write!(writer, " {fields}")?;
            }
        }
        writer.write_char('\n')
    }
}

struct ShellWriter(Shell);

impl io::Write for ShellWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.log(String::from_utf8_lossy(line).trim_end_matches('\n'));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

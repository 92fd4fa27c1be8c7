//! The only place that writes to the terminal.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use wasm_oci_core::error_chain;
use wasm_oci_core::image::{Descriptor, Digest};
use wasm_oci_core::store::{Outcome, Progress};
use wasm_oci_core::text::{barred, escaped, escaped_json};

use crate::error::Error;

/// Amount of output on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    Quiet,
    /// Progress and results.
    #[default]
    Normal,
    /// Details for debugging.
    Verbose,
}

/// Writes results to standard output and everything else to standard error, as cargo does.
#[derive(Debug, Clone)]
pub struct Shell {
    verbosity: Verbosity,
    bars: MultiProgress,
    show_bars: bool,
}

impl Shell {
    pub fn new(verbosity: Verbosity, color: ColorChoice) -> Shell {
        // anstream keeps one choice for the whole process, so the last shell decides.
        match color {
            ColorChoice::Auto => {}
            ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
            ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
        }
        let show_bars = verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        let target =
            if show_bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Shell { verbosity, bars: MultiProgress::with_draw_target(target), show_bars }
    }

    /// Prints an action that is running or done: a verb in its column, and its object.
    pub fn status(&self, verb: &str, message: impl Display) {
        if self.verbosity > Verbosity::Quiet {
            self.titled(
                AnsiColor::Green,
                format_args!("{verb:>12}"),
                format_args!(" {}", Barred(message)),
            );
        }
    }

    /// Prints a failed action, like [`Shell::status`] but even with `--quiet`.
    pub fn failed(&self, verb: &str, message: impl Display) {
        self.titled(
            AnsiColor::Red,
            format_args!("{verb:>12}"),
            format_args!(" {}", Barred(message)),
        );
    }

    /// Prints a log line of a server.
    pub fn log(&self, line: impl Display) {
        if self.verbosity > Verbosity::Quiet {
            self.line(format_args!("{}", Barred(line)));
        }
    }

    /// Returns true with `--verbose`.
    pub fn is_verbose(&self) -> bool {
        self.verbosity > Verbosity::Normal
    }

    /// Prints an action with `--verbose` only.
    pub fn verbose(&self, verb: &str, message: impl Display) {
        if self.is_verbose() {
            self.status(verb, message);
        }
    }

    pub fn warn(&self, message: impl Display) {
        if self.verbosity > Verbosity::Quiet {
            self.titled(AnsiColor::Yellow, "warning", format_args!(": {}", Barred(message)));
        }
    }

    /// Prints an error with its causes.
    pub fn report(&self, error: &dyn std::error::Error) {
        self.error(error_chain(error));
    }

    pub fn error(&self, message: impl Display) {
        self.titled(AnsiColor::Red, "error", format_args!(": {}", Barred(message)));
    }

    /// Prints an error of several lines. Each part that others wrote has to be on one line already.
    pub fn error_lines(&self, message: impl Display) {
        self.titled(AnsiColor::Red, "error", format_args!(": {}", Escaped(message)));
    }

    /// Prints a warning of several lines. Each part that others wrote has to be on one line already.
    pub fn warn_lines(&self, message: impl Display) {
        if self.verbosity > Verbosity::Quiet {
            self.titled(AnsiColor::Yellow, "warning", format_args!(": {}", Escaped(message)));
        }
    }

    /// Prints a suggestion for fixing an error.
    pub fn hint(&self, message: impl Display) {
        self.titled(AnsiColor::Cyan, "hint", format_args!(": {}", Barred(message)));
    }

    /// Returns true if stdin and stderr are terminals, so that we can prompt.
    pub fn can_ask(&self) -> bool {
        self.verbosity > Verbosity::Quiet
            && std::io::stdin().is_terminal()
            && std::io::stderr().is_terminal()
    }

    /// Asks a question and returns the answer, or `None` at the end of the input.
    pub fn ask(&self, question: impl Display) -> Option<String> {
        let style = Style::new().bold();
        let question = format!("{style}{}{style:#}: ", Barred(question));
        self.bars.suspend(|| drop(anstream::stderr().write_all(question.as_bytes())));
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(answer.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    fn titled(&self, color: AnsiColor, title: impl Display, rest: impl Display) {
        let style = color.on_default().bold();
        self.line(format_args!("{style}{title}{style:#}{rest}"));
    }

    fn line(&self, line: std::fmt::Arguments<'_>) {
        // A failed write is ignored: with standard error closed, there is no place to report it. The line is written in one piece
        // because standard error has no buffer, and other processes may write to it, too.
        let line = format!("{line}\n");
        self.bars.suspend(|| drop(anstream::stderr().write_all(line.as_bytes())));
    }

    /// Prints an error, and lines below it, some of them in a colour.
    pub fn error_with<'a>(
        &self,
        message: impl Display,
        lines: impl IntoIterator<Item = (Option<AnsiColor>, &'a str)>,
    ) {
        let style = AnsiColor::Red.on_default().bold();
        let mut text = format!("{style}error{style:#}: {}", Barred(message));
        for (color, line) in lines {
            let style = color.map(AnsiColor::on_default).unwrap_or_default();
            text.push_str(&format!("\n{style}  {}{style:#}", Escaped(line)));
        }
        self.line(format_args!("{text}"));
    }

    /// Prints a result for people to standard output.
    pub fn print(&self, line: impl Display) -> Result<(), Error> {
        self.write_result(|| writeln!(anstream::stdout(), "{}", Escaped(line)))
    }

    /// Prints a text for programs to standard output, without any change.
    pub fn print_exactly(&self, text: &str) -> Result<(), Error> {
        let mut stdout = std::io::stdout();
        self.write_result(|| stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
    }

    fn write_result(&self, write: impl FnOnce() -> io::Result<()>) -> Result<(), Error> {
        match self.bars.suspend(write) {
            // The reader has read enough, such as `head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Error::Stdout),
        }
    }

    /// Prints a result as one line of JSON.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Result<(), Error> {
        let json = serde_json::to_string(value).map_err(|e| Error::Stdout(e.into()))?;
        // Programs read the same values, and a terminal shows them.
        self.print_exactly(&format!("{}\n", escaped_json(&json)))
    }

    /// Returns progress bars for blobs.
    pub fn transfer(&self) -> Transfer<'_> {
        Transfer { shell: self, place: None, state: Mutex::default() }
    }

    /// Returns the same for blobs on their way to a `place` in a registry. Without a terminal, each finished blob prints a line. An
    /// upload that ends without [`Transfer::complete`] prints how many blobs arrived.
    pub fn upload(&self, place: String) -> Transfer<'_> {
        Transfer { shell: self, place: Some(place), state: Mutex::default() }
    }
}

/// A message without characters that a terminal would obey, and without lines that look like other messages. Every message
/// passes here once, because any part of it may be what a registry, an image or a module says.
struct Barred<T>(T);

impl<T: Display> Display for Barred<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&barred(&self.0.to_string()))
    }
}

/// The same for a text whose lines are all ours.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&escaped(&self.0.to_string()))
    }
}

/// Progress of blobs: one bar for each on a terminal.
pub struct Transfer<'a> {
    shell: &'a Shell,
    /// Destination of an upload.
    place: Option<String>,
    state: Mutex<Moving>,
}

#[derive(Default)]
struct Moving {
    bars: BTreeMap<Digest, ProgressBar>,
    arrived: usize,
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        let arrived = self.state().arrived;
        for bar in self.state().bars.values() {
            bar.finish_and_clear();
        }
        // `complete` removes the place, so it is still there after a failure or Ctrl-C only.
        if let (Some(place), true) = (&self.place, arrived > 0) {
            let message = "blobs of it are there and need not be sent again";
            self.shell.status("Stopped", format_args!("{place}: {arrived} {message}"));
        }
    }
}

// Smaller blobs arrive before a person could read a bar.
const SMALLEST_BAR: u64 = 64 << 10;

impl Transfer<'_> {
    fn with_bar(&self, blob: &Descriptor, act: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.state().bars.get(&blob.digest) {
            act(bar);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Moving> {
        // After a panic elsewhere, at most a bar is wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn complete(mut self) {
        self.place = None;
    }
}

impl Progress for Transfer<'_> {
    fn begin(&self, blob: &Descriptor) {
        if !self.shell.show_bars || blob.size < SMALLEST_BAR {
            return;
        }
        if let Some(bar) = self.state().bars.get(&blob.digest) {
            // The blob starts again after a failed attempt.
            bar.set_position(0);
            return;
        }
        let template = "{prefix:>12.bold.cyan} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.shell.bars.add(ProgressBar::new(blob.size).with_style(style));
        bar.set_prefix(blob.digest.short());
        self.state().bars.insert(blob.digest, bar);
    }

    fn advance(&self, blob: &Descriptor, bytes: u64) {
        self.with_bar(blob, |bar| bar.inc(bytes));
    }

    fn end(&self, blob: &Descriptor, outcome: Outcome) {
        self.with_bar(blob, ProgressBar::finish_and_clear);
        let verb = match outcome {
            Outcome::Moved => "Sent",
            Outcome::Existed => "Exists",
            Outcome::Mounted => "Mounted",
        };
        self.state().arrived += 1;
        let message = format!("{} {} ({} bytes)", blob.media_type, blob.digest, blob.size);
        // Without bars, such as in CI, these lines are the only sign that an upload goes on.
        if self.place.is_some() && !self.shell.show_bars {
            self.shell.status(verb, message);
        } else {
            self.shell.verbose(verb, message);
        }
    }
}

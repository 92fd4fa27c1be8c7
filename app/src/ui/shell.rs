//! The only place that writes to the terminal.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use wasm_oci_core::error_chain;
use wasm_oci_core::image::{Descriptor, Digest};
use wasm_oci_core::store::{Outcome, Progress};

use crate::error::Error;

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// What is being done.
    #[default]
    Normal,
    /// More of it.
    Verbose,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// The name by which the user, and cargo, call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Color::Auto => "auto",
            Color::Always => "always",
            Color::Never => "never",
        }
    }
}

/// Writes what was made to standard output, and everything else, as cargo does, to standard error.
#[derive(Debug, Clone)]
pub struct Shell {
    verbosity: Verbosity,
    bars: MultiProgress,
    show_bars: bool,
}

impl Shell {
    /// A shell that says so much in such colours. Colour is decided once for the process.
    #[must_use]
    pub fn new(verbosity: Verbosity, color: Color) -> Shell {
        match color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let show_bars = verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        let target =
            if show_bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Shell { verbosity, bars: MultiProgress::with_draw_target(target), show_bars }
    }

    /// What is being done, or was: a verb in its column and what it is done to.
    pub fn status(&self, verb: &str, message: impl std::fmt::Display) {
        if self.verbosity > Verbosity::Quiet {
            let green = Style::new().bold().fg_color(Some(AnsiColor::Green.into()));
            self.line(format_args!("{green}{verb:>12}{green:#} {message}"));
        }
    }

    /// What failed: as [`Shell::status`], but for everybody to see.
    pub fn failed(&self, verb: &str, message: impl std::fmt::Display) {
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        self.line(format_args!("{red}{verb:>12}{red:#} {message}"));
    }

    /// A line of a log that goes on while a server runs.
    pub fn log(&self, line: impl std::fmt::Display) {
        if self.verbosity > Verbosity::Quiet {
            self.line(format_args!("{line}"));
        }
    }

    /// More than most want to know.
    pub fn verbose(&self, verb: &str, message: impl std::fmt::Display) {
        if self.verbosity > Verbosity::Normal {
            self.status(verb, message);
        }
    }

    /// Something that may not be what the user wants.
    pub fn warn(&self, message: impl std::fmt::Display) {
        if self.verbosity > Verbosity::Quiet {
            let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
            self.line(format_args!("{yellow}warning{yellow:#}: {message}"));
        }
    }

    /// Prints an error with its causes.
    pub fn report(&self, error: &dyn std::error::Error) {
        self.error(error_chain(error));
    }

    /// Why the command ends here.
    pub fn error(&self, message: impl std::fmt::Display) {
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        self.line(format_args!("{red}error{red:#}: {message}"));
    }

    /// What to do about an error.
    pub fn hint(&self, message: impl std::fmt::Display) {
        let style = AnsiColor::Cyan.on_default().bold();
        self.line(format_args!("{style}hint{style:#}: {message}"));
    }

    /// Whether there is somebody who sees questions, and can answer them.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        self.verbosity > Verbosity::Quiet
            && std::io::stdin().is_terminal()
            && std::io::stderr().is_terminal()
    }

    /// Asks, and returns the line that is the answer, or none when there is no more to read.
    #[must_use]
    pub fn ask(&self, question: impl std::fmt::Display) -> Option<String> {
        let style = Style::new().bold();
        let question = format!("{style}{question}{style:#}: ");
        self.bars.suspend(|| drop(anstream::stderr().write_all(question.as_bytes())));
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(answer.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    fn line(&self, line: std::fmt::Arguments<'_>) {
        // Nobody is left to tell when standard error is closed.
        // In one piece: standard error has no buffer, and others may write to it.
        let line = format!("{line}\n");
        self.bars.suspend(|| drop(anstream::stderr().write_all(line.as_bytes())));
    }

    /// A line that another program has written, in colours.
    pub fn pass_on(&self, line: &[u8]) {
        self.bars.suspend(|| drop(anstream::stderr().write_all(line)));
    }

    /// What was made, for people to read and scripts to take.
    ///
    /// # Errors
    /// [`Error::Stdout`] when it can't be written.
    pub fn print(&self, line: impl std::fmt::Display) -> Result<(), Error> {
        match self.bars.suspend(|| writeln!(anstream::stdout(), "{line}")) {
            // The reader, such as `head`, has read what it wanted.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Error::Stdout),
        }
    }

    /// The same for a text that reaches its reader byte for byte.
    ///
    /// # Errors
    /// [`Error::Stdout`] when it can't be written.
    pub fn print_exactly(&self, text: &str) -> Result<(), Error> {
        let mut stdout = std::io::stdout();
        match self.bars.suspend(|| stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
        {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Error::Stdout),
        }
    }

    /// What was made as JSON on one line.
    ///
    /// # Errors
    /// [`Error::Stdout`] when it can't be written.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Result<(), Error> {
        let json = serde_json::to_string(value).map_err(|e| Error::Stdout(e.into()))?;
        self.print(json)
    }

    /// Bars for what moves.
    #[must_use]
    pub fn transfer(&self) -> Transfer<'_> {
        Transfer { shell: self, place: None, state: Mutex::default() }
    }

    /// The same for what moves to a `place` in a registry. Without a terminal there is a line for each blob that has
    /// arrived; and one that says how far it came, unless [`Transfer::complete`] is called.
    #[must_use]
    pub fn upload(&self, place: String) -> Transfer<'_> {
        Transfer { shell: self, place: Some(place), state: Mutex::default() }
    }
}

/// Shows blobs on their way: a bar each on a terminal.
pub struct Transfer<'a> {
    shell: &'a Shell,
    /// Where to, when that is a registry.
    place: Option<String>,
    state: Mutex<Moving>,
}

#[derive(Default)]
struct Moving {
    bars: BTreeMap<Digest, ProgressBar>,
    arrived: usize,
}

impl Drop for Transfer<'_> {
    /// What fails or is interrupted leaves no bars behind, but a word.
    fn drop(&mut self) {
        let arrived = self.state().arrived;
        for bar in self.state().bars.values() {
            bar.finish_and_clear();
        }
        if let (Some(place), true) = (&self.place, arrived > 0) {
            let message = "blobs of it are there and need not be sent again";
            self.shell.status("Stopped", format_args!("{place}: {arrived} {message}"));
        }
    }
}

/// Blobs that arrive before a person could read a bar get none.
const SMALLEST_BAR: u64 = 64 << 10;

impl Transfer<'_> {
    fn with_bar(&self, blob: &Descriptor, act: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.state().bars.get(&blob.digest) {
            act(bar);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Moving> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All is there.
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
            // It starts again.
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
        if self.place.is_some() && !self.shell.show_bars {
            self.shell.status(verb, message);
        } else {
            self.shell.verbose(verb, message);
        }
    }
}

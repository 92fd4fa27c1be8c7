//! Verdicts for people.

use std::fmt::Write;

use wasm_oci_core::compat::engines::{Audience, ImageVerdict, formats_for};
use wasm_oci_core::compat::runtimes::{Takes, Verdict};

use super::Checked;
use crate::error::Error;
use crate::pipeline::engines::{failure, listed};
use crate::ui::render::{field, verdicts};

/// An image: what it is, a line for each consumer, what to change.
pub(super) fn image(checked: &Checked, way_out: &str) -> Result<String, Error> {
    let mut text = String::new();
    field(&mut text, "image", &checked.source);
    field(&mut text, "digest", &checked.digest.to_string());
    let platforms: Vec<&str> = checked
        .platforms
        .iter()
        .map(|platform| platform.as_deref().unwrap_or("none given"))
        .collect();
    let shape = if checked.index { "index of " } else { "" };
    field(&mut text, "platforms", &format!("{shape}{}", platforms.join(", ")));
    field(&mut text, "kind", checked.kind.map_or("no WebAssembly module", |kind| kind.name()));
    for note in &checked.notes {
        field(&mut text, "note", note);
    }
    let rows = checked
        .consumers
        .iter()
        .map(|verdict| (verdict.consumer.name(), word(verdict.takes), says(verdict)));
    table(&mut text, &rows.collect::<Vec<_>>());
    changes(&mut text, &checked.consumers, way_out)?;
    runtimes(&mut text, &checked.runtimes);
    Ok(text)
}

fn word(takes: Takes) -> &'static str {
    match takes {
        Takes::Yes => "ok",
        Takes::WithOption => "ok with",
        Takes::No => "fails",
    }
}

fn says(verdict: &ImageVerdict) -> String {
    match verdict.takes {
        Takes::Yes => verdict.consumer.how().to_owned(),
        Takes::WithOption => format!("{}; {}", verdict.with.join("; "), verdict.consumer.how()),
        Takes::No => failure(verdict),
    }
}

/// Rows of three columns.
pub(super) fn table(text: &mut String, rows: &[(&str, &str, String)]) {
    let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    text.push('\n');
    for (name, word, says) in rows {
        let _ = writeln!(text, "{name:width$}  {word:7}  {says}");
    }
}

/// What to do for those who fail.
fn changes(text: &mut String, all: &[ImageVerdict], way_out: &str) -> Result<(), Error> {
    let failing = || all.iter().filter(|verdict| verdict.takes == Takes::No);
    let convertible: Vec<Audience> = failing()
        .filter(|verdict| verdict.format.is_some())
        .map(|verdict| verdict.consumer.name().parse().map_err(Error::from))
        .collect::<Result<_, _>>()?;
    let chosen = formats_for(&convertible)?;
    let mut lines: Vec<String> = Vec::new();
    for (format, takers) in &chosen {
        let names: Vec<&str> = takers.iter().map(|taker| taker.name()).collect();
        lines.push(format!("for {}: {way_out}{format}", listed(&names)));
    }
    for verdict in failing() {
        let Some(way_out) = verdict.way_out else { continue };
        let same: Vec<&str> = failing()
            .filter(|other| other.way_out == Some(way_out))
            .map(|other| other.consumer.name())
            .collect();
        let line = format!("for {}: {way_out}", listed(&same));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if !lines.is_empty() {
        text.push_str("\nwhat to change:\n");
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    Ok(())
}

/// What runtimes make of the module.
pub(super) fn runtimes(text: &mut String, all: &[Verdict]) {
    if !all.is_empty() {
        text.push('\n');
        text.push_str(&verdicts(all));
    }
}

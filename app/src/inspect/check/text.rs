//! Compatibility as text.

use std::fmt::Write;

use wasm_oci_core::compat::Supports;
use wasm_oci_core::compat::engines::{Compatibility, EngineSelector, Shape, formats_among};
use wasm_oci_core::compat::runtimes::RuntimeCompatibility;
use wasm_oci_core::image::Format;
use wasm_oci_core::module::Kind;
use wasm_oci_core::text::visible;

use super::CheckReport;
use crate::error::Error;
use crate::pipeline::engines::{failure, listed};
use crate::ui::render::{compatibilities, field};

/// Describes an image, with a line for each engine and suggested changes.
pub(super) fn image(
    checked: &CheckReport,
    command: &dyn Fn(Format) -> String,
) -> Result<String, Error> {
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
    let rows = checked.engines.iter().map(|compatibility| {
        (compatibility.engine.name(), word(compatibility.supports), says(compatibility))
    });
    table(&mut text, &rows.collect::<Vec<_>>());
    changes(&mut text, checked, command)?;
    runtimes_text(&mut text, &checked.runtimes);
    Ok(text)
}

fn word(supports: Supports) -> &'static str {
    match supports {
        Supports::Yes => "ok",
        Supports::WithOption => "ok with",
        Supports::No => "fails",
    }
}

fn says(compatibility: &Compatibility) -> String {
    match compatibility.supports {
        Supports::Yes => compatibility.how.to_owned(),
        Supports::WithOption => {
            format!("{}; {}", compatibility.with.join("; "), compatibility.how)
        }
        Supports::No => failure(compatibility),
    }
}

pub(super) fn table(text: &mut String, rows: &[(&str, &str, String)]) {
    let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    text.push('\n');
    for (name, word, says) in rows {
        let _ = writeln!(text, "{name:width$}  {word:7}  {}", visible(says));
    }
}

/// Appends suggestions for the engines that can't run the image.
fn changes(
    text: &mut String,
    checked: &CheckReport,
    command: &dyn Fn(Format) -> String,
) -> Result<(), Error> {
    let failing = || checked.engines.iter().filter(|it| it.supports == Supports::No);
    let convertible: Vec<EngineSelector> = failing()
        // Converting helps only if the engine can run the module in some format.
        .filter(|compatibility| {
            compatibility.format.is_some() && !checked.possible_formats.is_empty()
        })
        .map(|compatibility| compatibility.engine.into())
        .collect();
    let chosen = formats_among(&checked.possible_formats, &convertible)?;
    let mut lines: Vec<String> = Vec::new();
    for (format, selectors) in &chosen {
        let names = listed(selectors.iter().map(|selector| selector.name()));
        let cost = cost(checked, *format);
        lines.push(format!("for {names}: {}{cost}", command(*format)));
    }
    for compatibility in failing() {
        let Some(suggestion) = compatibility.suggestion else { continue };
        // Versions of one engine often fail alike, so they share a line.
        let same = failing().filter(|other| other.suggestion == Some(suggestion));
        let names = listed(same.map(|other| other.engine.name()));
        let line = format!("for {names}: {suggestion}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if !lines.is_empty() {
        text.push_str("\nsuggested changes:\n");
    }
    for line in lines {
        let _ = writeln!(text, "  {}", visible(&line));
    }
    Ok(())
}

/// Returns the engines that run this image and don't run one of the format.
fn cost(checked: &CheckReport, format: Format) -> String {
    let kind = checked.kind.unwrap_or(Kind::Command);
    let lost = checked.engines.iter().filter(|compatibility| {
        let engine = compatibility.engine;
        compatibility.supports != Supports::No
            && engine.check(&Shape::of_format(format, kind)).supports == Supports::No
    });
    let names = listed(lost.map(|compatibility| compatibility.engine.name()));
    match names.is_empty() {
        true => String::new(),
        false => format!(" (keep this image, too: {names} can't run the new one)"),
    }
}

pub(super) fn runtimes_text(text: &mut String, all: &[RuntimeCompatibility]) {
    if !all.is_empty() {
        text.push('\n');
        text.push_str(&compatibilities(all));
    }
}

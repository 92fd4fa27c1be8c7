//! Values as text for people.

use std::fmt::Write;

use serde::Serialize;
use wasm_oci_core::compat::Supports;
use wasm_oci_core::compat::runtimes::{self, Obstacle, RuntimeCompatibility};
use wasm_oci_core::module::{Feature, Limits, Report, Use, ValidatedModule};
use wasm_oci_core::text::visible;

use crate::error::Error;
use crate::units::size;

/// A module's report and its compatibility, as `inspect` and `validate` print them as JSON.
#[derive(Serialize)]
pub struct ReportJson<'a> {
    #[serde(flatten)]
    report: &'a Report,
    runtimes: Vec<RuntimeCompatibility>,
    uses: Vec<Use>,
}

impl ReportJson<'_> {
    /// Checks the module's compatibility and puts it next to the module's report.
    pub fn of(module: &ValidatedModule) -> Result<ReportJson<'_>, Error> {
        let report = module.report();
        let runtimes = runtimes::check(report);
        let uses = runtimes::uses(module, &runtimes)?;
        Ok(ReportJson { report, runtimes, uses })
    }
}

/// Returns the lines of `inspect` about a module.
pub fn report(module: &ValidatedModule) -> Result<String, Error> {
    let report = module.report();
    let mut text = String::new();
    field(&mut text, "kind", report.kind.name());
    field(&mut text, "size", &size(report.size));
    let features: Vec<&str> = report.features.iter().map(Feature::name).collect();
    field(&mut text, "features", &joined(&features, "none beyond WebAssembly 1.0"));
    let capabilities: Vec<&str> = report.capabilities.iter().map(|it| it.name()).collect();
    let none = "none beyond its arguments and streams";
    field(&mut text, "can use", &joined(&capabilities, none));
    text.push_str(&runtimes(module)?);
    for memory in &report.memories {
        field(&mut text, "memory", &limits(memory, 64 << 10));
    }
    for table in &report.tables {
        field(&mut text, "table", &table_limits(table));
    }
    let imports = report.imports.iter().map(|import| format!("{import} ({})", import.kind));
    list(&mut text, "imports", imports);
    let exports =
        report.exports.iter().map(|export| format!("{} ({})", visible(&export.name), export.kind));
    list(&mut text, "exports", exports);
    let sections = report
        .sections
        .iter()
        .map(|section| format!("{:<24}{:>10}", visible(&section.name), size(section.size)));
    list(&mut text, "sections", sections);
    Ok(text)
}

fn joined(names: &[&str], none: &str) -> String {
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}

/// Returns the lines about the runtimes that run a module, and about what it uses that others lack.
pub fn runtimes(module: &ValidatedModule) -> Result<String, Error> {
    let checked = runtimes::check(module.report());
    let mut text = compatibilities(&checked);
    let uses = runtimes::uses(module, &checked)?;
    let uses = uses.iter().filter_map(|place| {
        let shown = place.to_string();
        (!shown.is_empty()).then(|| format!("{}: {shown}", place.need))
    });
    list(&mut text, "which is used in", uses);
    Ok(text)
}

/// Returns the lines about the compatibility with each runtime.
pub fn compatibilities(all: &[RuntimeCompatibility]) -> String {
    let mut text = String::new();
    let takes = all.iter().filter(|compatibility| compatibility.supports == Supports::Yes).map(
        |compatibility| {
            // Show a version only if it makes a difference.
            compatibility.from.map_or(compatibility.runtime.to_string(), |from| {
                format!("{} {from}", compatibility.runtime)
            })
        },
    );
    let takes = takes.collect::<Vec<_>>().join(", ");
    field(&mut text, "runs on", if takes.is_empty() { "no runtime as it is" } else { &takes });
    for (title, takes) in
        [("runs with an option on", Supports::WithOption), ("does not run on", Supports::No)]
    {
        // Group runtimes with the same obstacles.
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for compatibility in all.iter().filter(|compatibility| compatibility.supports == takes) {
            let why = compatibility.obstacles.iter().map(obstacle).collect::<Vec<_>>().join(", ");
            let name = compatibility.runtime.name();
            match groups.iter_mut().find(|(other, _)| *other == why) {
                Some((_, names)) => names.push(name),
                None => groups.push((why, vec![name])),
            }
        }
        list(
            &mut text,
            title,
            groups.iter().map(|(why, names)| format!("{}: {why}", names.join(", "))),
        );
    }
    text
}

fn obstacle(obstacle: &Obstacle) -> String {
    match (obstacle.with, obstacle.until) {
        (Some(with), _) => format!("{} ({with})", obstacle.need),
        (None, Some(until)) => format!("{} (gone since {until})", obstacle.need),
        (None, None) => obstacle.need.clone(),
    }
}

/// Appends an aligned line `name: value`.
pub fn field(text: &mut String, name: &str, value: &str) {
    // Writing to a String can't fail.
    // On one line, so that no value looks like a field.
    let _ = writeln!(text, "{:<12}{}", format!("{name}:"), visible(value));
}

/// Appends a heading and a line for each item.
pub fn list(text: &mut String, name: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        let _ = writeln!(text, "{name}:");
    }
    for item in items {
        let _ = writeln!(text, "  {}", visible(&item));
    }
}

fn limits(limits: &Limits, unit: u64) -> String {
    let most = limits
        .maximum
        .map_or("no limit".to_owned(), |maximum| format!("at most {}", size(maximum * unit)));
    let shared = if limits.shared { ", shared" } else { "" };
    format!("{} at the start, {most}{shared}", size(limits.minimum * unit))
}

fn table_limits(limits: &Limits) -> String {
    let most = limits.maximum.map_or("no limit".to_owned(), |maximum| format!("at most {maximum}"));
    format!("{} at the start, {most}", limits.minimum)
}

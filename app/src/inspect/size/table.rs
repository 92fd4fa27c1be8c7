//! Sizes as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use wasm_oci_core::module::SizeReport;
use wasm_oci_core::text::visible;

use super::LayerSize;
use crate::pipeline::size::{Change, Diff, Totals};
use crate::units::{signed, size};

/// Returns the sections, the largest crates and the largest functions. The lines below each heading add up to its number.
pub(super) fn table(name: &str, report: &SizeReport, limit: usize) -> String {
    let totals = Totals::of(report);
    let mut text = String::new();
    let whole = report.total;
    line(&mut text, whole, whole, name);
    heading(&mut text, "sections");
    rows(&mut text, sorted(&totals.sections), whole, limit);
    if report.functions().next().is_none() {
        return text;
    }
    if totals.has_names {
        heading(&mut text, &format!("code by crates: {}", size(totals.crates.values().sum())));
        rows(&mut text, sorted(&totals.crates), whole, limit);
    } else {
        let _ = write!(
            text,
            "\nThe module has no function names, so sizes by crate are not available.\n"
        );
    }
    let mut functions: Vec<(&str, u64)> =
        report.functions().map(|it| (it.name.as_str(), it.size)).collect();
    functions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    heading(
        &mut text,
        &format!("code by functions: {}", size(functions.iter().map(|it| it.1).sum())),
    );
    rows(&mut text, functions, whole, limit);
    text
}

/// Returns the layers of an image, if there are any.
pub(super) fn layers(layers: &[LayerSize]) -> String {
    let mut text = String::new();
    let whole = layers.iter().map(|layer| layer.size).sum();
    if !layers.is_empty() {
        heading(&mut text, &format!("layers of the image, compressed: {}", size(whole)));
    }
    for layer in layers {
        let name = format!("{} for {}", layer.content, layer.platforms.join(", "));
        line(&mut text, layer.size, whole, &name);
    }
    text
}

/// Returns the changes in total, and by section, crate and function.
pub(super) fn changes(name: &str, diff: &Diff, limit: usize) -> String {
    let mut text = String::new();
    changed_line(&mut text, &diff.total, name);
    for (title, changes) in
        [("sections", &diff.sections), ("crates", &diff.crates), ("functions", &diff.functions)]
    {
        if changes.is_empty() {
            continue;
        }
        heading(&mut text, title);
        for change in changes.iter().take(limit) {
            changed_line(&mut text, change, &change.name);
        }
        let rest = &changes[limit.min(changes.len())..];
        if !rest.is_empty() {
            let sum = |size: fn(&Change) -> u64| rest.iter().map(size).sum();
            let rest_change = Change::new("", sum(|it| it.old), sum(|it| it.new));
            changed_line(&mut text, &rest_change, &format!("({} more)", rest.len()));
        }
    }
    text
}

// Writing to a String can't fail.

fn heading(text: &mut String, title: &str) {
    let _ = write!(text, "\n{title}\n");
}

fn rows(text: &mut String, sizes: Vec<(&str, u64)>, whole: u64, limit: usize) {
    let shown = limit.min(sizes.len());
    for (name, size) in &sizes[..shown] {
        line(text, *size, whole, name);
    }
    let rest = &sizes[shown..];
    if !rest.is_empty() {
        line(text, rest.iter().map(|it| it.1).sum(), whole, &format!("({} more)", rest.len()));
    }
}

fn line(text: &mut String, bytes: u64, whole: u64, name: &str) {
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let share = 100.0 * bytes as f64 / whole.max(1) as f64;
    // Numbers come first, because names may have any length.
    let _ = writeln!(text, "{:>9}  {share:>5.1}%  {}", size(bytes), visible(name));
}

fn changed_line(text: &mut String, change: &Change, name: &str) {
    let Change { old, new, change, .. } = *change;
    let _ = writeln!(
        text,
        "{:>9}  {:>8} → {:<8}  {}",
        signed(change),
        size(old),
        size(new),
        visible(name)
    );
}

fn sorted(sizes: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut sizes: Vec<(&str, u64)> =
        sizes.iter().map(|(name, size)| (name.as_str(), *size)).collect();
    // A stable sort: sizes that are equal remain sorted by name, so the table is always the same.
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    sizes
}

//! Size budgets: refuses larger modules and images, and names what made them grow.

use std::path::Path;

use wasm_oci_core::module::SizeReport;
use wasm_oci_core::trace::OrTrace;

use crate::config::budget::Budget;
use crate::error::{Error, OverBudget};
use crate::pipeline::packed::Sizes;
use crate::pipeline::size::{Change, Diff, Totals};
use crate::units::{signed, size};

pub fn allows(budget: &Budget, sizes: &Sizes) -> bool {
    exceeded(budget, sizes).is_none()
}

/// Refuses sizes over the budget. The error names the largest increase since the last build within the budget, which the file
/// `last` records.
pub fn check(
    budget: &Budget,
    name: &str,
    sizes: &Sizes,
    report: impl FnOnce() -> Result<SizeReport, Error>,
    last: Option<&Path>,
) -> Result<(), Error> {
    match (exceeded(budget, sizes), last) {
        // Without a budget, no later error compares with these sizes, and `report` takes time.
        (None, Some(file)) if *budget != Budget::default() => keep(file, &Totals::of(&report()?)),
        (None, _) => {}
        (Some((what, bytes, budget)), _) => {
            let cause = cause(last.and_then(recall).as_ref(), &Totals::of(&report()?));
            return Err(OverBudget { name: name.to_owned(), what, bytes, budget, cause }.into());
        }
    }
    Ok(())
}

fn exceeded(budget: &Budget, sizes: &Sizes) -> Option<(&'static str, u64, u64)> {
    let is_over = |what, bytes, limit: Option<u64>| {
        limit.filter(|limit| bytes > *limit).map(|limit| (what, bytes, limit))
    };
    is_over("its module has", sizes.optimized, budget.module)
        .or_else(|| is_over("its layers have, compressed,", sizes.compressed, budget.image))
}

fn keep(file: &Path, totals: &Totals) {
    // A failure costs only the comparison of a later build.
    let folder = file.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder).or_trace("make the folder for sizes");
    if let Some(json) = serde_json::to_vec(totals).or_trace("serialize sizes") {
        crate::files::write(file, &json).or_trace("record sizes");
    }
}

fn recall(file: &Path) -> Option<Totals> {
    let json = fs_err::read(file).or_trace("read the sizes of the last build")?;
    serde_json::from_slice(&json).or_trace("parse the sizes of the last build")
}

fn cause(last: Option<&Totals>, now: &Totals) -> String {
    let growth = last.map(|last| (last.total, Diff::between(last, now)));
    // Changes are sorted by their amount, so that the first increase is the largest.
    let largest = |changes: &[Change]| changes.iter().find(|it| it.change > 0).cloned();
    let shown = |change: Change| format!("`{}` ({})", change.name, signed(change.change));
    if let Some((total, diff)) = growth
        && let Some(part) = largest(&diff.crates)
    {
        let function = largest(&diff.functions)
            .map_or(String::new(), |it| format!(", function {}", shown(it)));
        return format!(
            "largest increase since the last build within budget ({}): crate {}{function}",
            size(total),
            shown(part)
        );
    }
    let crates = now.crates.iter().filter(|_| now.has_names);
    match crates.max_by_key(|(_, size)| **size) {
        Some((name, bytes)) => format!("its largest crate is `{name}` ({})", size(*bytes)),
        None => "it has no names of functions, so the crates are unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_grown_most_is_named() {
        let totals = |crates: &[(&str, u64)]| Totals {
            total: crates.iter().map(|(_, size)| size).sum(),
            has_names: true,
            crates: crates.iter().map(|&(name, size)| (name.to_owned(), size)).collect(),
            functions: crates.iter().map(|&(name, size)| (format!("{name}::f"), size)).collect(),
            ..Totals::default()
        };
        let (old, new) = (totals(&[("a", 900), ("b", 100)]), totals(&[("a", 800), ("b", 700)]));
        let expected = "largest increase since the last build within budget (1.00 kB): crate `b` (+600 B), function `b::f` (+600 B)";
        assert_eq!(cause(Some(&old), &new), expected);
        assert_eq!(cause(None, &new), "its largest crate is `a` (800 B)");
        assert_eq!(cause(Some(&new), &new), "its largest crate is `a` (800 B)");
        assert!(cause(Some(&old), &Totals { has_names: false, ..new }).contains("no names"));
    }
}

//! Sizes by name, and changes of them between two modules.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wasm_oci_core::module::{SizeReport, SizedFunction, UNNAMED};

/// Sizes of sections, crates and functions by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Size of the whole module.
    pub total: u64,
    /// True if functions have names; otherwise crates and functions are meaningless.
    pub has_names: bool,
    /// Sections of modules in a component are prefixed with the name of the module.
    pub sections: BTreeMap<String, u64>,
    /// Code of all modules, by crate.
    pub crates: BTreeMap<String, u64>,
    /// Functions with the same name, such as instances of a generic one, are added up.
    pub functions: BTreeMap<String, u64>,
}

impl Totals {
    pub fn of(report: &SizeReport) -> Totals {
        let functions = || report.functions().map(|it| (it, it.size));
        Totals {
            total: report.total,
            has_names: report.has_names,
            sections: summed(report.flat_sections()),
            crates: summed(functions().map(|(it, size)| (it.crate_name.clone(), size))),
            functions: summed(functions().map(|(it, size)| (lasting_name(it).to_owned(), size))),
        }
    }
}

// Without the parts of a name that change from build to build: an index, and the number that LLVM appends to a copy. They would
// make an unchanged function look like a new one.
fn lasting_name(function: &SizedFunction) -> &str {
    if function.crate_name == UNNAMED {
        return UNNAMED;
    }
    match function.name.rsplit_once('.') {
        Some((name, number)) if !name.is_empty() && is_number(number) => name,
        _ => &function.name,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

fn summed(sizes: impl IntoIterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, size) in sizes {
        *sums.entry(name).or_default() += size;
    }
    sums
}

/// Changes from one module to another, the largest first in either direction. Equal sizes are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Change of the whole module.
    pub total: Change,
    /// True if both modules have names, so that crates and functions can be compared.
    pub has_names: bool,
    pub sections: Vec<Change>,
    pub crates: Vec<Change>,
    pub functions: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Empty for the whole module.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Bytes in the older module; 0 if it was not there.
    pub old: u64,
    pub new: u64,
    pub change: i64,
}

impl Change {
    pub fn new(name: &str, old: u64, new: u64) -> Change {
        Change {
            name: name.to_owned(),
            old,
            new,
            // No module has 2^63 bytes, so nothing overflows.
            change: new.cast_signed().wrapping_sub(old.cast_signed()),
        }
    }
}

impl Diff {
    pub fn between(old: &Totals, new: &Totals) -> Diff {
        let has_names = old.has_names && new.has_names;
        // Otherwise everything would seem to be new or gone.
        let named = |old, new| if has_names { changes(old, new) } else { Vec::new() };
        Diff {
            total: Change::new("", old.total, new.total),
            has_names,
            sections: changes(&old.sections, &new.sections),
            crates: named(&old.crates, &new.crates),
            functions: named(&old.functions, &new.functions),
        }
    }
}

fn changes(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let size =
        |sizes: &BTreeMap<String, u64>, name: &String| sizes.get(name).copied().unwrap_or_default();
    let change = |name: &String| Change::new(name, size(old, name), size(new, name));
    let mut changes: Vec<Change> =
        names.into_iter().map(change).filter(|it| it.change != 0).collect();
    changes.sort_by_key(|it| Reverse(it.change.unsigned_abs()));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_the_largest_first() {
        let totals = |sizes: &[(&str, u64)]| Totals {
            total: sizes.iter().map(|(_, size)| size).sum(),
            has_names: true,
            crates: sizes.iter().map(|&(name, size)| (name.to_owned(), size)).collect(),
            ..Totals::default()
        };
        let old = totals(&[("grown", 10), ("gone", 30), ("same", 5)]);
        let new = totals(&[("grown", 17), ("new", 20), ("same", 5)]);
        let diff = Diff::between(&old, &new);
        let found: Vec<_> = diff.crates.iter().map(|it| (it.name.as_str(), it.change)).collect();
        assert_eq!(found, [("gone", -30), ("new", 20), ("grown", 7)]);
        assert_eq!(diff.total.change, diff.crates.iter().map(|it| it.change).sum::<i64>());
        let nameless = Totals { has_names: false, ..old };
        assert!(Diff::between(&nameless, &new).crates.is_empty());
    }
}

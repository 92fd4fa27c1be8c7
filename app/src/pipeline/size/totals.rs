//! Sizes of sections, crates and functions by name, comparable between two builds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wasm_oci_core::module::{SizeReport, SizedFunction, UNNAMED};

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

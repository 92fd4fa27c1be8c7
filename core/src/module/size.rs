//! The size of each part of a module.
//!
//! Invariant: all parts of a whole add up to it, down to the last byte, because the size of each is the distance from
//! the end of the one before.

mod names;
mod read;
mod symbol;
mod tree;

use std::collections::BTreeMap;

use serde::Serialize;

use self::read::Twins;
use super::validate::check_depth;
use super::{ValidateError, ValidatedModule};

pub use self::names::function_names;
pub use self::symbol::{OTHER_LANGUAGES, UNNAMED, readable_name};
pub use self::tree::{SizeNode, SizeNodeKind};

/// The name of the first eight bytes, magic number and version, in the list of sections.
pub const PREAMBLE: &str = "(preamble)";

/// The size of a module or component and of each of its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SizeReport {
    /// The name that the module gives itself
    /// ([name section](https://webassembly.github.io/spec/core/appendix/custom.html#module-names)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_name: Option<String>,
    /// The size in bytes, as it is shipped.
    pub total: u64,
    /// True if names of functions are known, here or in a module inside.
    pub has_names: bool,
    /// Its sections in order, after [`PREAMBLE`]. They add up to the total.
    pub sections: Vec<SizedSection>,
}

/// A top-level section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SizedSection {
    /// `code`, `data`, …, or a custom section's own name.
    pub name: String,
    /// The size in bytes with its header: id, length and content.
    pub size: u64,
    /// The functions of a code section, in order. The rest of its size is the header and the number of functions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<SizedFunction>,
    /// The segments of a data section, in order. The rest of its size is the header and the number of segments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SizedSegment>,
    /// The module or component inside, if this section of a component is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<Box<SizeReport>>,
}

/// A function that the module defines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SizedFunction {
    /// Its index, after the imported ones.
    pub index: u32,
    /// Readable name without hashes; otherwise the name of an export, or `func[INDEX]`.
    pub name: String,
    /// The linker's symbol, if it differs from the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// The Rust crate that it counts for, [`OTHER_LANGUAGES`] or [`UNNAMED`].
    #[serde(rename = "crate")]
    pub crate_name: String,
    /// The size of its body in bytes, with the length in front of it.
    pub size: u64,
}

/// A data segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SizedSegment {
    /// Its index.
    pub index: u32,
    /// Its name, otherwise `data[INDEX]`.
    pub name: String,
    /// The size in bytes, with the header that says where it goes.
    pub size: u64,
}

impl SizeReport {
    /// Measures the module in `bytes`. Names come from `named`: the same module, or one that differs only in custom
    /// sections. Messages call it `file`.
    ///
    /// A malformed name section is ignored, as any runtime does
    /// ([custom sections](https://webassembly.github.io/spec/core/binary/modules.html#custom-section)).
    ///
    /// # Errors
    /// [`ValidateError::Malformed`] when one of them is not a module or component.
    pub fn read(file: &str, bytes: &[u8], named: &[u8]) -> Result<SizeReport, ValidateError> {
        // Reading recurses into nested components.
        check_depth(file, bytes)?;
        Twins::new(file, bytes, named).read()
    }

    /// Returns every function of all modules.
    pub fn functions(&self) -> impl Iterator<Item = &SizedFunction> {
        self.modules().into_iter().flat_map(|module| &module.sections).flat_map(|it| &it.functions)
    }

    /// Returns the parts of all modules in one list, which adds up to the total. In a component, the parts of a module
    /// inside have its name in front of theirs.
    #[must_use]
    pub fn flat_sections(&self) -> Vec<(String, u64)> {
        let mut flat = Vec::new();
        for (section, label) in self.sections.iter().zip(self.labels()) {
            let Some(module) = &section.module else {
                flat.push((label, section.size));
                continue;
            };
            let parts = module.flat_sections().into_iter();
            flat.push((format!("{label} (header)"), section.size - module.total));
            flat.extend(parts.map(|(name, size)| (format!("{label} › {name}"), size)));
        }
        flat
    }

    /// Returns a label for each section: its name or, if it contains a module, the module's name or a number.
    fn labels(&self) -> Vec<String> {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let label = |section: &'_ SizedSection, number: usize| match &section.module {
            None => section.name.clone(),
            // A name can be as long as the module, and the label of each of its parts repeats it.
            Some(module) => match &module.module_name {
                Some(name) => name.chars().take(MAX_LABEL).collect(),
                None => format!("{} {number}", section.name),
            },
        };
        let mut labels = Vec::new();
        for section in &self.sections {
            let number = numbers.entry(&section.name).or_default();
            labels.push(label(section, *number));
            *number += 1;
        }
        labels
    }

    /// Returns this module and all modules inside, each after the one that contains it.
    fn modules(&self) -> Vec<&SizeReport> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(module) = found.get(next).copied() {
            found.extend(module.sections.iter().filter_map(|section| section.module.as_deref()));
            next += 1;
        }
        found
    }
}

impl ValidatedModule {
    /// Returns the sizes of its parts as shipped: the names come from [`ValidatedModule::named`] and don't count.
    ///
    /// # Errors
    /// As [`SizeReport::read`].
    pub fn sizes(&self) -> Result<SizeReport, ValidateError> {
        SizeReport::read(self.name(), self.bytes(), self.named())
    }
}

// In characters. A limit keeps the size of all labels linear in the size of the module.
const MAX_LABEL: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::validate::DEEPEST;
    use crate::module::{BuiltModule, Level, OptimizeOptions, ValidateOptions, optimize, validate};

    const MODULE: &str = r#"(module $app
        (@custom "producers" "\00")
        (import "env" "f" (func $imported))
        (memory 1)
        (func $_RNvNtCsdHhIpgkcIfN_4core6result13unwrap_failed call 0)
        (func $dlmalloc (export "malloc") (param i32) (result i32) local.get 0)
        (func (export "exported") nop nop)
        (func)
        (table 4 funcref)
        (elem (i32.const 0) 1 2 3 4)
        (data $.rodata (i32.const 8) "some constants")
        (data (i32.const 64) "more"))"#;

    fn sizes(wat: &str) -> SizeReport {
        let bytes = wat::parse_str(wat).unwrap();
        SizeReport::read("test.wasm", &bytes, &bytes).unwrap()
    }

    /// All that must add up, does.
    #[track_caller]
    fn assert_whole(report: &SizeReport, bytes: &[u8]) {
        assert_eq!(report.total, bytes.len() as u64);
        assert_eq!(report.flat_sections().iter().map(|(_, size)| size).sum::<u64>(), report.total);
        assert_tree(&report.tree("test"), report.total);
        let functions = |node: &SizeNode| node.kind == SizeNodeKind::Function;
        assert_eq!(count(&report.tree("test"), &functions), report.functions().count());
    }

    fn assert_tree(node: &SizeNode, size: u64) {
        assert_eq!(node.size, size, "{}", node.name);
        if !node.children.is_empty() {
            assert_eq!(
                node.children.iter().map(|child| child.size).sum::<u64>(),
                size,
                "{}",
                node.name
            );
        }
        node.children.iter().for_each(|child| assert_tree(child, child.size));
    }

    fn count(node: &SizeNode, is: &impl Fn(&SizeNode) -> bool) -> usize {
        usize::from(is(node)) + node.children.iter().map(|child| count(child, is)).sum::<usize>()
    }

    fn in_components(depth: usize) -> String {
        let module = format!("(core {}", &MODULE[1..]);
        (0..depth).fold(module, |inside, _| format!("(component {inside})"))
    }

    #[test]
    fn every_byte_is_in_exactly_one_part() {
        let texts = [
            "(module)",
            MODULE,
            r#"(module (memory 1) (data (i32.const 0) ""))"#,
            "(component)",
            r#"(component (import "a" (func)) (core module $m (func)) (core module (func)) (component (core module)))"#,
        ];
        for text in texts
            .map(str::to_owned)
            .into_iter()
            .chain([in_components(1), in_components(DEEPEST - 1)])
        {
            let bytes = wat::parse_str(&text).unwrap();
            assert_whole(&SizeReport::read("test.wasm", &bytes, &bytes).unwrap(), &bytes);
            for level in [Level::O0, Level::Oz] {
                let options = OptimizeOptions { level, ..OptimizeOptions::default() };
                let module =
                    optimize(BuiltModule::new("test.wasm", bytes.clone()).unwrap(), &options)
                        .unwrap();
                let module = validate(module, &ValidateOptions::any_import()).unwrap();
                assert_whole(&module.sizes().unwrap(), module.bytes());
            }
        }
    }

    #[test]
    fn functions_and_segments_have_names_and_sizes() {
        let report = sizes(MODULE);
        let code = report.sections.iter().find(|section| section.name == "code").unwrap();
        let functions: Vec<_> = code
            .functions
            .iter()
            .map(|it| (it.index, it.name.as_str(), it.crate_name.as_str(), it.size))
            .collect();
        let expected = [
            (1, "core::result::unwrap_failed", "core", 5),
            (2, "dlmalloc", OTHER_LANGUAGES, 5),
            (3, "exported", OTHER_LANGUAGES, 5),
            (4, "func[4]", UNNAMED, 3),
        ];
        assert_eq!(functions, expected);
        assert_eq!(code.size, 1 + 1 + 1 + 18);
        let data = report.sections.iter().find(|section| section.name == "data").unwrap();
        let segments: Vec<_> = data.segments.iter().map(|it| (it.name.as_str(), it.size)).collect();
        assert_eq!(segments, [(".rodata", 19), ("data[1]", 10)]);
        assert_eq!(report.module_name.as_deref(), Some("app"));
        assert!(report.has_names && !sizes("(module (func (export \"f\")))").has_names);
    }

    #[test]
    fn names_beside_the_module_count_for_nothing() {
        for text in [MODULE.to_owned(), in_components(2)] {
            let built = BuiltModule::new("test.wasm", wat::parse_str(text).unwrap()).unwrap();
            let options = OptimizeOptions { level: Level::O0, ..OptimizeOptions::default() };
            let module =
                validate(optimize(built, &options).unwrap(), &ValidateOptions::any_import())
                    .unwrap();
            let report = module.sizes().unwrap();
            assert_eq!(report.total, module.bytes().len() as u64);
            assert!(module.named().len() > module.bytes().len());
            assert_eq!(report.functions().next().unwrap().crate_name, "core");
            assert!(report.flat_sections().iter().all(|(name, _)| !name.ends_with("name")));
        }
    }

    #[test]
    fn a_module_without_names_gets_none_from_the_optimizer() {
        let text = r#"(module (import "env" "f" (func)) (func call 0) (func (export "exported") call 0 call 1 call 1))"#;
        let built = BuiltModule::new("test.wasm", wat::parse_str(text).unwrap()).unwrap();
        let module = optimize(built, &OptimizeOptions::default()).unwrap();
        let report = validate(module, &ValidateOptions::any_import()).unwrap().sizes().unwrap();
        assert!(!report.has_names);
        assert!(report.functions().all(|it| it.name == "exported" || it.crate_name == UNNAMED));
    }

    #[test]
    fn what_is_malformed_is_refused_and_where() {
        let whole = wat::parse_str(in_components(2)).unwrap();
        for length in 0..whole.len() {
            // Some prefixes are components themselves.
            if let Ok(report) = SizeReport::read("cut.wasm", &whole[..length], &whole[..length]) {
                assert_whole(&report, &whole[..length]);
            }
        }
        let deep = wat::parse_str(in_components(DEEPEST)).unwrap();
        let error = SizeReport::read("deep.wasm", &deep, &deep).unwrap_err().to_string();
        assert!(error.contains("nested more than 16 deep"), "{error}");
        // A damaged byte is found, or all still adds up.
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x55;
            if let Ok(report) = SizeReport::read("x", &damaged, &damaged) {
                assert_whole(&report, &damaged);
            }
        }
    }
}

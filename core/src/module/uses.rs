//! Search for the places where a module uses a proposal.

use std::fmt;

use serde::Serialize;
use wasmparser::{
    BinaryReaderError, Encoding, FuncToValidate, FuncValidatorAllocations, FunctionBody,
    KnownCustom, Name, Parser, Payload, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use super::Feature;
use super::sections::section_name;
use crate::text::visible;

// More names don't help, because usually all functions come from one crate or option.
const NAMED: usize = 3;

/// The places where a module uses a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Use {
    /// The proposal.
    pub need: String,
    /// The first section other than code that is invalid without the proposal, such as `memory` for a shared memory.
    pub section: Option<&'static str>,
    /// The first functions that use it.
    pub functions: Vec<Function>,
    /// The number of further functions.
    pub more: usize,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Function {
    /// The index of its core module, in order of appearance; 0 unless it is in a component.
    pub module: usize,
    /// Its index there, imported functions included.
    pub index: u32,
    /// Its name in the `name` section, otherwise the name of an export.
    pub name: Option<String>,
}

impl fmt::Display for Function {
    /// `name`, or `func[7]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(&visible(name)),
            None => write!(f, "func[{}]", self.index),
        }
    }
}

impl fmt::Display for Use {
    /// `the memory section, a, b, c and 4 more functions`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = self.section.map(|section| format!("the {section} section"));
        let functions = self.functions.iter().map(|function| format!("`{function}`"));
        let mut places: Vec<String> = section.into_iter().chain(functions).collect();
        if self.more > 0 {
            let s = if self.more == 1 { "" } else { "s" };
            places.push(format!("{} more function{s}", self.more));
        }
        match places.split_last() {
            None => Ok(()),
            Some((only, [])) => f.write_str(only),
            Some((last, others)) => write!(f, "{} and {last}", others.join(", ")),
        }
    }
}

/// Finds where a module that uses exactly `features` uses each of `needs`. Parts of WASI are skipped: they are not
/// proposals.
pub(super) fn uses(
    bytes: &[u8],
    features: &[Feature],
    needs: &[&str],
) -> Result<Vec<Use>, BinaryReaderError> {
    let all = features
        .iter()
        .filter_map(|it| feature(it.name()))
        .fold(WasmFeatures::MVP, WasmFeatures::union);
    let mut found = Vec::new();
    for used in features.iter().filter(|used| needs.contains(&used.name())) {
        if let Some(feature) = feature(used.name()) {
            found.push(places(bytes, all, used.name(), own(feature))?);
        }
    }
    name_functions(bytes, &mut found)?;
    Ok(found)
}

fn feature(name: &str) -> Option<WasmFeatures> {
    WasmFeatures::from_name(&name.to_ascii_uppercase().replace('-', "_"))
}

fn own(feature: WasmFeatures) -> WasmFeatures {
    // wasmparser includes the second feature in the first, but runtimes support each of them separately.
    match feature {
        WasmFeatures::BULK_MEMORY => feature.difference(WasmFeatures::BULK_MEMORY_OPT),
        WasmFeatures::REFERENCE_TYPES => feature.difference(WasmFeatures::CALL_INDIRECT_OVERLONG),
        _ => feature,
    }
}

fn places(
    bytes: &[u8],
    features: WasmFeatures,
    need: &str,
    feature: WasmFeatures,
) -> Result<Use, BinaryReaderError> {
    // wasmparser doesn't list uses. But a function that uses a proposal is invalid without it.
    let lacking = features.difference(feature);
    let mut found = Use {
        need: need.to_owned(),
        section: first_section(bytes, lacking),
        functions: Vec::new(),
        more: 0,
    };
    let mut allocations = FuncValidatorAllocations::default();
    for (module, function, body) in functions(bytes, features)? {
        // The types and declarations around it were read with all features, so that only its own code counts.
        let index = function.index;
        let mut validator =
            FuncToValidate { features: lacking, ..function }.into_validator(allocations);
        let valid = validator.validate(&body).is_ok();
        allocations = validator.into_allocations();
        match valid {
            true => {}
            false if found.functions.len() < NAMED => {
                found.functions.push(Function { module, index, name: None });
            }
            false => found.more += 1,
        }
    }
    Ok(found)
}

/// Returns the first section other than code that is invalid with these features.
fn first_section(bytes: &[u8], features: WasmFeatures) -> Option<&'static str> {
    let mut validator = Validator::new_with_features(features);
    let mut modules = Modules::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.ok()?;
        modules.see(&payload);
        if validator.payload(&payload).is_err() {
            let (id, _) = payload.as_section()?;
            return Some(section_name(id, modules.in_component()));
        }
    }
    None
}

type FoundFunction<'a> = (usize, FuncToValidate<ValidatorResources>, FunctionBody<'a>);

/// Returns the functions of a valid module, or of all core modules in a component, with the index of their module.
fn functions(
    bytes: &[u8],
    features: WasmFeatures,
) -> Result<Vec<FoundFunction<'_>>, BinaryReaderError> {
    let mut validator = Validator::new_with_features(features);
    let mut modules = Modules::default();
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        modules.see(&payload);
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            functions.push((modules.current(), function, body));
        }
    }
    Ok(functions)
}

fn name_functions(bytes: &[u8], uses: &mut [Use]) -> Result<(), BinaryReaderError> {
    if uses.iter().all(|place| place.functions.is_empty()) {
        return Ok(());
    }
    let mut modules = Modules::default();
    let mut give = |module: usize, index: u32, name: &str, replace: bool| {
        let functions = uses.iter_mut().flat_map(|place| &mut place.functions);
        for function in functions.filter(|it| (it.module, it.index) == (module, index)) {
            if replace || function.name.is_none() {
                function.name = Some(name.to_owned());
            }
        }
    };
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        modules.see(&payload);
        match payload {
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == wasmparser::ExternalKind::Func {
                        // The name in the `name` section is better, so keep that one whichever comes first.
                        give(modules.current(), export.index, export.name, false);
                    }
                }
            }
            Payload::CustomSection(section) => {
                let KnownCustom::Name(names) = section.as_known() else { continue };
                // A malformed `name` section doesn't make a module invalid; we do without the names.
                for name in names.into_iter().map_while(Result::ok) {
                    let Name::Function(names) = name else { continue };
                    for name in names.into_iter().map_while(Result::ok) {
                        give(modules.current(), name.index, name.name, true);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The core module that the parser is in.
#[derive(Default)]
struct Modules {
    /// A stack of what is being parsed: the index of a core module, or `None` for a component.
    open: Vec<Option<usize>>,
    count: usize,
}

impl Modules {
    fn see(&mut self, payload: &Payload<'_>) {
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => {
                self.open.push(Some(self.count));
                self.count += 1;
            }
            Payload::Version { encoding: Encoding::Component, .. } => self.open.push(None),
            Payload::End(_) => {
                self.open.pop();
            }
            _ => {}
        }
    }

    fn current(&self) -> usize {
        self.open.last().copied().flatten().unwrap_or(0)
    }

    fn in_component(&self) -> bool {
        self.open.last() == Some(&None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::features::{named, used};

    fn uses_of(wat: &str, needs: &[&str]) -> Vec<Use> {
        let bytes = wat::parse_str(wat).unwrap();
        uses(&bytes, &named(used(&bytes).unwrap()), needs).unwrap()
    }

    fn shown(wat: &str, needs: &[&str]) -> Vec<String> {
        uses_of(wat, needs).iter().map(|place| format!("{}: {place}", place.need)).collect()
    }

    #[test]
    fn functions_are_found_and_named() {
        let vector = "(drop (v128.const i64x2 0 0))";
        let wat = format!(
            r#"(module (import "a" "b" (func)) (func $first {vector}) (func $plain)
                (func (export "exported") {vector}) (func {vector}) (func {vector}) (func $tail return_call $plain))"#
        );
        assert_eq!(
            shown(&wat, &["simd", "tail-call", "threads", "wasi-threads"]),
            ["simd: `first`, `exported`, `func[4]` and 1 more function", "tail-call: `tail`"]
        );
        let index: Vec<u32> =
            uses_of(&wat, &["simd"])[0].functions.iter().map(|function| function.index).collect();
        assert_eq!(index, [1, 3, 4]);
    }

    #[test]
    fn declarations_count_too() {
        let wat = "(module (memory 1 1 shared) (global i32 (i32.add (i32.const 1) (i32.const 1))))";
        assert_eq!(
            shown(wat, &["threads", "extended-const"]),
            ["extended-const: the global section", "threads: the memory section"]
        );
        let both = r#"(module (tag $t) (func $f throw $t))"#;
        assert_eq!(shown(both, &["exceptions"]), ["exceptions: the tag section and `f`"]);
    }

    #[test]
    fn a_feature_in_another_is_told_apart() {
        let wat = r#"(module (memory 1) (data $d "x")
            (func $copy (memory.copy (i32.const 0) (i32.const 0) (i32.const 0)))
            (func $drop (data.drop $d)))"#;
        assert_eq!(shown(wat, &["bulk-memory"]), ["bulk-memory: the data section and `drop`"]);
    }

    #[test]
    fn all_core_modules_of_a_component_are_looked_into() {
        let module = "(core module (func) (func $f (drop (v128.const i64x2 0 0))))";
        let wat = format!("(component {module} (component {module}))");
        let found = uses_of(&wat, &["simd"]);
        let functions: Vec<(usize, u32)> =
            found[0].functions.iter().map(|f| (f.module, f.index)).collect();
        assert_eq!(functions, [(0, 1), (1, 1)]);
        assert_eq!(found[0].functions[1].name.as_deref(), Some("f"));
    }
}

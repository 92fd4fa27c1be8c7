//! Reduction of a module's size.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wasmparser::{BinaryReaderError, WasmFeatures};

use super::complexity::excess;
use super::function_order::{Functions, by_similarity};
use super::sections::{is_component, nested, with_contents, with_data_of, without_custom};
use super::validate::check_depth;
use super::{
    BuiltModule, DebugInfo, Level, OptimizeError, OptimizeOptions, Optimizer, ValidateError,
};
use crate::fs::TemporaryFolder;
use crate::gzip::gzip;

/// A module after the optimizer, or one that should stay as it is.
#[derive(Debug, Clone)]
pub struct OptimizedModule {
    module: BuiltModule,
    /// `None` if the module itself contains the names.
    named: Option<Vec<u8>>,
    raw_size: u64,
    note: Option<String>,
}

impl OptimizedModule {
    pub(super) fn as_it_is(module: BuiltModule) -> OptimizedModule {
        OptimizedModule { raw_size: module.bytes().len() as u64, module, named: None, note: None }
    }

    /// The name for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.module.name()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.module.bytes()
    }

    /// The same module, section for section, with the names of its functions if it came with them. Both have the same
    /// addresses and indices in a trace.
    #[must_use]
    pub fn named(&self) -> &[u8] {
        self.named.as_deref().unwrap_or(self.bytes())
    }

    /// The size in bytes before optimizing.
    #[must_use]
    pub fn raw_size(&self) -> u64 {
        self.raw_size
    }

    /// The reason why less was done than the user asked for, if so.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

/// Removes debug information and runs Binaryen; in a component, on each core module inside. The result is never larger
/// than the input. The same input and options give the same bytes, whatever the names of functions are.
///
/// If a module uses proposals that Binaryen doesn't support, only debug information is removed, and
/// [`OptimizedModule::note`] says so.
///
/// # Errors
/// [`OptimizeError`] when the module is invalid or temporary files can't be written.
pub fn optimize(
    module: BuiltModule,
    options: &OptimizeOptions,
) -> Result<OptimizedModule, OptimizeError> {
    if options.level == Level::Off {
        return Ok(module.unoptimized());
    }
    // A set, because several core modules of a component often have the same note.
    let mut notes = BTreeSet::new();
    // First, because everything else recurses into nested components.
    check_depth(module.name(), module.bytes()).map_err(|e| OptimizeError::Invalid(Box::new(e)))?;
    if is_component(module.bytes()) {
        // As a whole, because a nested component may refer to types and modules of the outer one.
        super::features::used(module.bytes()).map_err(|e| invalid(module.name(), &e))?;
    }
    let named = smaller(module.name(), module.bytes(), options, &mut notes)?;
    let note = (!notes.is_empty()).then(|| Vec::from_iter(notes).join("; "));
    Ok(OptimizedModule { note, ..optimized_before(module, named, options)? })
}

/// Returns the module that an earlier [`optimize`] with the same options made of this one, from its
/// [`OptimizedModule::named`].
///
/// # Errors
/// [`OptimizeError::Invalid`] when `named` is not a valid module.
pub fn optimized_before(
    module: BuiltModule,
    named: Vec<u8>,
    options: &OptimizeOptions,
) -> Result<OptimizedModule, OptimizeError> {
    let raw_size = module.bytes().len() as u64;
    let (bytes, named) = match options.debug_info {
        DebugInfo::None => {
            let bytes = without_names(&named).map_err(|e| invalid(module.name(), &e))?;
            (bytes, Some(named))
        }
        DebugInfo::Names | DebugInfo::Dwarf => (named, None),
    };
    Ok(OptimizedModule { module: module.with_bytes(bytes), named, raw_size, note: None })
}

/// Returns the smallest form of the module or component. It keeps the names of functions.
fn smaller(
    name: &str,
    bytes: &[u8],
    options: &OptimizeOptions,
    notes: &mut BTreeSet<String>,
) -> Result<Vec<u8>, OptimizeError> {
    let invalid = |e| invalid(name, &e);
    let stripped = without_custom(bytes, |section| is_surplus(section, options.debug_info))
        .map_err(invalid)?;
    if is_component(bytes) {
        let mut contents = BTreeMap::new();
        for inner in nested(&stripped).map_err(invalid)? {
            contents.insert(inner.start, smaller(name, &stripped[inner], options, notes)?);
        }
        return with_contents(&stripped, &contents).map_err(invalid);
    }
    // Also at level 0, because this detects an invalid module.
    let features = super::features::used(bytes).map_err(invalid)? | BASELINE;
    if options.level == Level::O0 {
        return Ok(stripped);
    }
    if let Some(excess) = excess(&stripped, features).map_err(invalid)? {
        notes.insert(format!(
            "it is too much for Binaryen: {excess}: only debug information was removed"
        ));
        return Ok(stripped);
    }
    let outcome = match &options.optimizer {
        Optimizer::Bundled => run(&stripped, features, options)?,
        Optimizer::External(program) => program.run(&stripped, features, options)?,
    };
    notes.extend(outcome.note);
    let Some(optimized) = outcome.bytes else { return Ok(stripped) };
    let arrangements = arrangements(&stripped, optimized, options.compressed).map_err(invalid)?;
    smallest(stripped, arrangements, options.compressed).map_err(invalid)
}

/// Returns the forms of the optimized module that may be the smallest. They differ only in the order of functions and in
/// the form of the data.
fn arrangements(
    stripped: &[u8],
    optimized: Vec<u8>,
    compressed: bool,
) -> Result<Vec<Vec<u8>>, BinaryReaderError> {
    // Binaryen removes zeros from the data and cuts it into segments. That saves bytes, but they compress worse, by up to
    // 4 percent of the whole module. Without compression, we use the smaller form.
    let unpacked = with_data_of(stripped, &optimized)?
        .filter(|unpacked| compressed || unpacked.len() < optimized.len());
    let module = unpacked.unwrap_or(optimized);
    let Some(functions) = Functions::read(&module)? else { return Ok(vec![module]) };
    let order = match compressed {
        true => by_similarity(&functions.bodies().collect::<Vec<_>>()),
        false => Some(functions.by_use()),
    };
    let ordered = order.map(|order| functions.in_order(&order)).transpose()?;
    Ok([module].into_iter().chain(ordered).collect())
}

/// Returns the module that takes the fewest bytes where it is sent; the first if several do.
fn smallest(
    stripped: Vec<u8>,
    others: Vec<Vec<u8>>,
    compressed: bool,
) -> Result<Vec<u8>, BinaryReaderError> {
    let sent = |bare: &[u8]| if compressed { gzip(bare).len() } else { bare.len() };
    // Names don't count: what Binaryen does must not depend on whether the user wants them in the end.
    let bare = without_names(&stripped)?;
    let (allowed, mut size, mut best) = (bare.len(), sent(&bare), stripped);
    for module in others {
        let bare = without_names(&module)?;
        let other = sent(&bare);
        // We promise that the module itself does not grow, even if its compressed form shrinks.
        if other < size && bare.len() <= allowed {
            (size, best) = (other, module);
        }
    }
    Ok(best)
}

fn invalid(name: &str, error: &BinaryReaderError) -> OptimizeError {
    OptimizeError::Invalid(Box::new(ValidateError::malformed(name, error)))
}

fn without_names(bytes: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut contents = BTreeMap::new();
    for inner in nested(bytes)? {
        contents.insert(inner.start, without_names(&bytes[inner])?);
    }
    without_custom(&with_contents(bytes, &contents)?, |section| {
        ["name", "component-name"].contains(&section)
    })
}

// Features that Binaryen may always use. rustc's modules use them, and don't declare it when `strip = true` has removed
// their `target_features` section. Every runtime in use has them, and Binaryen's own code needs bulk-memory.
const BASELINE: WasmFeatures = WasmFeatures::BULK_MEMORY
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE);

/// Returns a note if a Binaryen that supports only the `known` features can't optimize a module with `features`.
pub(super) fn unknown(
    features: WasmFeatures,
    known: impl IntoIterator<Item = WasmFeatures>,
) -> Option<String> {
    let known = known.into_iter().fold(WasmFeatures::MVP, |all, feature| all | feature);
    let unknown = super::features::named(features.difference(known));
    let names: Vec<&str> = unknown.iter().map(super::Feature::name).collect();
    (!names.is_empty()).then(|| {
        format!("Binaryen does not know {}: only debug information was removed", names.join(", "))
    })
}

/// Runs an optimizer on files: `run` gets the paths of input and output, and returns a note if there is no output.
pub(super) fn through_files(
    module: &[u8],
    run: impl FnOnce(&Path, &Path) -> Result<Option<String>, OptimizeError>,
) -> Result<Outcome, OptimizeError> {
    // Binaryen's interfaces, the library as well as `wasm-opt`, read and write files only.
    let folder = TemporaryFolder::new().map_err(OptimizeError::Temporary)?;
    let (input, output) = (folder.path().join("in.wasm"), folder.path().join("out.wasm"));
    fs_err::write(&input, module).map_err(OptimizeError::Temporary)?;
    let note = run(&input, &output)?;
    let bytes = match note {
        None => Some(fs_err::read(&output).map_err(OptimizeError::Temporary)?),
        Some(_) => None,
    };
    Ok(Outcome { bytes, note })
}

/// The optimized bytes, or a note that says why there are none.
pub(super) struct Outcome {
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) note: Option<String>,
}

#[cfg(feature = "optimize")]
use super::binaryen::run;

#[cfg(not(feature = "optimize"))]
fn run(_: &[u8], _: WasmFeatures, _: &OptimizeOptions) -> Result<Outcome, OptimizeError> {
    let note = "this build has no optimizer: only debug information was removed".to_owned();
    Ok(Outcome { bytes: None, note: Some(note) })
}

fn is_surplus(section: &str, debug_info: DebugInfo) -> bool {
    // Runtimes ignore these custom sections: debug information, leftovers of the linker, and a list of features that
    // would be wrong after optimizing.
    section.starts_with("reloc.")
        || ["linking", "sourceMappingURL", "external_debug_info", "target_features"]
            .contains(&section)
        || (section.starts_with(".debug_") && debug_info != DebugInfo::Dwarf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(wat: &str) -> BuiltModule {
        BuiltModule::new("test.wasm", wat::parse_str(wat).unwrap()).unwrap()
    }

    const ADD: &str = r#"(module
        (@custom ".debug_info" "................................................")
        (@custom "target_features" "\01+\0fmutable-globals")
        (@custom "producers" "\00")
        (func $unused (result i32) i32.const 7)
        (func $add (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))"#;

    fn section_names(bytes: &[u8]) -> Vec<String> {
        super::super::sections::sections(bytes)
            .unwrap()
            .into_iter()
            .map(|section| section.name)
            .collect()
    }

    #[test]
    fn off_changes_nothing() {
        let raw = built(ADD);
        let options = OptimizeOptions {
            level: Level::Off,
            debug_info: DebugInfo::None,
            ..Default::default()
        };
        assert_eq!(optimize(raw.clone(), &options).unwrap().bytes(), raw.bytes());
    }

    #[test]
    fn level_0_removes_debug_information_only() {
        let options =
            OptimizeOptions { level: Level::O0, debug_info: DebugInfo::None, ..Default::default() };
        let module = optimize(built(ADD), &options).unwrap();
        assert_eq!(
            section_names(module.bytes()),
            ["type", "function", "export", "code", "producers"]
        );
        assert_eq!(module.raw_size(), built(ADD).bytes().len() as u64);
        let named = OptimizeOptions {
            level: Level::O0,
            debug_info: DebugInfo::Names,
            ..Default::default()
        };
        assert!(
            section_names(optimize(built(ADD), &named).unwrap().bytes())
                .contains(&"name".to_owned())
        );
    }

    #[test]
    fn the_core_modules_of_a_component_are_optimized_and_nothing_else_changes() {
        let component = built(&format!(
            r#"(component
                (core {module}
                (component (core {module})
                (import "a" (func))
                (core instance (instantiate 0)))"#,
            module = &ADD[1..]
        ));
        let options =
            |level| OptimizeOptions { level, debug_info: DebugInfo::None, ..Default::default() };
        let stripped = optimize(component.clone(), &options(Level::O0)).unwrap();
        let module = optimize(component.clone(), &options(Level::O1)).unwrap();
        assert_eq!(module.note(), None);
        assert!(stripped.bytes().len() < component.bytes().len());
        if cfg!(feature = "optimize") {
            assert!(module.bytes().len() < stripped.bytes().len());
        }
        let names = ["core module", "component", "type", "import", "core instance"];
        assert_eq!(section_names(module.bytes()), names);
        assert!(super::super::features::used(module.bytes()).is_ok());
        let debug = b".debug_info";
        assert!(!module.bytes().windows(debug.len()).any(|bytes| bytes == debug));
    }

    #[test]
    fn names_are_beside_the_module_or_in_it_and_change_nothing_else() {
        let component = format!("(component (core {})", &ADD[1..]);
        for (wat, level) in [(ADD, Level::O0), (ADD, Level::Oz), (component.as_str(), Level::Oz)] {
            let of = |debug_info| {
                let options = OptimizeOptions { level, debug_info, ..Default::default() };
                optimize(built(wat), &options).unwrap()
            };
            let (bare, named) = (of(DebugInfo::None), of(DebugInfo::Names));
            assert_eq!(bare.named(), named.bytes());
            assert_eq!(named.named(), named.bytes());
            assert_eq!(without_names(named.bytes()).unwrap(), bare.bytes());
            assert!(bare.bytes().len() < bare.named().len());
            let without = wat.replace(" $add", " ").replace(" $unused", " ");
            let options =
                OptimizeOptions { level, debug_info: DebugInfo::None, ..Default::default() };
            assert_eq!(optimize(built(&without), &options).unwrap().bytes(), bare.bytes());
        }
    }

    #[test]
    fn what_is_nested_may_refer_to_what_is_around_it() {
        let component = built(
            r#"(component (type $t (func)) (core module $m)
                (component (alias outer 1 $t (type $a)) (alias outer 1 $m (core module $n)) (import "f" (func (type $a)))))"#,
        );
        let options = OptimizeOptions { level: Level::O1, ..OptimizeOptions::default() };
        let optimized = optimize(component, &options).unwrap();
        assert!(super::super::features::used(optimized.bytes()).is_ok());
    }

    #[cfg(feature = "optimize")]
    #[test]
    fn data_stays_as_it_came_where_the_module_will_be_compressed() {
        let module = |segments: &str, code: &str| {
            format!(
                r#"(module (memory (export "memory") 1) (func (export "f") {code}) {segments})"#
            )
        };
        let zeros = format!(r#"(data (i32.const 8) "a{}b")"#, "\\00".repeat(40));
        let of = |wat: &str, compressed| {
            let options = OptimizeOptions { compressed, ..OptimizeOptions::default() };
            optimize(built(wat), &options).unwrap().bytes().to_vec()
        };
        let plain = module(&zeros, "");
        let (packed, unpacked) = (of(&plain, false), of(&plain, true));
        assert!(packed.len() < unpacked.len());
        assert!(unpacked.windows(6).any(|bytes| bytes == b"a\0\0\0\0\0"));
        assert!(!section_names(&unpacked).contains(&"data count".to_owned()));
        assert!(super::super::features::used(&unpacked).is_ok());
        // Where instructions name segments, they are Binaryen's.
        let code = "i32.const 0 i32.const 0 i32.const 4 memory.init $p data.drop $p";
        let named = module(&format!(r#"(data $p "passive") {zeros}"#), code);
        assert_eq!(of(&named, true), of(&named, false));
    }

    #[test]
    fn an_invalid_module_is_an_error() {
        let error = optimize(built("(module (func (result i32)))"), &OptimizeOptions::default())
            .unwrap_err();
        assert!(error.to_string().contains("not valid WebAssembly"), "{error}");
    }

    #[cfg(feature = "optimize")]
    #[test]
    fn binaryen_removes_what_is_not_used_and_repeats_itself() {
        for level in [Level::O1, Level::O4, Level::Oz] {
            let options =
                OptimizeOptions { level, debug_info: DebugInfo::None, ..Default::default() };
            let once = optimize(built(ADD), &options).unwrap();
            let stripped =
                optimize(built(ADD), &OptimizeOptions { level: Level::O0, ..options.clone() })
                    .unwrap();
            assert!(once.bytes().len() < stripped.bytes().len());
            assert_eq!(once.bytes(), optimize(built(ADD), &options).unwrap().bytes());
            assert_eq!(once.note(), None);
        }
    }
}

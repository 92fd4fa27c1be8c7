//! Binaryen, in process.

use fs_err as fs;
use wasm_opt::{Feature, OptimizationError, OptimizationOptions};
use wasmparser::WasmFeatures;

use super::optimize::Outcome;
use super::{DebugInfo, Level, OptimizeError, OptimizeOptions};

/// What Binaryen may use in any case. rustc's modules use them without saying so when `strip = true` has deleted
/// their `target_features` section; every runtime in use has them, and Binaryen needs bulk-memory for its own.
const BASELINE: [Feature; 6] = [
    Feature::BulkMemory,
    Feature::SignExt,
    Feature::MutableGlobals,
    Feature::TruncSat,
    Feature::ReferenceTypes,
    Feature::Multivalue,
];

/// What Binaryen calls each feature that wasmparser can find in a module.
const KNOWN: [(WasmFeatures, Feature); 16] = [
    (WasmFeatures::MUTABLE_GLOBAL, Feature::MutableGlobals),
    (WasmFeatures::SATURATING_FLOAT_TO_INT, Feature::TruncSat),
    (WasmFeatures::SIGN_EXTENSION, Feature::SignExt),
    (WasmFeatures::REFERENCE_TYPES, Feature::ReferenceTypes),
    (WasmFeatures::CALL_INDIRECT_OVERLONG, Feature::ReferenceTypes),
    (WasmFeatures::MULTI_VALUE, Feature::Multivalue),
    (WasmFeatures::BULK_MEMORY, Feature::BulkMemory),
    (WasmFeatures::BULK_MEMORY_OPT, Feature::BulkMemory),
    (WasmFeatures::SIMD, Feature::Simd),
    (WasmFeatures::RELAXED_SIMD, Feature::RelaxedSimd),
    (WasmFeatures::THREADS, Feature::Atomics),
    (WasmFeatures::TAIL_CALL, Feature::TailCall),
    (WasmFeatures::MULTI_MEMORY, Feature::MultiMemory),
    (WasmFeatures::MEMORY64, Feature::Memory64),
    (WasmFeatures::EXTENDED_CONST, Feature::ExtendedConst),
    (WasmFeatures::LEGACY_EXCEPTIONS, Feature::ExceptionHandling),
];

/// Optimizes a module that is valid with `features`. That Binaryen can't is no error: a valid module then stays
/// as it is, and the note says why.
pub(super) fn run(
    module: &[u8],
    features: WasmFeatures,
    options: &OptimizeOptions,
) -> Result<Outcome, OptimizeError> {
    let known = KNOWN.iter().fold(WasmFeatures::MVP, |all, (feature, _)| all | *feature);
    let unknown = super::features::named(features.difference(known));
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.iter().map(super::Feature::name).collect();
        let note = format!("Binaryen does not know {}: only debug information was removed", names.join(", "));
        return Ok(Outcome { bytes: None, note: Some(note) });
    }
    if options.debug_info == DebugInfo::Dwarf {
        let note = "the Binaryen inside can't keep DWARF true: name another with `--wasm-opt`".to_owned();
        return Ok(Outcome { bytes: None, note: Some(note) });
    }
    let mut options = passes(options.level);
    // The module was validated before, and the result is validated after; Binaryen prints what it finds.
    options.validate(false).debug_info(true);
    for feature in
        BASELINE.into_iter().chain(KNOWN.iter().filter(|(f, _)| features.contains(*f)).map(|(_, b)| *b))
    {
        options.enable_feature(feature);
    }

    let folder = tempfile::tempdir().map_err(OptimizeError::Temporary)?;
    let (input, output) = (folder.path().join("in.wasm"), folder.path().join("out.wasm"));
    fs::write(&input, module).map_err(OptimizeError::Temporary)?;
    match options.run(&input, &output) {
        Ok(()) => {
            let bytes = fs::read(&output).map_err(OptimizeError::Temporary)?;
            Ok(Outcome { bytes: Some(bytes), note: None })
        }
        // That it could not write must not lead to other bytes than on a machine where it could.
        Err(error @ OptimizationError::Write { .. }) => {
            Err(OptimizeError::Temporary(std::io::Error::other(error.to_string())))
        }
        Err(error) => {
            let note = format!("Binaryen failed ({error}): only debug information was removed");
            Ok(Outcome { bytes: None, note: Some(note) })
        }
    }
}

fn passes(level: Level) -> OptimizationOptions {
    match level {
        Level::Off | Level::O0 => OptimizationOptions::new_opt_level_0(),
        Level::O1 => OptimizationOptions::new_opt_level_1(),
        Level::O2 => OptimizationOptions::new_opt_level_2(),
        Level::O3 => OptimizationOptions::new_opt_level_3(),
        Level::O4 => OptimizationOptions::new_opt_level_4(),
        Level::Os => OptimizationOptions::new_optimize_for_size(),
        Level::Oz => OptimizationOptions::new_optimize_for_size_aggressively(),
    }
}

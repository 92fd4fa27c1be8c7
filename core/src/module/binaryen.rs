//! The bundled Binaryen, which runs in this process.

use wasm_opt::{Feature, OptimizationError, OptimizationOptions, Pass};
use wasmparser::WasmFeatures;

use super::optimize::{Outcome, through_files, unknown};
use super::{DebugInfo, Level, OptimizeError, OptimizeOptions};

/// Binaryen's name for each feature that wasmparser can find in a module.
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

/// Optimizes a module that is valid with `features`.
pub(super) fn run(
    module: &[u8],
    features: WasmFeatures,
    options: &OptimizeOptions,
) -> Result<Outcome, OptimizeError> {
    if let Some(note) = unknown(features, KNOWN.map(|(feature, _)| feature)) {
        return Ok(Outcome { bytes: None, note: Some(note) });
    }
    if options.debug_info == DebugInfo::Dwarf {
        let note =
            "the Binaryen inside can't keep DWARF true: name another with `--wasm-opt`".to_owned();
        return Ok(Outcome { bytes: None, note: Some(note) });
    }
    let level = options.level;
    let mut options = passes(level);
    // We validate the module before and the result after. Binaryen would print its findings.
    options.validate(false);
    // Names always go through Binaryen, so that keeping them changes nothing else
    // (docs/decisions/0010-names-go-through-binaryen.md).
    options.debug_info(true);
    for (_, feature) in KNOWN.iter().filter(|(known, _)| features.contains(*known)) {
        options.enable_feature(*feature);
    }

    if level == Level::Oz {
        // Gufa infers the possible values of the whole module, and a second round of passes makes use of them. Both
        // happen in one run: a module that is written and read in between gets no smaller.
        options.add_pass(Pass::Gufa);
        for pass in ROUND {
            options.add_pass(pass);
        }
    }
    through_files(module, |input, output| match options.run(input, output) {
        Ok(()) => Ok(None),
        // A failed write is an error and not a note: the bytes must be the same as on a machine where it succeeds.
        Err(error @ OptimizationError::Write { .. }) => {
            Err(OptimizeError::Temporary(std::io::Error::other(error.to_string())))
        }
        // Not an error, because the module is valid as it is.
        Err(error) => {
            Ok(Some(format!("Binaryen failed ({error}): only debug information was removed")))
        }
    })
}

// Binaryen's own passes at level z, without those that are only worth running once. Source of the order:
// https://github.com/WebAssembly/binaryen/blob/version_116/src/passes/pass.cpp
const ROUND: [Pass; 44] = [
    Pass::DuplicateFunctionElimination,
    Pass::OnceReduction,
    Pass::SsaNomerge,
    Pass::Dce,
    Pass::RemoveUnusedNames,
    Pass::RemoveUnusedBrs,
    Pass::RemoveUnusedNames,
    Pass::OptimizeInstructions,
    Pass::PickLoadSigns,
    Pass::PrecomputePropagate,
    Pass::CodePushing,
    Pass::SimplifyLocalsNostructure,
    Pass::Vacuum,
    Pass::RecorderLocals,
    Pass::RemoveUnusedBrs,
    Pass::MergeLocals,
    Pass::CoalesceLocals,
    Pass::LocalCse,
    Pass::SimplifyLocals,
    Pass::Vacuum,
    Pass::RecorderLocals,
    Pass::CoalesceLocals,
    Pass::RecorderLocals,
    Pass::Vacuum,
    Pass::CodeFolding,
    Pass::MergeBlocks,
    Pass::RemoveUnusedBrs,
    Pass::RemoveUnusedNames,
    Pass::MergeBlocks,
    Pass::PrecomputePropagate,
    Pass::OptimizeInstructions,
    Pass::Rse,
    Pass::Vacuum,
    Pass::DaeOptimizing,
    Pass::InliningOptimizing,
    Pass::DuplicateFunctionElimination,
    Pass::DuplicateImportElimination,
    Pass::MergeSimilarFunctions,
    Pass::SimplifyGlobalsOptimizing,
    Pass::RemoveUnusedModuleElements,
    Pass::ReorderGlobals,
    Pass::Directize,
    Pass::GenerateStackIr,
    Pass::OptimizeStackIr,
];

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

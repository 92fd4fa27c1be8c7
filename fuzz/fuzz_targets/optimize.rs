//! Valid modules through Binaryen: it must not end the process, and its result must be valid.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use wasm_oci_core::module::{Level, OptimizeOptions, ValidateOptions, optimize, validate};
use wasm_oci_fuzz::valid_module;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(module) = valid_module(bytes) else { return Corpus::Reject };
    let options = OptimizeOptions { level: Level::O1, ..OptimizeOptions::default() };
    let optimized = optimize(module, &options).expect("it is valid");
    validate(optimized, &ValidateOptions::any_import()).expect("it still is");
    Corpus::Keep
});

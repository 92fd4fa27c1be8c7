//! Valid modules with all proposals: each must be accepted, and also its copy without debug information.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use wasm_oci_core::module::{Level, OptimizeOptions, ValidateOptions, optimize, validate};
use wasm_oci_fuzz::valid_module;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(module) = valid_module(bytes) else { return Corpus::Reject };
    let options = OptimizeOptions { level: Level::O0, ..OptimizeOptions::default() };
    let stripped = optimize(module.clone(), &options).expect("it is valid");
    let before = validate(module.unoptimized(), &ValidateOptions::any_import()).expect("it is valid");
    let after = validate(stripped, &ValidateOptions::any_import()).expect("it still is");
    assert_eq!(before.report().features, after.report().features);
    Corpus::Keep
});

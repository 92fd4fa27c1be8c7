//! Any bytes: all readers agree on what is valid, and it stays valid without debug information. Sizes add up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wasm_oci_core::module::{
    BuiltModule, Level, OptimizeOptions, SizeReport, ValidateOptions, function_names, optimize, validate,
};

fuzz_target!(|bytes: &[u8]| {
    // These two also read files that were not validated.
    let _names = function_names(bytes, 0..100);
    if let Ok(sizes) = SizeReport::read("fuzz.wasm", bytes, bytes) {
        let parts = sizes.flat_sections().iter().map(|(_, size)| size).sum::<u64>();
        assert_eq!((sizes.total, parts), (bytes.len() as u64, bytes.len() as u64));
    }
    let Ok(module) = BuiltModule::new("fuzz.wasm", bytes.to_vec()) else { return };
    let options = OptimizeOptions { level: Level::O0, ..OptimizeOptions::default() };
    let stripped = optimize(module.clone(), &options);
    let validated = validate(module.unoptimized(), &ValidateOptions::any_import());
    let (stripped, validated) = match (stripped, validated) {
        (Ok(stripped), Ok(validated)) => (stripped, validated),
        (Err(_), Err(_)) => return,
        (stripped, validated) => panic!("{stripped:?}, but {validated:?}"),
    };
    assert!(stripped.bytes().len() <= bytes.len());
    let stripped = validate(stripped, &ValidateOptions::any_import()).expect("still valid");
    let (before, after) = (validated.report(), stripped.report());
    assert_eq!((before.kind, &before.imports, &before.exports), (after.kind, &after.imports, &after.exports));
    assert_eq!(before.features, after.features);
    assert_eq!((&before.memories, &before.tables), (&after.memories, &after.tables));
});

//! Detection of the proposals that a module really needs.

use std::fmt;

use serde::Serialize;
use wasmparser::types::Types;
use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

use super::sections::sections;

/// A WebAssembly proposal beyond the first version of the standard, by its usual name: `simd`, `bulk-memory`, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Feature(String);

impl Feature {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the smallest set of features with which the module is valid.
pub(super) fn used(bytes: &[u8]) -> Result<WasmFeatures, BinaryReaderError> {
    used_with_types(bytes).map(|(features, _)| features)
}

/// As [`used`], with the types that the validator found.
pub(super) fn used_with_types(bytes: &[u8]) -> Result<(WasmFeatures, Types), BinaryReaderError> {
    // A `target_features` section does not help: it lists what the compiler had enabled, not what the module uses.
    let mut features = WasmFeatures::MVP;
    loop {
        // The validator reports only the first feature that is missing.
        let error = match Validator::new_with_features(features).validate_all(bytes) {
            Ok(types) => return Ok((features | needed_by_sections(bytes)?, types)),
            Err(error) => error,
        };
        let missing = error.missing_wasm_feature().or_else(|| missing_by_message(error.message()));
        // A feature that is enabled already is not the reason, and adding it again would loop for ever.
        let missing = missing.filter(|missing| !features.contains(*missing));
        match missing.or_else(|| missing_by_trial(bytes, features, &error)) {
            Some(missing) => features |= missing,
            None => return Err(error),
        }
    }
}

fn needed_by_sections(bytes: &[u8]) -> Result<WasmFeatures, BinaryReaderError> {
    // wasmparser accepts a data count section with any features; engines without bulk-memory don't.
    let counted = sections(bytes)?.iter().any(|section| section.name == "data count");
    Ok(if counted { WasmFeatures::BULK_MEMORY } else { WasmFeatures::empty() })
}

fn missing_by_message(message: &str) -> Option<WasmFeatures> {
    // Common errors for which wasmparser doesn't name the feature. Trying each feature would take longer.
    [
        ("zero byte expected", WasmFeatures::CALL_INDIRECT_OVERLONG),
        ("data count section required", WasmFeatures::BULK_MEMORY),
        ("multiple memories", WasmFeatures::MULTI_MEMORY),
        ("multiple tables", WasmFeatures::REFERENCE_TYPES),
    ]
    .into_iter()
    .find_map(|(text, feature)| message.contains(text).then_some(feature))
}

/// Returns the first feature with which the error changes or goes away.
fn missing_by_trial(
    bytes: &[u8],
    features: WasmFeatures,
    error: &BinaryReaderError,
) -> Option<WasmFeatures> {
    // For example, an offset of 64 bits is just a number that is too long if memory64 is missing.
    let outcome = |features| Validator::new_with_features(features).validate_all(bytes);
    // If the module is invalid with all features, none of them helps.
    outcome(WasmFeatures::all()).ok()?;
    WasmFeatures::all().iter().filter(|feature| !features.contains(*feature)).find(|feature| {
        outcome(features | *feature).err().is_none_or(|other| other.offset() != error.offset())
    })
}

/// Returns the features beyond WebAssembly 1.0, sorted by name.
pub(super) fn named(features: WasmFeatures) -> Vec<Feature> {
    let name =
        |(name, _): (&str, WasmFeatures)| Feature(name.to_ascii_lowercase().replace('_', "-"));
    let mut named: Vec<Feature> =
        features.difference(WasmFeatures::MVP).iter_names().map(name).collect();
    named.sort();
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features_of(wat: &str) -> Vec<String> {
        let bytes = wat::parse_str(wat).unwrap();
        named(used(&bytes).unwrap()).into_iter().map(|feature| feature.0).collect()
    }

    #[test]
    fn only_what_is_used() {
        assert!(features_of("(module (func (result i32) i32.const 1))").is_empty());
        assert_eq!(
            features_of("(module (func (param i32) (result i32) local.get 0 i32.extend8_s))"),
            ["sign-extension"]
        );
        assert_eq!(
            features_of("(module (memory 1) (memory 1) (func (drop (v128.const i64x2 0 0))))"),
            ["multi-memory", "simd"]
        );
    }

    #[test]
    fn what_an_error_does_not_name_is_found() {
        assert_eq!(
            features_of("(module (table 1 funcref) (table 1 funcref))"),
            ["reference-types"]
        );
        let far =
            "(module (memory i64 1) (func (drop (i32.load offset=0x100000000 (i64.const 0)))))";
        assert_eq!(features_of(far), ["memory64"]);
        let second =
            "(module (memory 1) (memory $second 1) (func (drop (i32.load $second (i32.const 0)))))";
        assert_eq!(features_of(second), ["multi-memory"]);
    }

    #[test]
    fn a_data_count_section_is_a_use_of_bulk_memory() {
        let wat = r#"(module (memory 1) (data $d "x") (func (data.drop $d)))"#;
        assert_eq!(features_of(wat), ["bulk-memory"]);
        let mut counted =
            wat::parse_str(r#"(module (memory 1) (data (i32.const 0) "x"))"#).unwrap();
        let data = counted.windows(2).position(|bytes| bytes == [11, 7]).unwrap();
        counted.splice(data..data, [12, 1, 1]);
        let names: Vec<_> =
            named(used(&counted).unwrap()).into_iter().map(|feature| feature.0).collect();
        assert_eq!(names, ["bulk-memory"]);
    }

    #[test]
    fn a_broken_module_is_an_error_not_a_loop() {
        let bytes = wat::parse_str("(module (func (result i32)))");
        assert!(bytes.is_ok_and(|bytes| used(&bytes).is_err()));
    }
}

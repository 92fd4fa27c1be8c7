//! Command lines and what they print. Each file in `golden/` holds some; a new one is added by dropping in a file,
//! and `TRYCMD=overwrite` writes down what is printed now.

use crate::harness::commands::program;

#[test]
fn command_lines() {
    let tests = trycmd::TestCases::new();
    tests.register_bin("wasm-oci", program("wasm-oci"));
    tests.register_bin("cargo-wasm-oci", program("cargo-wasm-oci"));
    tests.case("e2e/golden/*.trycmd");
}

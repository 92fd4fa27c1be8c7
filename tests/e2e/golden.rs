//! Command lines and what they print. Each file in `golden/` holds some; a new one is added by dropping in a file,
//! and `TRYCMD=overwrite` writes down what is printed now. What they work on is in the folder of the same name.

use std::fs;
use std::path::PathBuf;

use crate::harness::commands::{program, root};

#[test]
fn command_lines() {
    let tests = trycmd::TestCases::new();
    tests.register_bin("wasm-oci", program("wasm-oci"));
    tests.register_bin("cargo-wasm-oci", program("cargo-wasm-oci"));
    // Use an empty cache: cache hits would change the output.
    let cache = tempfile::tempdir().unwrap();
    tests.env("WASM_OCI_CACHE_DIR", cache.path().display().to_string());
    tests.env("CARGO_TERM_COLOR", "never").env("RUST_BACKTRACE", "0").env("COLUMNS", "100");
    tests.case("e2e/golden/*.trycmd");
}

#[test]
fn modules_are_what_their_texts_say() {
    for (text, module) in modules() {
        let expected = wat::parse_file(&text).unwrap();
        if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
            fs::write(&module, &expected).unwrap();
        }
        assert!(
            fs::read(&module).unwrap() == expected,
            "{} is not {}",
            module.display(),
            text.display()
        );
    }
}

/// The texts in the folders of the command lines, and the modules that are made of them.
fn modules() -> Vec<(PathBuf, PathBuf)> {
    let entries =
        |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let folders = entries(root().join("tests/e2e/golden")).filter(|path| path.is_dir());
    let texts =
        folders.flat_map(entries).filter(|path| path.extension().is_some_and(|it| it == "wat"));
    texts.map(|text| (text.clone(), text.with_extension("wasm"))).collect()
}

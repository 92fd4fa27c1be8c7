//! What the documentation says is so.

use std::fs;

use wasm_oci::exit_code::ExitCode;
use wasm_oci::settings::Settings;

use crate::harness::commands::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_exit_code_is_documented_and_no_other() {
    let documented: Vec<(u8, String)> = read("docs/exit-codes.md")
        .lines()
        .filter_map(|line| {
            let (code, meaning) = line.strip_prefix("| ")?.split_once(" | ")?;
            Some((code.parse().ok()?, meaning.strip_suffix(" |")?.replace('`', "")))
        })
        .collect();
    let defined: Vec<(u8, String)> =
        ExitCode::ALL.iter().map(|(code, meaning)| (code.code(), meaning.replace('`', ""))).collect();
    assert_eq!(documented, defined);
}

#[test]
fn every_setting_is_documented() {
    let settings = read("docs/settings.md");
    let all = serde_json::to_value(Settings::default()).unwrap();
    for key in all.as_object().unwrap().keys() {
        assert!(settings.contains(&format!("| `{key}` |")), "docs/settings.md doesn't explain `{key}`");
    }
}

#[test]
fn every_environment_variable_is_documented() {
    let source = read("cli/src/env_vars.rs");
    let settings = read("docs/settings.md");
    let names = source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    for name in names {
        assert!(settings.contains(&format!("`{name}`")), "docs/settings.md doesn't explain `{name}`");
    }
}

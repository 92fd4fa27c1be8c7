//! What the documentation says is so.

use std::fs;

use wasm_oci::exit_code::ExitCode;
use wasm_oci::settings::Settings;
use wasm_oci::smoke::case::{Answer, Case, Content, Expected, Http};

use crate::harness::commands::root;
use crate::runtimes::{options_table, sources_table, support_table};

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
fn every_key_of_a_smoke_test_is_documented() {
    let testing = read("docs/testing.md");
    let keys = |value: serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let tables = [
        serde_json::to_value(Case::default()),
        serde_json::to_value(Content { from: Some("a".into()), ..Content::default() }),
        serde_json::to_value(Expected::default()),
        serde_json::to_value(Http::default()),
        serde_json::to_value(Answer::default()),
    ];
    for key in tables.into_iter().flat_map(|table| keys(table.unwrap())) {
        // In a table, or in an example.
        let known = [
            format!("`{key}`"),
            format!("{{ {key} = "),
            format!("\n{key} = "),
            format!(".{key} = "),
            format!("\n{key}."),
        ];
        assert!(known.iter().any(|text| testing.contains(text)), "docs/testing.md doesn't explain `{key}`");
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

/// `TRYCMD=overwrite` writes the tables anew, as it does with the command lines in `golden/`.
#[test]
fn the_tables_of_runtimes_are_those_of_the_code() {
    let mut text = read("docs/runtimes.md");
    for (name, table) in
        [("support", support_table()), ("options", options_table()), ("sources", sources_table())]
    {
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
        let (before, rest) = text.split_once(&start).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        text = format!("{before}{start}{table}{end}{after}");
    }
    if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
        fs::write(root().join("docs/runtimes.md"), &text).unwrap();
    }
    let same = read("docs/runtimes.md") == text;
    assert!(same, "docs/runtimes.md is not what the code knows: TRYCMD=overwrite writes its tables anew");
}

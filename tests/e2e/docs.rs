//! Checks of facts in the documentation.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use serde_json::Value;
use wasm_oci_app::config::schema;
use wasm_oci_app::exit_code::ExitCode;

use crate::engines::{engines_table, incompatibilities_table};
use crate::harness::commands::{example, root};
use crate::harness::{Run, tools};
use crate::reference::commands_page;
use crate::runtimes::{options_table, sources_table, support_table};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Writes a file of the documentation anew where `TRYCMD=overwrite` is set, as with the command lines in `golden/`, and
/// holds it against what the code says.
#[track_caller]
fn assert_generated(path: &str, text: &str) {
    if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
        fs::write(root().join(path), text).unwrap();
    }
    let same = read(path) == text;
    assert!(same, "{path} is not what the code says: TRYCMD=overwrite writes it anew");
}

/// The same for the parts of a page that stand between `<!-- NAME -->` and `<!-- end of NAME -->`.
#[track_caller]
pub(crate) fn assert_parts_generated(page: &str, parts: &[(&str, String)]) {
    let mut text = read(page);
    for (name, part) in parts {
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
        let (before, rest) = text.split_once(&start).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        text = format!("{before}{start}{part}{end}{after}");
    }
    assert_generated(page, &text);
}

#[test]
fn the_table_of_exit_codes_is_that_of_the_code() {
    let row = |(code, meaning): &(ExitCode, &str)| format!("| {} | {meaning} |\n", code.code());
    let rows: String = ExitCode::ALL.iter().map(row).collect();
    assert_parts_generated(
        "docs/exit-codes.md",
        &[("codes", format!("| code | why |\n|---|---|\n{rows}"))],
    );
}

#[test]
fn the_table_of_settings_is_that_of_the_code() {
    let schema = schema::settings();
    let settings = schema["properties"].as_object().unwrap().iter();
    let rows: String = settings.map(|(key, setting)| settings_row(key, setting)).collect();
    let table = format!("| key | flag | meaning | default |\n|---|---|---|---|\n{rows}");
    assert_parts_generated("docs/settings.md", &[("settings", table)]);
}

fn settings_row(key: &str, setting: &Value) -> String {
    let code = |text: &str| format!("`{text}`");
    let text = |name: &str| setting[name].as_str().unwrap_or_default().to_owned();
    let flags =
        text("x-flag").split(", ").filter(|flag| !flag.is_empty()).map(code).collect::<Vec<_>>();
    let default = match &setting["default"] {
        Value::Null => String::new(),
        Value::Array(list) => {
            list.iter().filter_map(Value::as_str).map(code).collect::<Vec<_>>().join(", ")
        }
        Value::String(text) => code(text),
        other => code(&other.to_string()),
    };
    let mut meaning = text("description").split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(values) = setting["items"]["enum"].as_array() {
        let values: Vec<String> = values.iter().filter_map(Value::as_str).map(code).collect();
        meaning += &format!(" A list of {}.", values.join(", "));
    }
    format!("| `{key}` | {} | {meaning} | {default} |\n", flags.join(", "))
}

/// A flag of a setting is one of `cargo wasm-oci push`, which takes all of them.
#[test]
fn the_flags_of_settings_are_there() {
    let mut command = cargo_wasm_oci::commands::Cargo::command();
    command.build();
    let push =
        command.find_subcommand("wasm-oci").and_then(|it| it.find_subcommand("push")).unwrap();
    let known = |name: &str| {
        push.get_arguments().any(|arg| {
            arg.get_long().is_some_and(|long| name == format!("--{long}"))
                || arg.get_short().is_some_and(|short| name == format!("-{short}"))
        })
    };
    let schema = schema::settings();
    for (key, setting) in schema["properties"].as_object().unwrap() {
        let flags = setting["x-flag"].as_str().unwrap_or_default();
        for flag in flags.split(", ").filter(|flag| !flag.is_empty()) {
            let name = flag.split(['[', '=']).next().unwrap();
            assert!(known(name), "`{key}`: there is no flag {flag}");
        }
    }
}

#[test]
fn the_schema_of_settings_is_that_of_the_code() {
    let schema = serde_json::to_string_pretty(&schema::cargo_toml()).unwrap();
    assert_generated("docs/settings.schema.json", &format!("{schema}\n"));
}

/// The schema and our parser accept and refuse the same examples and typos.
#[test]
fn the_schema_takes_what_we_take() {
    let folder = tempfile::tempdir().unwrap();
    let check = |manifest: &Path| {
        let mut check = tools::python_checker("check-jsonschema");
        check.arg("--schemafile").arg(root().join("docs/settings.schema.json")).arg(manifest);
        Run::of(&mut check)
    };
    for name in ["hello", "http", "image-filter"] {
        let _taken = check(&example(name)).success();
    }
    let all = r#"
        format = ["universal", "artifact"]
        optimize = 2
        size-budget = { module = "1 MB", image = 100000 }
        runtimes = ["node@20", "wasmtime"]
        bin.app = { user = "1", deny = ["sockets"], for = ["docker", "cri-1.7"] }
        smoke = [{ name = "a", stdin = "b", stdout = { contains = "c" }, files = { d = { from = "e" } } }]
    "#;
    let slips = [
        "lables = {}",
        "format = \"docker\"",
        "for = \"moby\"",
        "optimize = 5",
        "deny = [\"socket\"]",
        "runtimes = \"deno\"",
        "smoke = [{ name = \"a\", stdot = \"\" }]",
        "bin.app.usr = \"1\"",
    ];
    let manifest = folder.path().join("Cargo.toml");
    let write = |table: &str| {
        fs::write(&manifest, format!("[package.metadata.wasm-oci]\n{table}\n")).unwrap()
    };
    write(all);
    let _taken = check(&manifest).success();
    for slip in slips {
        write(slip);
        let run = check(&manifest);
        assert_ne!(run.code, 0, "the schema takes `{slip}`: {run:?}");
    }
}

#[test]
fn the_pages_of_commands_are_those_of_the_code() {
    for (page, mut command) in [
        ("docs/reference/cargo-wasm-oci.md", cargo_wasm_oci::commands::Cargo::command()),
        ("docs/reference/wasm-oci.md", wasm_oci::commands::Cli::command()),
    ] {
        command.build();
        let command = command.find_subcommand("wasm-oci").unwrap_or(&command);
        assert_generated(page, &commands_page(command));
    }
}

#[test]
fn every_key_of_a_smoke_test_is_documented() {
    let testing = read("docs/testing.md");
    let definitions = schema::cargo_toml()["definitions"].take();
    let keys = |table: &str| {
        let properties = definitions[table]["properties"].as_object().unwrap();
        properties.keys().cloned().collect::<Vec<_>>()
    };
    let tables = ["Case", "Content", "Expected", "Http", "Answer"];
    for key in tables.into_iter().flat_map(keys) {
        // In a table, or in an example.
        let known = [
            format!("`{key}`"),
            format!("{{ {key} = "),
            format!("\n{key} = "),
            format!(".{key} = "),
            format!("\n{key}."),
        ];
        assert!(
            known.iter().any(|text| testing.contains(text)),
            "docs/testing.md doesn't explain `{key}`"
        );
    }
}

#[test]
fn every_environment_variable_is_documented() {
    let source = read("app/src/config/env_vars.rs");
    let settings = read("docs/settings.md");
    let names =
        source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    for name in names {
        assert!(
            settings.contains(&format!("`{name}`")),
            "docs/settings.md doesn't explain `{name}`"
        );
    }
}

#[test]
fn the_tables_of_runtimes_are_those_of_the_code() {
    let tables =
        [("support", support_table()), ("options", options_table()), ("sources", sources_table())];
    assert_parts_generated("docs/runtimes.md", &tables);
}

#[test]
fn the_tables_of_consumers_are_those_of_the_code() {
    assert_parts_generated("docs/formats.md", &[("consumers", engines_table())]);
    assert_parts_generated(
        "docs/reference/incompatibilities.md",
        &[("incompatibilities", incompatibilities_table())],
    );
}

//! Settings of several sources.

use serde_json::json;

use super::*;

fn from(metadata: serde_json::Value) -> Result<Settings, SettingsError> {
    Settings::from_metadata(&metadata, "app", "[package.metadata.wasm-oci]", Path::new("/crate"))
}

#[test]
fn one_text_or_many_and_levels_of_any_kind() {
    let settings = from(json!({"format": "module", "tags": ["a", "b"], "optimize": 2})).unwrap();
    assert_eq!(settings.format.unwrap(), [Format::Module]);
    let tags = ["a", "b"].map(|tag| TagOrReference::Tag(tag.parse().unwrap()));
    assert_eq!(settings.tags.unwrap(), tags);
    assert_eq!(settings.optimize, Some(Level::O2));
    assert_eq!(from(json!({"optimize": false})).unwrap().optimize, Some(Level::Off));
}

#[test]
fn a_bins_own_settings_come_first_and_paths_start_at_the_crate() {
    let settings = from(json!({
        "user": "1", "env": {"A": "1", "B": "1"}, "include": {"/etc/x": "x"},
        "bin": {"app": {"env": {"B": "2"}}, "other": {"user": "2"}}
    }))
    .unwrap();
    assert_eq!(settings.user.as_deref(), Some("1"));
    assert_eq!(settings.env["A"], "1");
    assert_eq!(settings.env["B"], "2");
    assert_eq!(settings.include["/etc/x"], Path::new("/crate/x"));
}

#[test]
fn formats_and_whom_they_are_for_take_each_others_place() {
    let format = || from(json!({"format": "module"})).unwrap();
    let engines = || from(json!({"for": ["docker", "wkg"]})).unwrap();
    let over = format().over(engines());
    assert_eq!((over.format.is_some(), over.engines.is_some()), (true, false));
    let over = engines().over(format());
    assert_eq!((over.format.is_some(), over.engines.unwrap().len()), (false, 2));
}

#[test]
fn gates_of_all_sources_count() {
    let of = |deny: &str, runtime: &str| from(json!({"deny": [deny], "runtimes": runtime}));
    let (flags, package) = (of("sockets", "node@20").unwrap(), of("http", "node").unwrap());
    let workspace = of("sockets", "wasmtime").unwrap();
    let merged = flags.over(Settings::default()).over(package).over(workspace);
    let mut deny = merged.deny.unwrap();
    deny.sort();
    assert_eq!(deny, [Capability::Sockets, Capability::Http]);
    let mut runtimes: Vec<String> =
        merged.runtimes.unwrap().iter().map(ToString::to_string).collect();
    runtimes.sort();
    assert_eq!(runtimes, ["node", "node@20", "wasmtime"]);
    // A bin adds to its package, too.
    let settings = from(json!({"deny": ["http"], "bin": {"app": {"deny": ["sockets"]}}}));
    assert_eq!(settings.unwrap().deny.unwrap().len(), 2);
    // An empty list takes nothing back.
    let settings = from(json!({"deny": ["http"], "bin": {"app": {"deny": []}}}));
    assert_eq!(settings.unwrap().deny.unwrap(), [Capability::Http]);
}

#[test]
fn smoke_tests_are_merged_by_name() {
    let settings = from(json!({
        "smoke": [{"name": "a", "exit-code": 1}, {"name": "b"}],
        "bin": {"app": {"smoke": [{"name": "b", "exit-code": 2}]}, "other": {"smoke": [{"name": "c"}]}}
    }));
    let cases = settings.unwrap().smoke;
    let found: Vec<_> = cases.iter().map(|case| (case.name.as_str(), case.exit_code)).collect();
    assert_eq!(found, [("b", Some(2)), ("a", Some(1))]);
    assert_eq!(cases[0].folder, Path::new("/crate"));
    let error = from(json!({"smoke": [{"name": "a", "arg": []}]})).unwrap_err().to_string();
    assert!(error.contains("did you mean `args`?") && error.contains("`a`"), "{error}");
}

#[test]
fn a_slip_is_an_error_that_says_what_was_meant() {
    let error = from(json!({"lables": {}})).unwrap_err().to_string();
    assert!(
        error.contains("did you mean `labels`?") && error.contains("package.metadata"),
        "{error}"
    );
    let error = from(json!({"zzz": 1})).unwrap_err().to_string();
    assert!(error.contains("the settings are"), "{error}");
    let error = from(json!({"format": 1})).unwrap_err().to_string();
    assert!(error.contains("a text or a list of texts"), "{error}");
    let error = from(json!({"created": "now"})).unwrap_err().to_string();
    assert!(error.starts_with("invalid value for `created`"), "{error}");
    assert!(error.contains("`now`"), "{error}");
    assert!(from(json!([])).is_err());
}

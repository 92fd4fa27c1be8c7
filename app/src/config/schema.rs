//! JSON Schema of the settings, generated from the types that read them.
//!
//! It describes a whole `Cargo.toml`, so that editors complete and explain the keys.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use wasm_oci_core::compat::engines::EngineSelector;
use wasm_oci_core::compat::runtimes::Runtime;
use wasm_oci_core::image::{Format, LayerCompression};
use wasm_oci_core::module::{Capability, DebugInfo, Level};

use crate::config::c_compiler::Choice;
use crate::config::settings::Settings;
use crate::config::target::WasiTarget;

/// URL of the newest schema.
pub const ID: &str =
    "https://raw.githubusercontent.com/wasm-oci/wasm-oci/main/docs/settings.schema.json";

/// Base URL of the links in descriptions.
const PAGES: &str = "https://github.com/wasm-oci/wasm-oci/blob/main/docs/";

/// Returns the schema of a `Cargo.toml` with our settings.
pub fn cargo_toml() -> Value {
    // TOML editors read draft 7 (https://json-schema.org/draft-07/json-schema-release-notes).
    let mut settings =
        generated(SchemaSettings::draft07().with_transform(RecursiveTransform(absolute_links)));
    let mut definitions = settings["definitions"].take();
    if let Some(settings) = settings.as_object_mut() {
        settings.retain(|key, _| !["$schema", "definitions"].contains(&key.as_str()));
    }
    // Only the outer table has `bin`: `from_metadata` refuses it within a program's own table.
    let mut table = settings.clone();
    table["properties"]["bin"] = json!({
        "description": "Settings of one program of a package with several, by its name.",
        "type": "object",
        "additionalProperties": { "$ref": "#/definitions/Settings" },
    });
    definitions["Settings"] = settings;
    definitions["Table"] = table;
    let place = json!({ "properties": { "metadata": { "properties": {
        "wasm-oci": { "$ref": "#/definitions/Table" }
    } } } });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": ID,
        "title": "Cargo.toml with settings of wasm-oci",
        "type": "object",
        "properties": { "package": place, "workspace": place },
        "definitions": definitions,
    })
}

/// Returns the schema of a table of settings. In addition to the keywords of JSON Schema, each key has the equivalent flag as
/// `x-flag`.
pub fn settings() -> Value {
    generated(SchemaSettings::draft07())
}

fn generated(how: SchemaSettings) -> Value {
    let how = how.with_transform(RecursiveTransform(only_what_toml_has));
    how.into_generator().into_root_schema_for::<Settings>().to_value()
}

// Editors show descriptions outside of our documentation, where relative links don't work.
fn absolute_links(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace("](", &format!("]({PAGES}"));
    }
}

// TOML has no null: a missing value is a missing key. So a default or type `null` would only mislead editors.
fn only_what_toml_has(schema: &mut Schema) {
    if let Some(default) = schema.get_mut("default").map(Value::take) {
        schema.remove("default");
        if let Some(said) = without_nulls(default) {
            schema.insert("default".to_owned(), said);
        }
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    // schemars describes an `Option` as `anyOf: [type, null]`.
    if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
        any.retain(|other| other != &json!({ "type": "null" }));
        if let [Value::Object(only)] = any.as_mut_slice() {
            let only = std::mem::take(only);
            schema.remove("anyOf");
            only.into_iter().for_each(|(key, value)| drop(schema.insert(key, value)));
        }
    }
}

/// Returns a default without its nulls, if anything remains.
fn without_nulls(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        // `Settings::default()` has empty lists and tables, which would tell users nothing.
        Value::Array(list) => (!list.is_empty()).then_some(Value::Array(list)),
        Value::Object(table) => {
            let said =
                table.into_iter().filter_map(|(key, value)| Some((key, without_nulls(value)?)));
            let said: serde_json::Map<String, Value> = said.collect();
            (!said.is_empty()).then_some(Value::Object(said))
        }
        value => Some(value),
    }
}

// The functions from here on describe settings that `deserialize_with` reads: schemars sees only the types of their fields,
// and some of those are in `core`, which does without schemars.
fn one_or_many(item: Schema) -> Schema {
    json_schema!({ "anyOf": [item, { "type": "array", "items": item }] })
}

fn list_of(names: impl IntoIterator<Item = &'static str>) -> Schema {
    json_schema!({ "type": "array", "items": one_of(names) })
}

fn one_of(names: impl IntoIterator<Item = &'static str>) -> Schema {
    json_schema!({ "enum": names.into_iter().collect::<Vec<_>>() })
}

pub(crate) fn texts(_: &mut SchemaGenerator) -> Schema {
    one_or_many(json_schema!({ "type": "string" }))
}

pub(crate) fn formats(_: &mut SchemaGenerator) -> Schema {
    one_or_many(one_of(Format::ALL.map(Format::name)))
}

pub(crate) fn engine_selectors(_: &mut SchemaGenerator) -> Schema {
    one_or_many(one_of(EngineSelector::names()))
}

pub(crate) fn capabilities(_: &mut SchemaGenerator) -> Schema {
    list_of(Capability::ALL.map(Capability::name))
}

/// Accepts `node` and `node@20`.
pub(crate) fn runtimes(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = Runtime::all().map(Runtime::name).collect();
    let pattern = format!(r"^({})(@\d+(\.\d+)?)?$", names.join("|"));
    one_or_many(json_schema!({ "type": "string", "pattern": pattern }))
}

/// Accepts all names as text, numeric ones also as numbers, and `false`.
pub(crate) fn levels(_: &mut SchemaGenerator) -> Schema {
    let names = Level::ALL.map(Level::name);
    let numbers = names.iter().filter_map(|name| name.parse::<u8>().ok()).map(Value::from);
    let all: Vec<Value> =
        names.map(Value::from).into_iter().chain(numbers).chain([Value::Bool(false)]).collect();
    json_schema!({ "enum": all })
}

pub(crate) fn debug_info(_: &mut SchemaGenerator) -> Schema {
    one_of(DebugInfo::ALL.map(DebugInfo::name))
}

pub(crate) fn layer_compressions(_: &mut SchemaGenerator) -> Schema {
    one_of(LayerCompression::ALL.map(LayerCompression::name))
}

pub(crate) fn targets(_: &mut SchemaGenerator) -> Schema {
    one_of(WasiTarget::ALL.map(WasiTarget::name))
}

pub(crate) fn c_compilers(_: &mut SchemaGenerator) -> Schema {
    one_of(Choice::ALL.map(Choice::name))
}

/// Accepts what [`Budget`](crate::config::budget::Budget) reads.
pub(crate) fn size_budget(_: &mut SchemaGenerator) -> Schema {
    let size = json!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }] });
    json_schema!({ "anyOf": [size, {
        "type": "object",
        "properties": { "module": size, "image": size },
        "additionalProperties": false,
    }] })
}

/// Accepts a text as a short form of the table `T`.
fn in_short<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<T>()] })
}

pub(crate) fn content(generator: &mut SchemaGenerator) -> Schema {
    in_short::<crate::config::smoke::case::Content>(generator)
}

pub(crate) fn contents(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": content(generator) })
}

pub(crate) fn expected(generator: &mut SchemaGenerator) -> Schema {
    in_short::<crate::config::smoke::case::Expected>(generator)
}

pub(crate) fn all_expected(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": expected(generator) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn keys(value: &Value) -> Vec<&String> {
        value.as_object().unwrap().keys().collect()
    }

    #[test]
    fn it_has_every_setting_and_no_other() {
        let schema = cargo_toml();
        let settings = keys(&schema["definitions"]["Settings"]["properties"]);
        let read = |key: &String| {
            let nonsense = json!({ key: [[1]] });
            Settings::from_metadata(&nonsense, "app", "a table", Path::new(""))
        };
        // What isn't read can't be wrong.
        settings.iter().for_each(|key| assert!(read(key).is_err(), "{key}"));
        let table = keys(&schema["definitions"]["Table"]["properties"]);
        assert_eq!(table.len(), settings.len() + 1);
    }

    #[test]
    fn every_key_says_what_it_is() {
        let schema = cargo_toml();
        for (name, definition) in schema["definitions"].as_object().unwrap() {
            for (key, value) in definition["properties"].as_object().unwrap() {
                assert!(value["description"].is_string(), "{name}.{key}: {value}");
            }
            assert_eq!(definition["additionalProperties"], json!(false), "{name}");
        }
    }

    #[test]
    fn there_is_no_null_in_it() {
        let schema = cargo_toml().to_string();
        assert!(!schema.contains("null"), "{schema}");
    }

    #[test]
    fn references_lead_somewhere() {
        fn look(value: &Value, schema: &Value) {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(to)) = object.get("$ref") {
                        assert!(schema.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
                    }
                    object.values().for_each(|value| look(value, schema));
                }
                Value::Array(list) => list.iter().for_each(|value| look(value, schema)),
                _ => {}
            }
        }
        let schema = cargo_toml();
        look(&schema, &schema);
    }
}

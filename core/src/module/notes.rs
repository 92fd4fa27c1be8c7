//! Signs that a module does nothing.

use wasmparser::component_types::{ComponentEntityType, ComponentInstanceTypeId};
use wasmparser::types::TypesRef;
use wasmparser::{BinaryReaderError, Encoding, KnownCustom, Name, Parser, Payload, TypeRef};

use super::defects::has_function;
use super::{BuiltModule, Export, ExternalKind, Kind, Report, readable_name};
use crate::text::visible;

/// Exports that compilers add, and that hosts call on their own account only.
const NOT_CALLED: [&str; 4] =
    ["_initialize", "__wasm_call_ctors", "cabi_realloc", "__wasilibc_initialize_environ"];

impl Report {
    /// Returns signs that the module does nothing, although it is valid.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        if !self.has_entry {
            let what = if self.kind.is_component() { "component" } else { "module" };
            return vec![format!(
                "nothing in this {what} can be started or called: it has no `main`, and exports no function"
            )];
        }
        let is_program = self.kind == Kind::Command
            || self.kind.is_component() && self.exports.iter().all(is_run);
        match is_program && self.imports.is_empty() {
            true => vec![
                "this program imports nothing, so it can neither read nor print anything, nor fail with an exit code: is its \
                 `main` empty for Wasm?"
                    .to_owned(),
            ],
            false => Vec::new(),
        }
    }
}

fn is_run(export: &Export) -> bool {
    export.name.starts_with("wasi:cli/run@")
}

/// Returns true if a core module with these exports can be started or called.
pub(super) fn module_has_entry(exports: &[Export], has_start: bool) -> bool {
    let is_called = |export: &Export| {
        export.kind == ExternalKind::Function
            && !NOT_CALLED.contains(&export.name.as_str())
            && !export.name.starts_with("cabi_post_")
    };
    has_start || exports.iter().any(is_called)
}

/// Returns true if a component with these exports can be started or called.
pub(super) fn component_has_entry(types: TypesRef<'_>, exports: &[Export]) -> bool {
    // Only hosts with a use for them start what is in these.
    let is_entry = |export: &Export| match export.kind {
        ExternalKind::Function | ExternalKind::Component | ExternalKind::Module => true,
        ExternalKind::Instance => is_run(export) && has_function(types, &export.name, "run"),
        _ => false,
    };
    // An interface may consist of types alone. Only the validator knows its content.
    let of_export = |export: &Export| types.component_item_for_export(&export.name);
    let mut interfaces = exports.iter().filter(|export| export.kind == ExternalKind::Instance);
    exports.iter().any(is_entry)
        || interfaces.any(|it| of_export(it).is_some_and(|item| is_callable(types, &item.ty)))
}

fn is_callable(types: TypesRef<'_>, ty: &ComponentEntityType) -> bool {
    match ty {
        ComponentEntityType::Func(_)
        | ComponentEntityType::Module(_)
        | ComponentEntityType::Component(_) => true,
        ComponentEntityType::Instance(id) => instance_is_callable(types, *id),
        ComponentEntityType::Value(_) | ComponentEntityType::Type { .. } => false,
    }
}

fn instance_is_callable(types: TypesRef<'_>, id: ComponentInstanceTypeId) -> bool {
    // The validator limits the depth of types.
    types[id].exports.values().any(|item| is_callable(types, &item.ty))
}

impl BuiltModule {
    /// Returns the name of an empty `main` of Rust, such as `app::main`.
    #[must_use]
    pub fn empty_main(&self) -> Option<String> {
        // rustc calls `main` through a pointer, so it stays a function of its own. The optimizer may merge it with others.
        // A module that can't be read has none; `validate` says what is wrong.
        empty_functions(self.bytes())
            .unwrap_or_default()
            .into_iter()
            .find(|name| name.split_once("::").is_some_and(|(_, function)| function == "main"))
    }
}

/// Returns the readable names of functions without any instruction, in all core modules.
fn empty_functions(bytes: &[u8]) -> Result<Vec<String>, BinaryReaderError> {
    let mut found = Vec::new();
    // The number of functions so far and the empty ones, for each module that is open.
    let mut open: Vec<(u32, Vec<u32>)> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => {
                open.push((0, Vec::new()));
            }
            Payload::End(_) => drop(open.pop()),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let (TypeRef::Func(_) | TypeRef::FuncExact(_), Some((count, _))) =
                        (import?.ty, open.last_mut())
                    {
                        *count = count.saturating_add(1);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let Some((count, empty)) = open.last_mut() else { continue };
                // No locals, and the instruction `end`.
                if body.as_bytes() == [0, 0x0b] {
                    empty.push(*count);
                }
                *count = count.saturating_add(1);
            }
            Payload::CustomSection(section) => {
                let (KnownCustom::Name(names), Some((_, empty))) =
                    (section.as_known(), open.last())
                else {
                    continue;
                };
                for name in names.into_iter().map_while(Result::ok) {
                    let Name::Function(names) = name else { continue };
                    let names = names.into_iter().map_while(Result::ok);
                    let names = names.filter(|name| empty.contains(&name.index));
                    found.extend(names.map(|name| visible(&readable_name(name.name))));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::{ValidateOptions, validate};
    use super::*;

    fn notes(wat: &str) -> Vec<String> {
        let module = BuiltModule::new("test.wasm", wat::parse_str(wat).unwrap()).unwrap();
        validate(module.unoptimized(), &ValidateOptions::any_import()).unwrap().report().notes()
    }

    #[test]
    fn what_has_no_entry_is_noted() {
        for wat in [
            "(module)",
            r#"(module (memory (export "memory") 1) (global (export "_start") i32 (i32.const 0)))"#,
            r#"(module (func (export "_initialize")) (func (export "cabi_realloc")) (func $not_exported))"#,
            "(component)",
            r#"(component (core module (func (export "_start"))))"#,
            r#"(component (type $t u32) (export "t" (type $t)))"#,
            r#"(component (type $t u32) (instance $i (export "t" (type $t))) (export "a:b/types" (instance $i)))"#,
        ] {
            let [note] = notes(wat).try_into().unwrap();
            assert!(note.contains("can be started or called"), "{wat}: {note}");
        }
    }

    #[test]
    fn what_has_an_entry_is_not_noted() {
        for wat in [
            r#"(module (func (export "add")))"#,
            r#"(module (func $f) (start $f))"#,
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start")))"#,
            r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f"))) (export "f" (func $f)))"#,
            r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f"))) (instance $j (export "f" (func $f)))
                (export "a:b/c" (instance $j)))"#,
            r#"(component (core module $m) (export "m" (core module $m)))"#,
        ] {
            assert_eq!(notes(wat), [""; 0], "{wat}");
        }
    }

    #[test]
    fn a_program_without_an_import_is_noted() {
        let program = |version: &str| {
            format!(
                r#"(component (core module $m (func (export "f") (result i32) (i32.const 0))) (core instance $i (instantiate $m))
                (func $f (result (result)) (canon lift (core func $i "f"))) (instance $j (export "run" (func $f)))
                (export "{version}" (instance $j)))"#
            )
        };
        for wat in [r#"(module (func (export "_start")))"#, &program("wasi:cli/run@0.2.0")] {
            let [note] = notes(wat).try_into().unwrap();
            assert!(note.contains("imports nothing"), "{note}");
        }
        assert_eq!(notes(&program("a:b/run@0.2.0")), [""; 0]);
    }

    #[test]
    fn an_empty_main_is_found_in_modules_and_components() {
        let module = |name: &str, body: &str| {
            format!(
                r#"(core module (import "a" "b" (func)) (func $other nop) (func ${name} {body}))"#
            )
        };
        let empty =
            |wat: &str| BuiltModule::new("x", wat::parse_str(wat).unwrap()).unwrap().empty_main();
        let main = "_ZN1e4main17ha6c2fea6a6c9db89E";
        let of = |wat: &str| empty(&format!("({}", wat.trim_start_matches("(core ")));
        assert_eq!(of(&module(main, "")).as_deref(), Some("e::main"));
        assert_eq!(of(&module(main, "call 0")), None);
        assert_eq!(of(&module("_ZN1e5other4main17ha6c2fea6a6c9db89E", "")), None);
        let component = format!("(component {} {})", module("f", ""), module(main, ""));
        assert_eq!(empty(&component).as_deref(), Some("e::main"));
        assert_eq!(
            BuiltModule::new("x", b"\0asm\x01\0\0\0\x0a\x05".to_vec()).unwrap().empty_main(),
            None
        );
    }
}

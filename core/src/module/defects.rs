//! Defects of a valid module that keep every runtime from starting it: imports that WASI doesn't have, and entry points of
//! another type.

use std::fmt;

use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{Export as ParserExport, Import as ParserImport, ValType};

use super::{ExternalKind, Import, Report, WASI_PREVIEW_1};
use crate::text::visible;

/// The functions of WASI preview 1 with their parameters and results: `i` is `i32`, `I` is `i64`
/// ([WASI 0.1](https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md)).
#[rustfmt::skip]
const PREVIEW_1: [(&str, &str, &str); 46] = [
    ("args_get", "ii", "i"),
    ("args_sizes_get", "ii", "i"),
    ("clock_res_get", "ii", "i"),
    ("clock_time_get", "iIi", "i"),
    ("environ_get", "ii", "i"),
    ("environ_sizes_get", "ii", "i"),
    ("fd_advise", "iIIi", "i"),
    ("fd_allocate", "iII", "i"),
    ("fd_close", "i", "i"),
    ("fd_datasync", "i", "i"),
    ("fd_fdstat_get", "ii", "i"),
    ("fd_fdstat_set_flags", "ii", "i"),
    ("fd_fdstat_set_rights", "iII", "i"),
    ("fd_filestat_get", "ii", "i"),
    ("fd_filestat_set_size", "iI", "i"),
    ("fd_filestat_set_times", "iIIi", "i"),
    ("fd_pread", "iiiIi", "i"),
    ("fd_prestat_dir_name", "iii", "i"),
    ("fd_prestat_get", "ii", "i"),
    ("fd_pwrite", "iiiIi", "i"),
    ("fd_read", "iiii", "i"),
    ("fd_readdir", "iiiIi", "i"),
    ("fd_renumber", "ii", "i"),
    ("fd_seek", "iIii", "i"),
    ("fd_sync", "i", "i"),
    ("fd_tell", "ii", "i"),
    ("fd_write", "iiii", "i"),
    ("path_create_directory", "iii", "i"),
    ("path_filestat_get", "iiiii", "i"),
    ("path_filestat_set_times", "iiiiIIi", "i"),
    ("path_link", "iiiiiii", "i"),
    ("path_open", "iiiiiIIii", "i"),
    ("path_readlink", "iiiiii", "i"),
    ("path_remove_directory", "iii", "i"),
    ("path_rename", "iiiiii", "i"),
    ("path_symlink", "iiiii", "i"),
    ("path_unlink_file", "iii", "i"),
    ("poll_oneoff", "iiii", "i"),
    ("proc_exit", "i", ""),
    ("proc_raise", "i", "i"),
    ("random_get", "ii", "i"),
    ("sched_yield", "", "i"),
    ("sock_accept", "iii", "i"),
    ("sock_recv", "iiiiii", "i"),
    ("sock_send", "iiiii", "i"),
    ("sock_shutdown", "ii", "i"),
];

/// Functions that need no memory of the module.
const WITHOUT_MEMORY: [&str; 3] = ["proc_exit", "proc_raise", "sched_yield"];

/// Packages of WASI whose versions every runtime that has them shares.
const PACKAGES: [&str; 7] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];
/// Those that there are. Runtimes take later ones of the same minor version, too.
const VERSIONS: [&str; 2] = ["0.2.", "0.3."];

/// A reason why no runtime starts a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defect {
    /// True if an import from WASI preview 1 is wrong.
    pub(super) is_preview_1: bool,
    pub(super) reason: String,
}

impl Defect {
    fn new(reason: String) -> Defect {
        Defect { is_preview_1: false, reason }
    }

    /// Looks at an import of a core module.
    pub(super) fn of_import(types: TypesRef<'_>, import: &ParserImport<'_>) -> Option<Defect> {
        if import.module != WASI_PREVIEW_1 {
            return None;
        }
        let name = visible(import.name);
        let wrong = |reason: String| Some(Defect { is_preview_1: true, reason });
        let Some((_, params, results)) = PREVIEW_1.iter().find(|(known, ..)| *known == import.name)
        else {
            return wrong(format!("WASI preview 1 has no `{name}`"));
        };
        let expected = Signature { params: of_letters(params), results: of_letters(results) };
        match types.entity_type_from_import(import).and_then(|ty| signature(types, ty)) {
            Some(found) if found == expected => None,
            Some(found) => {
                wrong(format!("its type is {found}, but in WASI preview 1 `{name}` is {expected}"))
            }
            None => wrong(format!("in WASI preview 1, `{name}` is a function")),
        }
    }

    /// Looks at an export of a core module.
    pub(super) fn of_export(types: TypesRef<'_>, export: &ParserExport<'_>) -> Option<Defect> {
        let found = types.entity_type_from_export(export).and_then(|ty| signature(types, ty))?;
        let is_wrong = export.name == "_start" && found != Signature::default();
        is_wrong.then(|| {
            Defect::new(format!(
                "its `_start` is {found}, but a program has neither parameters nor results"
            ))
        })
    }
}

/// Returns the type of a function.
fn signature(types: TypesRef<'_>, ty: EntityType) -> Option<Signature> {
    let (EntityType::Func(id) | EntityType::FuncExact(id)) = ty else { return None };
    let ty = types.get(id)?.unwrap_func();
    Some(Signature { params: ty.params().to_vec(), results: ty.results().to_vec() })
}

fn of_letters(letters: &str) -> Vec<ValType> {
    letters.chars().map(|it| if it == 'I' { ValType::I64 } else { ValType::I32 }).collect()
}

#[derive(Default, PartialEq, Eq)]
struct Signature {
    params: Vec<ValType>,
    results: Vec<ValType>,
}

impl fmt::Display for Signature {
    /// `(i32, i64) -> i32`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A module may have a thousand of them.
        let list = |types: &[ValType]| {
            let shown: Vec<String> = types.iter().take(16).map(ToString::to_string).collect();
            format!("{}{}", shown.join(", "), if types.len() > 16 { ", …" } else { "" })
        };
        write!(f, "({})", list(&self.params))?;
        match self.results.as_slice() {
            [] => Ok(()),
            [only] => write!(f, " -> {only}"),
            several => write!(f, " -> ({})", list(several)),
        }
    }
}

impl Report {
    /// Returns the reason why no runtime starts the module, if there is one.
    #[must_use]
    pub fn defect(&self) -> Option<String> {
        let known = self.defects.first().map(|defect| defect.reason.clone());
        known.or_else(|| self.wrong_version()).or_else(|| self.without_memory()).or_else(|| {
            (!self.has_entry).then(|| "nothing in it can be started or called".to_owned())
        })
    }

    fn wrong_version(&self) -> Option<String> {
        let exports = self.exports.iter().map(|export| export.name.as_str());
        let mut names = self.imports.iter().map(Import::interface).chain(exports);
        let is_wrong = |name: &&str| {
            let version = name.split_once('@').map(|(_, version)| version);
            PACKAGES.iter().any(|package| name.starts_with(package))
                && version.is_some_and(|it| !VERSIONS.iter().any(|known| it.starts_with(known)))
        };
        let name = names.find(is_wrong).filter(|_| self.kind.is_component())?;
        Some(format!("no runtime has this version of `{}`", visible(name)))
    }

    /// Returns the reason if its imports would look for a memory that the module doesn't export.
    fn without_memory(&self) -> Option<String> {
        let uses = |import: &&Import| {
            import.module == WASI_PREVIEW_1 && !WITHOUT_MEMORY.contains(&import.name.as_str())
        };
        let import = self.imports.iter().find(uses)?;
        let has_memory = self
            .exports
            .iter()
            .any(|export| export.kind == ExternalKind::Memory && export.name == "memory");
        (!has_memory).then(|| {
            format!("it imports `{import}`, which needs an exported memory with the name `memory`")
        })
    }
}

/// Returns true if this interface, which a component exports, has a function with the name.
pub(super) fn has_function(types: TypesRef<'_>, interface: &str, name: &str) -> bool {
    let Some(item) = types.component_item_for_export(interface) else { return false };
    let ComponentEntityType::Instance(id) = item.ty else { return false };
    types.get(id).is_some_and(|instance| {
        matches!(instance.exports.get(name).map(|it| &it.ty), Some(ComponentEntityType::Func(_)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::report;
    use super::super::{BuiltModule, ValidateOptions, validate};
    use super::*;

    fn defect(wat: &str) -> Option<String> {
        report(&wat::parse_str(wat).unwrap()).unwrap().defect()
    }

    #[test]
    fn what_no_runtime_starts_is_found() {
        let import = |name: &str, ty: &str| {
            format!(
                r#"(module (import "wasi_snapshot_preview1" "{name}" {ty}) (memory (export "memory") 1)
                (func (export "_start")))"#
            )
        };
        let fd_write = "(func (param i32 i32 i32 i32) (result i32))";
        assert_eq!(defect(&import("fd_write", fd_write)), None);
        assert_eq!(defect(&import("proc_exit", "(func (param i32))")), None);
        for (wat, reason) in [
            (import("sock_open", "(func)"), "no `sock_open`"),
            (import("fd_write", "(func (param i64))"), "`fd_write` is (i32, i32, i32, i32) -> i32"),
            (import("fd_write", "(global i32)"), "`fd_write` is a function"),
            (import("fd_write", fd_write).replace("\"memory\"", "\"m\""), "an exported memory"),
            (r#"(module (func (export "_start") (param i32)))"#.to_owned(), "`_start` is (i32)"),
            (r#"(module (memory (export "memory") 1))"#.to_owned(), "nothing in it"),
            ("(component)".to_owned(), "nothing in it"),
            (
                r#"(component (import "wasi:cli/stdout@0.9.9" (instance)))"#.to_owned(),
                "this version",
            ),
            (
                r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#
                    .to_owned(),
                "nothing in it",
            ),
        ] {
            let found = defect(&wat).unwrap();
            assert!(found.contains(reason), "{wat}: {found}");
        }
        let run = |version: &str| {
            format!(
                r#"(component (core module $m (func (export "f") (result i32) (i32.const 0))) (core instance $i (instantiate $m))
                (func $f (result (result)) (canon lift (core func $i "f"))) (instance $j (export "run" (func $f)))
                (export "wasi:cli/run@{version}" (instance $j)))"#
            )
        };
        assert_eq!((defect(&run("0.2.99")), defect(&run("0.3.0"))), (None, None));
        assert!(defect(&run("0.9.9")).unwrap().contains("wasi:cli/run@0.9.9"));
    }

    #[test]
    fn imports_that_wasi_lacks_are_refused_unless_allowed() {
        let wat = r#"(module (import "wasi_snapshot_preview1" "sock_open" (func)) (func (export "_start")))"#;
        let validated = |options: &ValidateOptions| {
            let module = BuiltModule::new("x.wasm", wat::parse_str(wat).unwrap()).unwrap();
            validate(module.unoptimized(), options).map(drop).map_err(|e| e.to_string())
        };
        let error = validated(&ValidateOptions::default()).unwrap_err();
        assert!(error.contains("no `sock_open`") && error.contains("--allow-import"), "{error}");
        let allow_imports = [WASI_PREVIEW_1.to_owned()].into();
        assert!(validated(&ValidateOptions { allow_imports, ..Default::default() }).is_ok());
        assert!(validated(&ValidateOptions::any_import()).is_ok());
    }
}

//! Validation: the only way to a [`ValidatedModule`], from which images are made.

use std::collections::BTreeSet;

use wasmparser::{Parser, Payload};

use super::origin::{other_cause, usual_cause};
use super::uses::uses;
use super::{Capability, Import, OptimizedModule, Report, Use, ValidateError, report};
use crate::text::visible;

/// The module name of WASI preview 1's imports
/// ([WASI 0.1](https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md)).
pub const WASI_PREVIEW_1: &str = "wasi_snapshot_preview1";
/// The module name of WASI preview 0's imports, which has the same functions with other types
/// ([preview 0](https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview0/docs.md)).
pub(super) const WASI_PREVIEW_0: &str = "wasi_unstable";

/// The user's choices for validation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidateOptions {
    /// Import modules to accept in addition to WASI's, for runtimes that provide them. For a component: interfaces or
    /// packages that `deny` can't judge.
    pub allow_imports: BTreeSet<String>,
    /// Capabilities that the module must not have.
    pub deny: BTreeSet<Capability>,
    /// Accept any import module, to inspect a module without making an image of it.
    pub allow_any_import: bool,
}

impl ValidateOptions {
    /// Returns options that accept any import, to inspect a module.
    #[must_use]
    pub fn any_import() -> ValidateOptions {
        ValidateOptions { allow_any_import: true, ..ValidateOptions::default() }
    }
}

/// A module that is valid and imports nothing that its runtime lacks.
#[derive(Debug, Clone)]
pub struct ValidatedModule {
    module: OptimizedModule,
    report: Report,
}

impl ValidatedModule {
    /// The name for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.module.name()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.module.bytes()
    }

    /// The same module with the names of its functions: [`OptimizedModule::named`].
    #[must_use]
    pub fn named(&self) -> &[u8] {
        self.module.named()
    }

    /// The size in bytes before optimizing.
    #[must_use]
    pub fn raw_size(&self) -> u64 {
        self.module.raw_size()
    }

    /// Facts about the module.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Finds where the module uses each of `features`, by their names in the report. Each feature costs a pass over
    /// the code.
    ///
    /// # Errors
    /// [`ValidateError::Malformed`] when the names in it can't be read.
    pub fn uses(&self, features: &[&str]) -> Result<Vec<Use>, ValidateError> {
        uses(self.named(), &self.report.features, features)
            .map_err(|e| ValidateError::malformed(self.name(), &e))
    }
}

/// Validates the bytes that go into an image: after optimizing, not before.
///
/// # Errors
/// [`ValidateError::Malformed`], or [`ValidateError::ForeignImport`] for a core module that imports from
/// another module than [`WASI_PREVIEW_1`] and those allowed, or [`ValidateError::Denied`] or
/// [`ValidateError::Unjudged`].
pub fn validate(
    module: OptimizedModule,
    options: &ValidateOptions,
) -> Result<ValidatedModule, ValidateError> {
    check_depth(module.name(), module.bytes())?;
    let malformed = |e| ValidateError::malformed(module.name(), &e);
    let report = report::report(module.bytes()).map_err(malformed)?;
    // A component's imports depend on its world, and there is no fixed list of worlds.
    if !report.kind.is_component() && !options.allow_any_import {
        check_imports(module.name(), &report, options)?;
    }
    check_capabilities(module.name(), &report, options)?;
    Ok(ValidatedModule { module, report })
}

/// Refuses a capability that the user denies, and any import that can't be judged if the user denies something.
fn check_capabilities(
    name: &str,
    report: &Report,
    options: &ValidateOptions,
) -> Result<(), ValidateError> {
    let known = options.deny.iter().filter(|capability| **capability != Capability::Unknown);
    for capability in known {
        if let Some(import) = report.import_for(*capability) {
            return Err(ValidateError::Denied {
                name: name.to_owned(),
                capability: *capability,
                import: import.to_string(),
            });
        }
    }
    match report.unjudged_import(&options.allow_imports) {
        Some(import) if !options.deny.is_empty() => Err(ValidateError::Unjudged {
            name: name.to_owned(),
            import: import.to_string(),
            allow: import.interface().split('@').next().unwrap_or_default().to_owned(),
        }),
        _ => Ok(()),
    }
}

// Tools nest components two or three levels deep. The limit keeps every reader of components from running out of memory
// or stack.
pub(super) const DEEPEST: usize = 16;

/// Checks the nesting without reading more than the starts and ends of components and modules.
pub(super) fn check_depth(name: &str, bytes: &[u8]) -> Result<(), ValidateError> {
    let mut depth = 0_usize;
    // The validator reports malformed input, and says where it is.
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        match payload {
            Payload::Version { range, .. } if depth == DEEPEST => {
                return Err(ValidateError::Malformed {
                    name: name.to_owned(),
                    reason: format!("components are nested more than {DEEPEST} deep"),
                    offset: range.start as u64,
                });
            }
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn check_imports(
    name: &str,
    report: &Report,
    options: &ValidateOptions,
) -> Result<(), ValidateError> {
    let provided =
        |module: &str| module == WASI_PREVIEW_1 || options.allow_imports.contains(module);
    let foreign: Vec<&Import> =
        report.imports.iter().filter(|import| !provided(&import.module)).collect();
    let Some(first) = foreign.first() else { return check_preview_1(name, report, options) };
    // The import that tells who made the module isn't always the first.
    let (import, cause) = match usual_cause(&foreign) {
        Some((import, cause)) => (import, cause.to_owned()),
        None => (*first, other_cause(first)),
    };
    Err(ValidateError::ForeignImport {
        name: name.to_owned(),
        import: import.to_string(),
        cause,
        more: foreign.len() - 1,
    })
}

/// Refuses imports from WASI preview 1 that it doesn't have, unless the user's runtime has them.
fn check_preview_1(
    name: &str,
    report: &Report,
    options: &ValidateOptions,
) -> Result<(), ValidateError> {
    let defect = report.defects.iter().find(|defect| defect.is_preview_1);
    match defect.filter(|_| !options.allow_imports.contains(WASI_PREVIEW_1)) {
        Some(defect) => {
            Err(ValidateError::NotInWasi { name: name.to_owned(), reason: defect.reason.clone() })
        }
        None => Ok(()),
    }
}

impl ValidateError {
    pub(super) fn malformed(name: &str, error: &wasmparser::BinaryReaderError) -> ValidateError {
        ValidateError::Malformed {
            name: name.to_owned(),
            // Some messages have their context on a line of its own, and quote names from the module.
            reason: visible(&error.message().lines().collect::<Vec<_>>().join(": ")),
            offset: error.offset() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BuiltModule;
    use super::*;

    fn validated(wat: &str, options: &ValidateOptions) -> Result<ValidatedModule, ValidateError> {
        let bytes = wat::parse_str(wat).unwrap();
        validate(BuiltModule::new("test.wasm", bytes).unwrap().unoptimized(), options)
    }

    #[test]
    fn wasi_is_accepted_and_foreign_imports_are_explained() {
        let import =
            |module: &str, name: &str| format!(r#"(module (import "{module}" "{name}" (func)))"#);
        let message = |module: &str, name: &str| {
            validated(&import(module, name), &ValidateOptions::default()).unwrap_err().to_string()
        };
        assert!(
            validated(
                &import(WASI_PREVIEW_1, "sched_yield").replace("(func)", "(func (result i32))"),
                &ValidateOptions::default()
            )
            .is_ok()
        );
        assert!(message("env", "foo").contains("`env.foo`"));
        assert!(message("env", "foo").contains("link the C library"));
        assert!(message("__wbindgen_placeholder__", "x").contains("wasm-bindgen"));
        assert!(message("gojs", "x").contains("GOOS=wasip1"));
        assert!(message("host", "x").contains("--allow-import host"));
        let options =
            ValidateOptions { allow_imports: ["host".to_owned()].into(), ..Default::default() };
        assert!(validated(&import("host", "x"), &options).is_ok());
    }

    #[test]
    fn who_made_a_module_is_recognized() {
        let message =
            |wat: &str| validated(wat, &ValidateOptions::default()).unwrap_err().to_string();
        // The memory comes first, as in any program for wasm32-wasip1-threads.
        let threads = message(
            r#"(module (import "env" "memory" (memory 1 16 shared))
                (import "wasi" "thread-spawn" (func (param i32) (result i32))))"#,
        );
        assert!(threads.contains("imports `wasi.thread-spawn`"), "{threads}");
        assert!(threads.contains("threaded program") && !threads.contains("--import-memory"));
        let of = |names: &[&str]| {
            let imports = names.iter().map(|name| format!(r#"(import "env" "{name}" (func))"#));
            message(&format!("(module {})", imports.collect::<String>()))
        };
        assert!(of(&["abort"]).contains("AssemblyScript"));
        assert!(of(&["abort", "emscripten_resize_heap"]).contains("built with Emscripten"));
        let proxy = of(&["proxy_log", "proxy_get_property"]);
        assert!(proxy.contains("Envoy") && proxy.contains("--allow-import env"), "{proxy}");
        let growth = of(&["emscripten_notify_memory_growth"]);
        assert!(growth.contains("-sALLOW_MEMORY_GROWTH=0") && !growth.contains("STANDALONE"));
        let old = message(r#"(module (import "wasi_unstable" "fd_write" (func)))"#);
        assert!(old.contains("preview 0") && old.contains("wasm32-wasip1"), "{old}");
    }

    #[test]
    fn what_is_denied_is_refused_with_the_import() {
        let deny = [Capability::Sockets, Capability::Random].into();
        let options = ValidateOptions { deny, ..ValidateOptions::default() };
        let wat = |name: &str, params: &str| {
            format!(
                r#"(module (import "{WASI_PREVIEW_1}" "{name}" (func (param {params}) (result i32))))"#
            )
        };
        assert!(validated(&wat("clock_time_get", "i32 i64 i32"), &options).is_ok());
        let error = validated(&wat("random_get", "i32 i32"), &options).unwrap_err().to_string();
        assert!(
            error.contains("`random`") && error.contains("wasi_snapshot_preview1.random_get"),
            "{error}"
        );
    }

    #[test]
    fn a_gate_refuses_what_it_cannot_judge() {
        let checked = |name: &str, deny: &[Capability], allowed: &[&str]| {
            let options = ValidateOptions {
                deny: deny.iter().copied().collect(),
                allow_imports: allowed.iter().map(|name| (*name).to_owned()).collect(),
                ..ValidateOptions::default()
            };
            let wat = format!(r#"(component (import "{name}" (instance)))"#);
            validated(&wat, &options).map(|_| ()).map_err(|error| error.to_string())
        };
        let nn = "wasi:nn/graph@0.2.0";
        assert!(checked(nn, &[], &[]).is_ok());
        for deny in [Capability::Http, Capability::Unknown] {
            let error = checked(nn, &[deny], &[]).unwrap_err();
            assert!(error.contains(nn) && error.contains("allow `wasi:nn/graph`"), "{error}");
        }
        for allowed in [nn, "wasi:nn/graph", "wasi:nn"] {
            assert!(checked(nn, &[Capability::Http], &[allowed]).is_ok(), "{allowed}");
        }
        assert!(checked("acme:db/store", &[Capability::Sockets], &[]).is_err());
        let client = checked("wasi:http/client@0.3.0", &[Capability::Http], &["wasi:http"]);
        assert!(client.unwrap_err().contains("is denied, `http`"));
        assert!(checked("wasi:http/client@0.3.0", &[Capability::Sockets], &[]).is_ok());
    }

    #[test]
    fn says_how_many_more() {
        let wat = r#"(module (import "env" "a" (func)) (import "env" "b" (func)) (import "env" "c" (func)))"#;
        let error = validated(wat, &ValidateOptions::default()).unwrap_err();
        assert!(error.to_string().ends_with("(and 2 more imports like it)"), "{error}");
    }

    #[test]
    fn what_is_invalid_is_said_on_one_line() {
        let wat = r#"(component (type $t (func)) (import "a" (func (type $t)))
            (export "[method]a.b" (func 0)))"#;
        let error = validated(wat, &ValidateOptions::default()).unwrap_err().to_string();
        assert!(error.contains("is not valid: ") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn a_component_may_import_what_its_world_has() {
        let wat = r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#;
        let module = validated(wat, &ValidateOptions::default()).unwrap();
        assert!(module.report().kind.is_component());
    }

    #[test]
    fn a_truncated_module_says_where() {
        let bytes = wat::parse_str("(module (func (export \"f\")))").unwrap();
        let cut =
            BuiltModule::new("cut.wasm", bytes[..bytes.len() - 3].to_vec()).unwrap().unoptimized();
        let error = validate(cut, &ValidateOptions::default()).unwrap_err().to_string();
        assert!(error.contains("cut.wasm") && error.contains("at byte"), "{error}");
    }
}

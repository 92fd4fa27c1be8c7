//! Facts about a module.

use std::fmt;

use serde::Serialize;
use wasmparser::types::TypesRef;
use wasmparser::{
    BinaryReaderError, ComponentExternalKind, ExternalKind as ParserKind, Payload, TypeRef,
};

use super::defects::Defect;
use super::features;
use super::notes::{component_has_entry, module_has_entry};
use super::sections::{SectionRange, sections};
use super::{Capability, Feature};
use crate::text::visible;

/// Facts about a module, read from its bytes. [`compat::runtimes::check`](crate::compat::runtimes::check) judges them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Command, reactor or component.
    pub kind: Kind,
    /// The size in bytes.
    pub size: u64,
    /// Imports, in the module's order.
    pub imports: Vec<Import>,
    /// Exports, in the module's order.
    pub exports: Vec<Export>,
    /// Capabilities, derived from the imports.
    pub capabilities: Vec<Capability>,
    /// Proposals beyond WebAssembly 1.0 that the module really uses.
    pub features: Vec<Feature>,
    /// Memories, imported ones first, in pages of 64 KiB. Empty for a component.
    pub memories: Vec<Limits>,
    /// Tables, imported ones first, in elements. Empty for a component.
    pub tables: Vec<Limits>,
    /// Its top-level sections, in order.
    pub sections: Vec<SectionSize>,
    /// True if something in it can be started or called.
    #[serde(skip)]
    pub(super) has_entry: bool,
    /// What keeps every runtime from starting it.
    #[serde(skip)]
    pub(super) defects: Vec<Defect>,
}

named_enum! {
    /// The kind of a module, which decides how it is started.
    pub enum Kind: "kind of module" {
        /// A core module with `_start`, which runs once, like a program
        /// ([WASI application ABI](https://github.com/WebAssembly/WASI/blob/wasi-0.1/application-abi.md)).
        Command = "command",
        /// A core module without `_start`, whose exports are called.
        Reactor = "reactor",
        /// A component, of the component model.
        Component = "component",
    }
}

impl Kind {
    /// Returns true for a component.
    #[must_use]
    pub fn is_component(self) -> bool {
        self == Kind::Component
    }
}

/// An import. Imports of a component have no module; their names contain the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// The module, such as `wasi_snapshot_preview1`; empty for a component's import.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub module: String,
    /// The name.
    pub name: String,
    /// The interface that a component's import has, if its name is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub implements: Option<String>,
    /// The kind of item.
    pub kind: ExternalKind,
}

impl fmt::Display for Import {
    /// `module.name`, or a component's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.implements, self.module.as_str()) {
            (Some(interface), _) => write!(f, "{} as {}", visible(interface), visible(&self.name)),
            (None, "") => f.write_str(&visible(&self.name)),
            (None, module) => write!(f, "{}.{}", visible(module), visible(&self.name)),
        }
    }
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// The name.
    pub name: String,
    /// The kind of item.
    pub kind: ExternalKind,
}

named_enum! {
    /// The kind of an imported or exported item.
    #[non_exhaustive]
    #[expect(missing_docs, reason = "the standard's own words")]
    pub enum ExternalKind: "kind of import or export" {
        Function = "function",
        Table = "table",
        Memory = "memory",
        Global = "global",
        Tag = "tag",
        Module = "module",
        Instance = "instance",
        Component = "component",
        Type = "type",
        Value = "value",
    }
}

/// The initial and the largest size of a memory or table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The size at the start.
    pub minimum: u64,
    /// The largest size, if the module sets one.
    pub maximum: Option<u64>,
    /// For a memory: shared between threads.
    pub shared: bool,
}

/// A section and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionSize {
    /// `code`, `data`, …, or a custom section's own name.
    pub name: String,
    /// The size of its content in bytes.
    pub size: u64,
}

pub(super) fn report(bytes: &[u8]) -> Result<Report, BinaryReaderError> {
    // This validates the module, so that the functions below can rely on it.
    let (features, types) = features::used_with_types(bytes)?;
    let mut report = Report {
        kind: Kind::Reactor,
        size: bytes.len() as u64,
        imports: Vec::new(),
        exports: Vec::new(),
        capabilities: Vec::new(),
        features: features::named(features),
        memories: Vec::new(),
        tables: Vec::new(),
        sections: sections(bytes)?.into_iter().map(SectionSize::from).collect(),
        has_entry: false,
        defects: Vec::new(),
    };
    if features.contains(wasmparser::WasmFeatures::COMPONENT_MODEL) {
        report.kind = Kind::Component;
        report.read_component(bytes)?;
        report.has_entry = component_has_entry(types.as_ref(), &report.exports);
    } else {
        report.read_module(bytes, types.as_ref())?;
        // An exported memory or global with this name is not an entry point (WASI application ABI).
        let start =
            |export: &Export| export.name == "_start" && export.kind == ExternalKind::Function;
        if report.exports.iter().any(start) {
            report.kind = Kind::Command;
        }
    }
    report.capabilities = report.found_capabilities();
    Ok(report)
}

impl Report {
    fn read_module(&mut self, bytes: &[u8], types: TypesRef<'_>) -> Result<(), BinaryReaderError> {
        let mut has_start = false;
        for payload in wasmparser::Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        self.defects.extend(Defect::of_import(types, &import));
                        self.add_import(import.module, import.name, import.ty);
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        self.memories.push(memory?.into());
                    }
                }
                Payload::TableSection(tables) => {
                    for table in tables {
                        self.tables.push(table?.ty.into());
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        self.defects.extend(Defect::of_export(types, &export));
                        self.exports.push(Export {
                            name: export.name.to_owned(),
                            kind: export.kind.into(),
                        });
                    }
                }
                Payload::StartSection { .. } => has_start = true,
                _ => {}
            }
        }
        self.has_entry = module_has_entry(&self.exports, has_start);
        Ok(())
    }

    fn add_import(&mut self, module: &str, name: &str, ty: TypeRef) {
        // Imports come first in the index spaces of memories and tables (core specification, 2.5.1).
        match ty {
            TypeRef::Memory(memory) => self.memories.push(memory.into()),
            TypeRef::Table(table) => self.tables.push(table.into()),
            _ => {}
        }
        self.imports.push(Import {
            module: module.to_owned(),
            name: name.to_owned(),
            implements: None,
            kind: ty.into(),
        });
    }

    fn read_component(&mut self, bytes: &[u8]) -> Result<(), BinaryReaderError> {
        // The host sees only the outermost component, which connects the others.
        let mut depth = 0_usize;
        for payload in wasmparser::Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(imports) if depth == 1 => {
                    for import in imports {
                        let import = import?;
                        let kind = import.ty.kind().into();
                        self.imports.push(Import {
                            module: String::new(),
                            name: import.name.name.to_owned(),
                            implements: import.name.implements.map(str::to_owned),
                            kind,
                        });
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 1 => {
                    for export in exports {
                        let export = export?;
                        self.exports.push(Export {
                            name: export.name.name.to_owned(),
                            kind: export.kind.into(),
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl From<SectionRange> for SectionSize {
    fn from(section: SectionRange) -> SectionSize {
        SectionSize { name: section.name, size: section.content.len() as u64 }
    }
}

impl From<wasmparser::MemoryType> for Limits {
    fn from(memory: wasmparser::MemoryType) -> Limits {
        Limits { minimum: memory.initial, maximum: memory.maximum, shared: memory.shared }
    }
}

impl From<wasmparser::TableType> for Limits {
    fn from(table: wasmparser::TableType) -> Limits {
        Limits { minimum: table.initial, maximum: table.maximum, shared: table.shared }
    }
}

impl From<TypeRef> for ExternalKind {
    fn from(ty: TypeRef) -> ExternalKind {
        match ty {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => ExternalKind::Function,
            TypeRef::Table(_) => ExternalKind::Table,
            TypeRef::Memory(_) => ExternalKind::Memory,
            TypeRef::Global(_) => ExternalKind::Global,
            TypeRef::Tag(_) => ExternalKind::Tag,
        }
    }
}

impl From<ParserKind> for ExternalKind {
    fn from(kind: ParserKind) -> ExternalKind {
        match kind {
            ParserKind::Func | ParserKind::FuncExact => ExternalKind::Function,
            ParserKind::Table => ExternalKind::Table,
            ParserKind::Memory => ExternalKind::Memory,
            ParserKind::Global => ExternalKind::Global,
            ParserKind::Tag => ExternalKind::Tag,
        }
    }
}

impl From<ComponentExternalKind> for ExternalKind {
    fn from(kind: ComponentExternalKind) -> ExternalKind {
        match kind {
            ComponentExternalKind::Module => ExternalKind::Module,
            ComponentExternalKind::Func => ExternalKind::Function,
            ComponentExternalKind::Value => ExternalKind::Value,
            ComponentExternalKind::Type => ExternalKind::Type,
            ComponentExternalKind::Instance => ExternalKind::Instance,
            ComponentExternalKind::Component => ExternalKind::Component,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(wat: &str) -> Report {
        report(&wat::parse_str(wat).unwrap()).unwrap()
    }

    #[test]
    fn a_command() {
        let report = report_of(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
                (memory (export "memory") 17 32) (table 5 funcref)
                (func (export "_start") i32.const 0 call 0))"#,
        );
        assert_eq!(report.kind, Kind::Command);
        assert_eq!(report.imports[0].module, "wasi_snapshot_preview1");
        assert_eq!(report.imports[0].kind, ExternalKind::Function);
        let names: Vec<&str> = report.exports.iter().map(|export| export.name.as_str()).collect();
        assert_eq!(names, ["memory", "_start"]);
        assert_eq!(report.memories, [Limits { minimum: 17, maximum: Some(32), shared: false }]);
        assert_eq!(report.tables, [Limits { minimum: 5, maximum: None, shared: false }]);
        let sections: Vec<&str> =
            report.sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(sections, ["type", "import", "function", "table", "memory", "export", "code"]);
        assert!(report.features.is_empty());
    }

    #[test]
    fn a_reactor_and_a_component() {
        assert_eq!(report_of(r#"(module (func (export "add")))"#).kind, Kind::Reactor);
        let component = report_of(
            r#"(component (import "a:b/c" (instance))
                (core module (memory 1)) (component (import "inner" (instance))) )"#,
        );
        assert_eq!(component.kind, Kind::Component);
        assert_eq!(component.imports[0].name, "a:b/c");
        assert_eq!(component.imports[0].kind, ExternalKind::Instance);
        assert!(component.exports.is_empty());
        assert!(component.memories.is_empty());
    }
}

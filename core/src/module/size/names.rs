//! Names of functions and data segments.

use std::collections::BTreeMap;

use wasmparser::{
    BinaryReader, BinaryReaderError, CustomSectionReader, ExportSectionReader, ExternalKind,
    ImportSectionReader, KnownCustom, Name, NameMap, TypeRef,
};

use super::symbol::readable_name;
use crate::module::sections::{CUSTOM, SectionRange, is_component, sections};

const IMPORT: u8 = 2;
const EXPORT: u8 = 7;

#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) module: Option<&'a str>,
    /// The number of imported functions, which come before the defined ones.
    pub(super) imported_functions: u32,
    functions: BTreeMap<u32, &'a str>,
    exports: BTreeMap<u32, &'a str>,
    segments: BTreeMap<u32, &'a str>,
}

/// Returns the readable names of those functions that have one in the name section or as an export, by index. The result
/// is empty for a component, and for a module that can't be read.
#[must_use]
pub fn function_names(
    module: &[u8],
    functions: impl IntoIterator<Item = u32>,
) -> BTreeMap<u32, String> {
    let names = sections(module).and_then(|parts| Names::read(module, &parts, module, &parts));
    let names = names.unwrap_or_default();
    let name = |index| Some((index, readable_name(names.function(index)?)));
    functions.into_iter().filter_map(name).collect()
}

impl<'a> Names<'a> {
    /// Reads the names of the module in `bytes`, which consists of `parts`; those of its name section are looked up
    /// in `named`.
    pub(super) fn read(
        bytes: &'a [u8],
        parts: &[SectionRange],
        named: &'a [u8],
        named_parts: &[SectionRange],
    ) -> Result<Names<'a>, BinaryReaderError> {
        let mut names = Names::default();
        // A component defines no core functions and no data.
        if is_component(bytes) {
            return Ok(names);
        }
        for part in parts {
            match part.id {
                IMPORT => names.read_imports(reader(bytes, part))?,
                EXPORT => names.read_exports(reader(bytes, part))?,
                _ => {}
            }
        }
        for part in named_parts.iter().filter(|part| part.id == CUSTOM && part.name == "name") {
            // A malformed name section doesn't make a module invalid; we do without it.
            names.read_section(reader(named, part)).ok();
        }
        let imported = names.imported_functions;
        // Binaryen gives a function without a name its number as a name.
        names.functions.retain(|&index, name| {
            index >= imported && !name.bytes().all(|digit| digit.is_ascii_digit())
        });
        Ok(names)
    }

    /// Returns true if the name section has names of defined functions.
    pub(super) fn has_functions(&self) -> bool {
        !self.functions.is_empty()
    }

    pub(super) fn function(&self, index: u32) -> Option<&'a str> {
        self.functions.get(&index).or_else(|| self.exports.get(&index)).copied()
    }

    pub(super) fn segment(&self, index: u32) -> Option<&'a str> {
        self.segments.get(&index).copied()
    }

    fn read_imports(&mut self, reader: BinaryReader<'a>) -> Result<(), BinaryReaderError> {
        for import in ImportSectionReader::new(reader)?.into_imports() {
            if matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                self.imported_functions += 1;
            }
        }
        Ok(())
    }

    fn read_exports(&mut self, reader: BinaryReader<'a>) -> Result<(), BinaryReaderError> {
        for export in ExportSectionReader::new(reader)? {
            let export = export?;
            if matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact) {
                // A function can be exported several times.
                self.exports.entry(export.index).or_insert(export.name);
            }
        }
        Ok(())
    }

    fn read_section(&mut self, reader: BinaryReader<'a>) -> Result<(), BinaryReaderError> {
        let KnownCustom::Name(subsections) = CustomSectionReader::new(reader)?.as_known() else {
            return Ok(());
        };
        for subsection in subsections {
            match subsection? {
                Name::Module { name, .. } => {
                    self.module = Some(name).filter(|name| !name.is_empty())
                }
                Name::Function(map) => read_map(&mut self.functions, map)?,
                Name::Data(map) => read_map(&mut self.segments, map)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn reader<'a>(bytes: &'a [u8], part: &SectionRange) -> BinaryReader<'a> {
    BinaryReader::new(&bytes[part.content.clone()], part.content.start)
}

fn read_map<'a>(
    names: &mut BTreeMap<u32, &'a str>,
    map: NameMap<'a>,
) -> Result<(), BinaryReaderError> {
    for naming in map {
        let naming = naming?;
        if !naming.name.is_empty() {
            names.insert(naming.index, naming.name);
        }
    }
    Ok(())
}

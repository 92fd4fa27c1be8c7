//! A module as a list of sections.

use std::collections::BTreeMap;
use std::ops::Range;

use wasm_encoder::{RawSection, Section};
use wasmparser::{BinaryReader, BinaryReaderError, DataKind, Operator, Parser, Payload};

pub(super) struct SectionRange {
    pub(super) id: u8,
    /// `code`, `data`, …, or a custom section's own name.
    pub(super) name: String,
    pub(super) content: Range<usize>,
}

/// The id of custom sections, in modules and components alike.
pub(super) const CUSTOM: u8 = 0;

// Sections of a component that are a module or a component themselves (component model, Binary.md).
const NESTED_MODULE: u8 = 1;
const NESTED_COMPONENT: u8 = 4;

/// Returns the top-level sections, in order.
pub(super) fn sections(bytes: &[u8]) -> Result<Vec<SectionRange>, BinaryReaderError> {
    let mut sections = Vec::new();
    let component = is_component(bytes);
    let mut skip_to = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let Some((id, content)) = payload.as_section() else { continue };
        // Modules and components inside belong to the top-level section that contains them.
        if content.start < skip_to {
            continue;
        }
        // If a component is cut short, the parser reports the declared length of the module inside, beyond the end.
        BinaryReader::new(bytes, 0).read_bytes(content.end)?;
        skip_to = content.end;
        let name = match &payload {
            Payload::CustomSection(custom) => custom.name().to_owned(),
            _ => section_name(id, component).to_owned(),
        };
        sections.push(SectionRange { id, name, content });
    }
    Ok(sections)
}

pub(super) fn section_name(id: u8, component: bool) -> &'static str {
    const OF_MODULE: [&str; 14] = [
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
        "tag",
    ];
    const OF_COMPONENT: [&str; 12] = [
        "custom",
        "core module",
        "core instance",
        "core type",
        "component",
        "instance",
        "alias",
        "type",
        "canon",
        "start",
        "import",
        "export",
    ];
    let names: &[&'static str] = if component { &OF_COMPONENT } else { &OF_MODULE };
    names.get(usize::from(id)).copied().unwrap_or("unknown")
}

/// Returns the module without the custom sections for which `drop` returns true.
pub(super) fn without_custom(
    bytes: &[u8],
    drop: impl Fn(&str) -> bool,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut module = bytes[..HEADER].to_vec();
    for section in sections(bytes)? {
        if section.id != CUSTOM || !drop(&section.name) {
            append(&mut module, section.id, &bytes[section.content]);
        }
    }
    Ok(module)
}

/// Returns true if the bytes are a component, according to the layer field of the version
/// ([component model, Binary.md](https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md)).
pub(super) fn is_component(bytes: &[u8]) -> bool {
    bytes.get(6) == Some(&1)
}

/// Returns the modules and components directly in a component. A core module has none.
pub(super) fn nested(component: &[u8]) -> Result<Vec<Range<usize>>, BinaryReaderError> {
    let nested =
        sections(component)?.into_iter().filter(|section| holds_module(component, section));
    Ok(nested.map(|section| section.content).collect())
}

/// Returns true if a section of `bytes` contains a module or component.
pub(super) fn holds_module(bytes: &[u8], section: &SectionRange) -> bool {
    is_component(bytes) && [NESTED_MODULE, NESTED_COMPONENT].contains(&section.id)
}

/// Returns the module or component with other contents in some sections. The keys are the starts of their contents.
pub(super) fn with_contents(
    bytes: &[u8],
    contents: &BTreeMap<usize, Vec<u8>>,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut module = bytes[..HEADER].to_vec();
    for section in sections(bytes)? {
        let content = contents.get(&section.content.start).map(Vec::as_slice);
        append(&mut module, section.id, content.unwrap_or(&bytes[section.content]));
    }
    Ok(module)
}

/// Returns the core module with the data section of `original`, from which it was made: the same memory, in the original
/// segments. `None` unless the segments certainly do nothing but fill the memory at the start.
pub(super) fn with_data_of(
    original: &[u8],
    module: &[u8],
) -> Result<Option<Vec<u8>>, BinaryReaderError> {
    let (theirs, own) = (sections(original)?, sections(module)?);
    let Some(segments) = theirs.iter().find(|section| section.id == DATA) else { return Ok(None) };
    // A count is there for instructions that name segments, such as `memory.init`.
    let is_counted = theirs.iter().any(|section| section.id == DATA_COUNT);
    if is_counted || !own.iter().any(|section| section.id == DATA) || !are_plain(original)? {
        return Ok(None);
    }
    let mut with_data = module[..HEADER].to_vec();
    for section in own {
        match section.id {
            // Binaryen's own count is for Binaryen's segments.
            DATA_COUNT => {}
            DATA => append(&mut with_data, DATA, &original[segments.content.clone()]),
            id => append(&mut with_data, id, &module[section.content]),
        }
    }
    Ok(Some(with_data))
}

/// Returns true if all data is for the first memory, at constant addresses.
fn are_plain(module: &[u8]) -> Result<bool, BinaryReaderError> {
    for payload in Parser::new(0).parse_all(module) {
        let Payload::DataSection(segments) = payload? else { continue };
        for segment in segments {
            let DataKind::Active { memory_index: 0, offset_expr } = segment?.kind else {
                return Ok(false);
            };
            if !matches!(offset_expr.get_operators_reader().read()?, Operator::I32Const { .. }) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;

/// The length of the magic number and the version, with which every module and component starts.
pub(super) const HEADER: usize = 8;

pub(super) fn append(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    let raw = RawSection { id, data: content };
    module.push(raw.id());
    wasm_encoder::Encode::encode(&raw, module);
}

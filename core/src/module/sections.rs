//! A module as a list of sections.

use std::ops::Range;

use wasm_encoder::{RawSection, Section};
use wasmparser::{BinaryReaderError, Parser, Payload};

/// One top-level section.
pub(super) struct SectionRange {
    /// Its id in the binary format.
    pub(super) id: u8,
    /// `code`, `data`, …, or a custom section's own name.
    pub(super) name: String,
    /// Where its content is.
    pub(super) content: Range<usize>,
}

/// The id of custom sections, in modules and components alike.
pub(super) const CUSTOM: u8 = 0;

/// The top-level sections, in order.
pub(super) fn sections(bytes: &[u8]) -> Result<Vec<SectionRange>, BinaryReaderError> {
    let mut sections = Vec::new();
    let mut component = false;
    let mut skip_to = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::Version { encoding, range, .. } = &payload
            && range.start == 0
        {
            component = *encoding == wasmparser::Encoding::Component;
        }
        let Some((id, content)) = payload.as_section() else { continue };
        // What is nested in a component is a part of its top-level section.
        if content.start < skip_to {
            continue;
        }
        skip_to = content.end;
        let name = match &payload {
            Payload::CustomSection(custom) => custom.name().to_owned(),
            _ => section_name(id, component).to_owned(),
        };
        sections.push(SectionRange { id, name, content });
    }
    Ok(sections)
}

fn section_name(id: u8, component: bool) -> &'static str {
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

/// The module without the custom sections that `drop` names.
pub(super) fn without_custom(
    bytes: &[u8],
    drop: impl Fn(&str) -> bool,
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut module = bytes[..8].to_vec();
    for section in sections(bytes)? {
        if section.id == CUSTOM && drop(&section.name) {
            continue;
        }
        let raw = RawSection { id: section.id, data: &bytes[section.content] };
        module.push(raw.id());
        wasm_encoder::Encode::encode(&raw, &mut module);
    }
    Ok(module)
}

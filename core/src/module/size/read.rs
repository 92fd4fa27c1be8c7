//! Measurement of a module's parts.

use std::ops::Range;

use wasmparser::{BinaryReader, BinaryReaderError, Data, FromReader, FunctionBody, SectionLimited};

use super::names::Names;
use super::symbol::{self, OTHER_LANGUAGES, UNNAMED};
use super::{PREAMBLE, SizeReport, SizedFunction, SizedSection, SizedSegment};
use crate::module::ValidateError;
use crate::module::sections::{HEADER, SectionRange, holds_module, is_component, sections};

/// A module or component, and the one that has the names.
pub(super) struct Twins<'a> {
    /// The file's name for messages.
    file: &'a str,
    bytes: &'a [u8],
    named: &'a [u8],
    /// Its offset in the file.
    offset: usize,
}

impl<'a> Twins<'a> {
    pub(super) fn new(file: &'a str, bytes: &'a [u8], named: &'a [u8]) -> Twins<'a> {
        Twins { file, bytes, named, offset: 0 }
    }

    pub(super) fn read(&self) -> Result<SizeReport, ValidateError> {
        let parts = self.ok(sections(self.bytes))?;
        let twins = self.ok(sections(self.named))?;
        let names = Names::read(self.bytes, &parts, self.named, &twins);
        let names = self.ok(names)?;
        let mut report = SizeReport {
            module_name: names.module.map(str::to_owned),
            total: self.bytes.len() as u64,
            has_names: names.has_functions(),
            sections: vec![SizedSection::new(PREAMBLE, HEADER)],
        };
        let inner = |bytes: &[u8], part: &SectionRange| {
            holds_module(bytes, part).then(|| part.content.clone())
        };
        // Both have the same modules inside in the same order, because only custom sections may differ.
        let mut inner_twins = twins.iter().filter_map(|part| inner(self.named, part));
        let mut end = HEADER;
        for part in &parts {
            // From the end of the section before, so that every byte of the header counts for one section.
            let mut section = SizedSection::new(&part.name, part.content.end - end);
            end = part.content.end;
            match inner(self.bytes, part) {
                Some(content) => {
                    let module =
                        self.inside(content.clone(), inner_twins.next().unwrap_or(content))?;
                    report.has_names |= module.has_names;
                    section.module = Some(Box::new(module));
                }
                // A component's sections have other ids: its 10 and 11 are imports and exports.
                None if is_component(self.bytes) => {}
                None if part.id == CODE => section.functions = self.functions(part, &names)?,
                None if part.id == DATA => section.segments = self.segments(part, &names)?,
                None => {}
            }
            report.sections.push(section);
        }
        Ok(report)
    }

    fn inside(
        &self,
        content: Range<usize>,
        twin: Range<usize>,
    ) -> Result<SizeReport, ValidateError> {
        let offset = self.offset + content.start;
        let (bytes, named) = (&self.bytes[content], &self.named[twin]);
        Twins { file: self.file, bytes, named, offset }.read()
    }

    fn functions(
        &self,
        part: &SectionRange,
        names: &Names<'_>,
    ) -> Result<Vec<SizedFunction>, ValidateError> {
        let sizes = self.ok(item_sizes::<FunctionBody<'_>>(self.bytes, &part.content))?;
        // Indices begin with the imported functions (core specification, 2.5.1).
        let indices = names.imported_functions..;
        Ok(indices
            .zip(sizes)
            .map(|(index, size)| SizedFunction::new(index, names.function(index), size))
            .collect())
    }

    fn segments(
        &self,
        part: &SectionRange,
        names: &Names<'_>,
    ) -> Result<Vec<SizedSegment>, ValidateError> {
        let sizes = self.ok(item_sizes::<Data<'_>>(self.bytes, &part.content))?;
        let segment = |(index, size)| SizedSegment {
            index,
            name: names.segment(index).map_or_else(|| format!("data[{index}]"), str::to_owned),
            size,
        };
        Ok((0..).zip(sizes).map(segment).collect())
    }

    fn ok<T>(&self, result: Result<T, BinaryReaderError>) -> Result<T, ValidateError> {
        result.map_err(|error| ValidateError::Malformed {
            name: self.file.to_owned(),
            reason: error.message().to_owned(),
            // In the file, where the user can look at it.
            offset: (self.offset + error.offset()) as u64,
        })
    }
}

const CODE: u8 = 10;
const DATA: u8 = 11;

/// Returns the sizes of a section's items, each with the bytes in front of it.
fn item_sizes<'a, T: FromReader<'a>>(
    bytes: &'a [u8],
    content: &Range<usize>,
) -> Result<Vec<u64>, BinaryReaderError> {
    let items =
        SectionLimited::<T>::new(BinaryReader::new(&bytes[content.clone()], content.start))?;
    let starts = items.into_iter_with_offsets().map(|item| item.map(|(start, _)| start));
    let starts: Vec<usize> = starts.collect::<Result<_, _>>()?;
    let ends = starts.iter().skip(1).chain([&content.end]);
    Ok(starts.iter().zip(ends).map(|(start, end)| (end - start) as u64).collect())
}

impl SizedSection {
    fn new(name: &str, size: usize) -> SizedSection {
        let (functions, segments, module) = (Vec::new(), Vec::new(), None);
        SizedSection { name: name.to_owned(), size: size as u64, functions, segments, module }
    }
}

impl SizedFunction {
    fn new(index: u32, symbol: Option<&str>, size: u64) -> SizedFunction {
        let Some(symbol) = symbol else {
            let (name, crate_name) = (format!("func[{index}]"), UNNAMED.to_owned());
            return SizedFunction { index, name, symbol: None, crate_name, size };
        };
        let name = symbol::readable(symbol);
        let crate_name =
            if name.is_rust { symbol::place(&name.text).crate_name } else { OTHER_LANGUAGES }
                .to_owned();
        let symbol = (name.text != symbol).then(|| symbol.to_owned());
        SizedFunction { index, name: name.text, symbol, crate_name, size }
    }
}

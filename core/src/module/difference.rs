//! The first difference between two modules that should be equal.

use std::fmt;

use wasmparser::{BinaryReader, BinaryReaderError, CodeSectionReader};

use super::BuiltModule;
use super::sections::{SectionRange, holds_module, is_component, sections};

/// The first place where two modules differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The section: `code`, `data`, or a custom section's own name. In a component, the sections that lead there.
    pub section: Vec<String>,
    /// The difference in that section.
    pub kind: DifferenceKind,
}

/// The way in which a section differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Only the expected module has it.
    Missing,
    /// Only the actual module has it.
    Added,
    /// Both have it, with different content from this byte of the section on.
    Content {
        /// Counted from the start of the section's content.
        offset: usize,
        /// In a code section, the function that the byte is in, counted after the imported ones.
        function: Option<u32>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = self.section.join("` › `");
        match self.kind {
            DifferenceKind::Missing => write!(f, "the section `{section}` is missing"),
            DifferenceKind::Added => write!(f, "there is a section `{section}` more"),
            DifferenceKind::Content { offset, function: None } => {
                write!(f, "the section `{section}` differs from its byte {offset} on")
            }
            DifferenceKind::Content { offset, function: Some(function) } => {
                write!(
                    f,
                    "the section `{section}` differs from its byte {offset} on, in its function {function}"
                )
            }
        }
    }
}

/// Returns the first section in which `actual` differs from `expected`, or `None` if they are equal.
///
/// # Errors
/// [`ValidateError`](super::ValidateError) when one of them is not made of sections.
pub fn first_difference(
    expected: &BuiltModule,
    actual: &BuiltModule,
) -> Result<Option<Difference>, super::ValidateError> {
    if expected.bytes() == actual.bytes() {
        return Ok(None);
    }
    let of = |module: &BuiltModule| {
        sections(module.bytes()).map_err(|e| super::ValidateError::malformed(module.name(), &e))
    };
    let (of_expected, of_actual) = (of(expected)?, of(actual)?);
    let found = between(expected.bytes(), &of_expected, actual.bytes(), &of_actual)
        .map_err(|e| super::ValidateError::malformed(actual.name(), &e))?;
    // The same sections can have different bytes, for example because a length is encoded differently.
    Ok(found.or_else(|| {
        let kind = DifferenceKind::Content { offset: 0, function: None };
        Some(Difference { section: vec!["header".to_owned()], kind })
    }))
}

fn between(
    expected: &[u8],
    of_expected: &[SectionRange],
    actual: &[u8],
    of_actual: &[SectionRange],
) -> Result<Option<Difference>, BinaryReaderError> {
    for (place, one) in of_expected.iter().enumerate() {
        let found = |kind| Some(Difference { section: vec![one.name.clone()], kind });
        let Some(other) = of_actual.get(place) else { return Ok(found(DifferenceKind::Missing)) };
        if one.name != other.name {
            // If the expected section comes later, the actual module has a section in front of it that is not expected.
            let is_later = of_actual[place..].iter().any(|section| section.name == one.name);
            return Ok(match is_later {
                true => Some(Difference {
                    section: vec![other.name.clone()],
                    kind: DifferenceKind::Added,
                }),
                false => found(DifferenceKind::Missing),
            });
        }
        let (a, b) = (&expected[one.content.clone()], &actual[other.content.clone()]);
        if a == b {
            continue;
        }
        // An offset in a component's section would not help to find the function.
        if holds_module(expected, one) && holds_module(actual, other) {
            let inner = between(a, &sections(a)?, b, &sections(b)?)?;
            return Ok(inner.map(|mut inner| {
                inner.section.insert(0, one.name.clone());
                inner
            }));
        }
        let offset = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        // In a component, only a custom section can have this name.
        let is_code = one.name == "code" && !is_component(expected);
        let function = if is_code { function_at(b, offset)? } else { None };
        return Ok(found(DifferenceKind::Content { offset, function }));
    }
    let added = of_actual.get(of_expected.len());
    Ok(added.map(|section| Difference {
        section: vec![section.name.clone()],
        kind: DifferenceKind::Added,
    }))
}

/// Returns the index of the function in a code section that contains the byte at `offset`.
fn function_at(code: &[u8], offset: usize) -> Result<Option<u32>, BinaryReaderError> {
    let bodies = CodeSectionReader::new(BinaryReader::new(code, 0))?;
    for (index, body) in (0..).zip(bodies) {
        // The size in front of a body counts as a part of it.
        if offset < body?.range().end {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(expected: &str, actual: &str) -> Option<String> {
        let module =
            |wat: &str| BuiltModule::new("test.wasm", wat::parse_str(wat).unwrap()).unwrap();
        let found = first_difference(&module(expected), &module(actual)).unwrap();
        found.map(|difference| difference.to_string())
    }

    #[test]
    fn names_the_section_and_the_function() {
        let wat = |constant: u8, data: &str| {
            format!(
                r#"(module (memory 1) (func (result i32) i32.const 1) (func (result i32) i32.const {constant})
                    (data (i32.const 0) "{data}"))"#
            )
        };
        assert_eq!(difference(&wat(2, "x"), &wat(2, "x")), None);
        let code = difference(&wat(2, "x"), &wat(3, "x")).unwrap();
        assert!(code.contains("`code`") && code.ends_with("in its function 1"), "{code}");
        let data = difference(&wat(2, "x"), &wat(2, "y")).unwrap();
        assert!(data.contains("`data`") && data.contains("byte 6"), "{data}");
    }

    #[test]
    fn says_which_section_is_missing_or_more() {
        let (with, without) =
            (r#"(module (memory 1) (@custom "extra" "x"))"#, "(module (memory 1))");
        assert_eq!(difference(with, without).unwrap(), "the section `extra` is missing");
        assert_eq!(difference(without, with).unwrap(), "there is a section `extra` more");
        let (memory, table) = ("(module (memory 1))", "(module (table 1 funcref) (memory 1))");
        assert_eq!(difference(memory, table).unwrap(), "there is a section `table` more");
        assert_eq!(difference(table, memory).unwrap(), "the section `table` is missing");
    }

    #[test]
    fn finds_its_way_into_components() {
        let wat = |constant: u8| {
            format!("(component (core module (func (result i32) i32.const {constant})))")
        };
        let found = difference(&wat(1), &wat(2)).unwrap();
        assert!(
            found.contains("`core module` › `code`") && found.contains("function 0"),
            "{found}"
        );
    }
}

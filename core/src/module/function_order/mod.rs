//! Reordering of a module's functions.
//!
//! A call names its function by index, which takes one byte below 128 and two below 16,384
//! ([LEB128](https://webassembly.github.io/spec/core/binary/values.html#integers)): so the functions
//! with the most calls should come first. Indirect calls use indices of table slots, which don't change.

mod similarity;

use std::cmp::Reverse;
use std::ops::Range;

use wasm_encoder::Encode;
use wasmparser::{
    BinaryReader, BinaryReaderError, ConstExpr, ElementItems, FunctionBody, IndirectNameMap,
    NameMap, Operator, OperatorsReader, Parser, Payload, SectionLimited, TableInit, TypeRef,
};

use crate::module::sections::{CUSTOM, HEADER, append, sections};

pub(in crate::module) use similarity::by_similarity;

const FUNCTION: u8 = 3;
const CODE: u8 = 10;

/// The functions of a module, and every place that refers to one by its index.
pub(in crate::module) struct Functions<'a> {
    module: &'a [u8],
    /// The number of imported functions, which come before the defined ones.
    imported: usize,
    /// The type index and the body, without its length, of each defined function.
    defined: Vec<(u32, Range<usize>)>,
    /// Sorted by place.
    references: Vec<Reference>,
}

/// A place that refers to a function.
struct Reference {
    /// The bytes of the index.
    place: Range<usize>,
    function: u32,
}

impl<'a> Functions<'a> {
    /// Reads a valid core module. `None` if it may refer to functions in places that we don't parse.
    pub(in crate::module) fn read(
        module: &'a [u8],
    ) -> Result<Option<Functions<'a>>, BinaryReaderError> {
        let mut functions =
            Functions { module, imported: 0, defined: Vec::new(), references: Vec::new() };
        let (mut types, mut bodies) = (Vec::new(), Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let is_function =
                            matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                        functions.imported += usize::from(is_function);
                    }
                }
                Payload::FunctionSection(section) => {
                    types = section.into_iter().collect::<Result<Vec<u32>, _>>()?;
                }
                Payload::TableSection(tables) => {
                    for table in tables {
                        if let TableInit::Expr(value) = table?.init {
                            functions.read_value(&value)?;
                        }
                    }
                }
                Payload::GlobalSection(globals) => {
                    for global in globals {
                        functions.read_value(&global?.init_expr)?;
                    }
                }
                Payload::ExportSection(exports) => functions.read_exports(exports.range())?,
                Payload::StartSection { range, .. } => functions.add(range.start)?,
                Payload::ElementSection(elements) => {
                    for element in elements {
                        functions.read_items(element?.items)?;
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    bodies.push(body.range());
                    functions.read_body(&body)?;
                }
                Payload::CustomSection(section) if knows_functions(section.name()) => {
                    return Ok(None);
                }
                _ => {}
            }
        }
        functions.defined = types.into_iter().zip(bodies).collect();
        Ok(Some(functions))
    }

    fn add(&mut self, place: usize) -> Result<(), BinaryReaderError> {
        let mut reader = BinaryReader::new(&self.module[place..], place);
        let function = reader.read_var_u32()?;
        self.references.push(Reference { place: place..reader.original_position(), function });
        Ok(())
    }

    fn read_exports(&mut self, section: Range<usize>) -> Result<(), BinaryReaderError> {
        // wasmparser's iterator doesn't tell where in an export the index is.
        let mut reader = BinaryReader::new(&self.module[section.clone()], section.start);
        for _ in 0..reader.read_var_u32()? {
            reader.read_string()?;
            // 0 for a function, or 0x20 for one of an exact type (custom descriptors proposal).
            if matches!(reader.read_u8()?, 0 | 0x20) {
                self.add(reader.original_position())?;
            }
            reader.read_var_u32()?;
        }
        Ok(())
    }

    fn read_items(&mut self, items: ElementItems<'_>) -> Result<(), BinaryReaderError> {
        match items {
            ElementItems::Functions(numbers) => {
                for item in numbers.into_iter_with_offsets() {
                    self.add(item?.0)?;
                }
            }
            ElementItems::Expressions(_, values) => {
                for value in values {
                    self.read_value(&value?)?;
                }
            }
        }
        Ok(())
    }

    fn read_value(&mut self, value: &ConstExpr<'_>) -> Result<(), BinaryReaderError> {
        self.read_operators(value.get_operators_reader())
    }

    fn read_body(&mut self, body: &FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        self.read_operators(body.get_operators_reader()?)
    }

    fn read_operators(&mut self, operators: OperatorsReader<'_>) -> Result<(), BinaryReaderError> {
        for operator in operators.into_iter_with_offsets() {
            // The code of each of them is one byte.
            if let (
                Operator::Call { .. } | Operator::ReturnCall { .. } | Operator::RefFunc { .. },
                at,
            ) = operator?
            {
                self.add(at + 1)?;
            }
        }
        Ok(())
    }

    /// Returns the order in which references take the fewest bytes; otherwise it keeps the original order. Indices count
    /// defined functions from 0.
    pub(in crate::module) fn by_use(&self) -> Vec<usize> {
        let mut uses = vec![0_u32; self.defined.len()];
        for reference in &self.references {
            // Imported functions can't move.
            if let Some(defined) = (reference.function as usize).checked_sub(self.imported) {
                uses[defined] += 1;
            }
        }
        let mut order: Vec<usize> = (0..self.defined.len()).collect();
        order.sort_by_key(|&function| Reverse(uses[function]));
        // Functions whose indices have the same length may be in any order.
        let tier = |rank: usize| number(self.imported + rank).len();
        let mut tiers = vec![0; order.len()];
        for (rank, &function) in order.iter().enumerate() {
            tiers[function] = tier(rank);
        }
        order.sort_by_key(|&function| (tiers[function], function));
        order
    }

    pub(in crate::module) fn bodies(&self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.defined.iter().map(|(_, body)| &self.module[body.clone()])
    }

    pub(in crate::module) fn in_order(
        &self,
        order: &[usize],
    ) -> Result<Vec<u8>, BinaryReaderError> {
        let mut numbers: Vec<usize> = (0..self.imported + self.defined.len()).collect();
        for (new, &old) in order.iter().enumerate() {
            numbers[self.imported + old] = self.imported + new;
        }
        let mut module = self.module[..HEADER].to_vec();
        for section in sections(self.module)? {
            let content = match section.id {
                FUNCTION => self.types(order),
                CODE => self.code(order, &numbers),
                CUSTOM if section.name == "name" => names(&self.module[section.content], &numbers)?,
                _ => self.renumbered(section.content, &numbers),
            };
            append(&mut module, section.id, &content);
        }
        Ok(module)
    }

    fn types(&self, order: &[usize]) -> Vec<u8> {
        let mut content = number(order.len());
        for &function in order {
            self.defined[function].0.encode(&mut content);
        }
        content
    }

    fn code(&self, order: &[usize], numbers: &[usize]) -> Vec<u8> {
        let mut content = number(order.len());
        for &function in order {
            let body = self.renumbered(self.defined[function].1.clone(), numbers);
            body.as_slice().encode(&mut content);
        }
        content
    }

    fn renumbered(&self, part: Range<usize>, numbers: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(part.len());
        let mut end = part.start;
        let first = self.references.partition_point(|reference| reference.place.start < part.start);
        for reference in self.references[first..].iter().take_while(|it| it.place.start < part.end)
        {
            bytes.extend(&self.module[end..reference.place.start]);
            numbers[reference.function as usize].encode(&mut bytes);
            end = reference.place.end;
        }
        bytes.extend(&self.module[end..part.end]);
        bytes
    }
}

/// Returns true if a custom section refers to functions by offset or index.
fn knows_functions(section: &str) -> bool {
    // DWARF and code metadata (https://github.com/WebAssembly/tool-conventions/blob/main/CodeMetadata.md). They would be
    // wrong in another order.
    section.starts_with(".debug_") || section.starts_with("metadata.code.")
}

/// Encodes a number as LEB128.
fn number(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode(&mut bytes);
    bytes
}

fn names(section: &[u8], numbers: &[usize]) -> Result<Vec<u8>, BinaryReaderError> {
    // https://webassembly.github.io/spec/core/appendix/custom.html#name-section has the first two, and
    // https://github.com/WebAssembly/extended-name-section the labels.
    const FUNCTIONS: u8 = 1;
    const LOCALS: u8 = 2;
    const LABELS: u8 = 3;
    let mut reader = BinaryReader::new(section, 0);
    reader.read_string()?;
    let mut content = section[..reader.original_position()].to_vec();
    while !reader.eof() {
        let id = reader.read_u8()?;
        let subsection = reader.read_reader()?;
        let named = match id {
            FUNCTIONS => entries(
                NameMap::new(subsection)?,
                |naming| {
                    let mut name = Vec::new();
                    naming.name.encode(&mut name);
                    (naming.index, name)
                },
                numbers,
            )?,
            LOCALS | LABELS => entries(
                IndirectNameMap::new(subsection)?,
                |naming| (naming.index, section[naming.names.range()].to_vec()),
                numbers,
            )?,
            _ => section[subsection.range()].to_vec(),
        };
        content.push(id);
        named.as_slice().encode(&mut content);
    }
    Ok(content)
}

/// Returns a map from functions, sorted by their new indices.
fn entries<'a, T: wasmparser::FromReader<'a>>(
    map: SectionLimited<'a, T>,
    entry: impl Fn(T) -> (u32, Vec<u8>),
    numbers: &[usize],
) -> Result<Vec<u8>, BinaryReaderError> {
    let mut entries = Vec::new();
    for item in map {
        let (function, value) = entry(item?);
        // A name without a function has no effect.
        entries.extend(numbers.get(function as usize).map(|new| (*new, value)));
    }
    // Name maps are sorted by index (appendix of the core specification, "name maps").
    entries.sort_by_key(|(function, _)| *function);
    let mut content = number(entries.len());
    for (function, value) in entries {
        function.encode(&mut content);
        content.extend(value);
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Functions are meant in every kind of place.
    const HEAD: &str = r#"(module $m
        (type $one (func (result i32))) (type $map (func (param i32) (result i32))) (type $none (func))
        (@custom "producers" (after last) "\00")
        (import "wasi_snapshot_preview1" "sched_yield" (func $imported (type $one)))
        (table $t 4 funcref (ref.func $c))
        (global $g funcref (ref.func $b))
        (export "a" (func $a))
        (export "t" (table $t))
        (start $s)
        (elem (i32.const 0) func $a $b)
        (elem (i32.const 2) funcref (ref.func $c) (ref.null func))"#;
    const FUNCTIONS: [&str; 5] = [
        "(func $a (type $map) (param $p i32) (result i32) (local $l f64) (block $label) call $c drop i32.const 7)",
        "(func $b (type $map) i32.const 8)",
        "(func $c (type $one) return_call $imported)",
        "(func $s (type $none) ref.func $c drop call $c drop i32.const 5 i32.const 0 call_indirect (type $map) drop)",
        "(func $unused (type $none))",
    ];

    /// The module as it is if its functions are written in this order.
    fn written(order: &[usize]) -> Vec<u8> {
        let functions = order.iter().map(|&function| FUNCTIONS[function]).collect::<String>();
        wat::parse_str(format!("{HEAD}{functions})")).unwrap()
    }

    #[test]
    fn another_order_is_as_if_it_had_been_written_so() {
        let as_it_is = written(&[0, 1, 2, 3, 4]);
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 1, 4, 3]] {
            let functions = Functions::read(&as_it_is).unwrap().unwrap();
            assert_eq!(functions.in_order(&order).unwrap(), written(&order), "{order:?}");
        }
    }

    #[test]
    fn what_is_called_most_comes_first() {
        let module = |order: &[usize]| {
            let mut functions: Vec<String> = (0..200).map(|it| format!("(func $f{it})")).collect();
            functions[150] = "(func $f150 call $f199 call $f199 call $f7)".to_owned();
            let functions: String =
                order.iter().map(|&function| functions[function].as_str()).collect();
            wat::parse_str(format!("(module {functions})")).unwrap()
        };
        let as_it_is: Vec<usize> = (0..200).collect();
        let bytes = module(&as_it_is);
        let functions = Functions::read(&bytes).unwrap().unwrap();
        let order = functions.by_use();
        // The 128 numbers of one byte are for two that are called and the first of the others, which stay as they are.
        assert_eq!(order, [Vec::from_iter(0..127), vec![199], Vec::from_iter(127..199)].concat());
        let ordered = functions.in_order(&order).unwrap();
        assert_eq!(ordered, module(&order));
        assert_eq!(ordered.len(), bytes.len() - 2);
    }

    #[test]
    fn numbers_in_unknown_places_keep_everything_as_it_is() {
        for section in ["metadata.code.branch_hint", ".debug_line"] {
            let module =
                wat::parse_str(format!(r#"(module (@custom "{section}" "") (func))"#)).unwrap();
            assert!(Functions::read(&module).unwrap().is_none());
        }
    }
}

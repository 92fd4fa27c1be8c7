//! Limits above which a module is not optimized.
//!
//! Binaryen accepts any valid module, but its memory may grow much faster than the module: a kilobyte for a function of
//! four bytes, a list of live variables for each branch, a stack frame for each level of nesting. Real programs stay far
//! below these limits (`docs/optimizing.md`); only modules made to do harm exceed them, and those stay as they are.

use std::cmp::Ordering;

use wasmparser::{
    BinaryReaderError, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator,
    OperatorsReader, Parser, Payload, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

// Functions, including imported ones, and globals. Each needs up to a kilobyte.
const ITEMS: u32 = 200_000;
// Instructions of one function. Each needs some hundred bytes.
const INSTRUCTIONS: u32 = 1_000_000;
// Nesting of instructions, as operands or in blocks. Binaryen recurses to the same depth, and this one fits into a stack
// of two megabytes. Its memory grows with the square of the depth of blocks.
const DEPTH: u32 = 3_000;
// Variables of one function. With more, Binaryen keeps each pair of live variables in a hash map.
const VARIABLES: u32 = 8_000;
// Variables times branches of one function: Binaryen lists the live variables at each branch, in some ten bytes each.
const LIVENESS: u64 = 10_000_000;

/// Returns the reason why a module that is valid with `features` exceeds a limit, if it does.
pub(super) fn excess(
    module: &[u8],
    features: WasmFeatures,
) -> Result<Option<String>, BinaryReaderError> {
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    let mut items = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        items += match &payload {
            Payload::ImportSection(section) => section.count(),
            Payload::FunctionSection(section) => section.count(),
            Payload::GlobalSection(section) => section.count(),
            _ => 0,
        };
        if items > ITEMS {
            return Ok(Some(format!("it has more than {ITEMS} functions and globals")));
        }
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            let mut function = function.into_validator(allocations);
            let shape = Shape::of(&mut function, &body)?;
            if let Some(excess) = shape.excess() {
                return Ok(Some(format!("function {} {excess}", function.index())));
            }
            allocations = function.into_allocations();
        }
    }
    Ok(None)
}

/// The measures of a function that the limits apply to.
#[derive(Debug, Default)]
struct Shape {
    depth: u32,
    instructions: u32,
    variables: u32,
    branches: u32,
}

impl Shape {
    fn of(
        function: &mut FuncValidator<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<Shape, BinaryReaderError> {
        let mut reader = body.get_binary_reader();
        function.read_locals(&mut reader)?;
        let mut shape = Shape { variables: function.len_locals(), ..Shape::default() };
        // The depth of each operand on the stack, and the largest depth in each open block.
        let (mut operands, mut blocks): (Vec<u32>, Vec<u32>) = (Vec::new(), vec![0]);
        for operator in OperatorsReader::new(reader).into_iter_with_offsets() {
            let (operator, at) = operator?;
            let (taken, _) = operator.operator_arity(function).unwrap_or_default();
            function.op(at, &operator)?;
            let left = operands.len().saturating_sub(taken as usize);
            let mut depth = operands.drain(left..).max().unwrap_or(0);
            match (function.control_stack_height() as usize).cmp(&blocks.len()) {
                Ordering::Greater => blocks.push(depth),
                Ordering::Less => depth = depth.max(blocks.pop().unwrap_or(0)),
                Ordering::Equal => {}
            }
            depth += 1;
            // After a jump the stack is polymorphic, so only what is really left on it counts.
            operands.resize(function.operand_stack_height() as usize, depth);
            if let Some(block) = blocks.last_mut() {
                *block = depth.max(*block);
            }
            shape.depth = depth.max(shape.depth);
            shape.instructions += 1;
            shape.branches += u32::from(branches(&operator));
        }
        Ok(shape)
    }

    fn excess(&self) -> Option<String> {
        let Shape { depth, instructions, variables, branches } = *self;
        if depth > DEPTH {
            return Some(format!("is nested more than {DEPTH} deep"));
        }
        if instructions > INSTRUCTIONS {
            return Some(format!("has more than {INSTRUCTIONS} instructions"));
        }
        let liveness = u64::from(variables) * u64::from(branches);
        (variables > VARIABLES || liveness > LIVENESS)
            .then(|| format!("has {variables} variables and {branches} branches"))
    }
}

/// Returns true if the instruction ends a basic block.
fn branches(operator: &Operator<'_>) -> bool {
    use Operator::{Br, BrIf, BrTable, Else, End, If, Loop, Return, Unreachable};
    matches!(
        operator,
        Br { .. }
            | BrIf { .. }
            | BrTable { .. }
            | Else
            | End
            | If { .. }
            | Loop { .. }
            | Return
            | Unreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excess_of(wat: &str) -> Option<String> {
        excess(&wat::parse_str(wat).unwrap(), WasmFeatures::all()).unwrap()
    }

    fn with_body(body: &str) -> String {
        format!("(module (func {body}))")
    }

    #[test]
    fn nesting_counts_operands_and_blocks() {
        let operands = |depth: usize| format!("i32.const 0 {} drop ", "i32.eqz ".repeat(depth));
        let blocks = |depth: usize| format!("{} {}", "block ".repeat(depth), "end ".repeat(depth));
        let (few, many) = (DEPTH as usize - 10, DEPTH as usize + 1);
        assert_eq!(excess_of(&with_body(&operands(few))), None);
        assert_eq!(excess_of(&with_body(&blocks(few))), None);
        let both = format!("{} {} {}", "block ".repeat(few), operands(20), "end ".repeat(few));
        for body in [operands(many), blocks(many), both] {
            let excess = excess_of(&with_body(&body)).unwrap();
            assert_eq!(excess, "function 0 is nested more than 3000 deep");
        }
        // Instructions in sequence are not nested.
        assert_eq!(excess_of(&with_body(&operands(10).repeat(many))), None);
        assert_eq!(excess_of(&with_body(&"block end ".repeat(many))), None);
    }

    #[test]
    fn what_is_left_after_a_jump_is_no_operand() {
        assert_eq!(
            excess_of(
                "(module (func (result i32) unreachable i32.add i32.eqz br 0 drop i32.const 1))"
            ),
            None
        );
    }

    #[test]
    fn variables_times_branches_are_limited() {
        let function = |locals: usize, branches: usize| {
            with_body(&format!(
                "(local {}) {}",
                "i32 ".repeat(locals),
                "i32.const 0 br_if 0 ".repeat(branches)
            ))
        };
        assert_eq!(excess_of(&function(100, 90_000)), None);
        assert_eq!(excess_of(&function(8_000, 1_000)), None);
        assert_eq!(
            excess_of(&function(8_001, 1)).unwrap(),
            "function 0 has 8001 variables and 2 branches"
        );
        assert_eq!(
            excess_of(&function(6_000, 2_000)).unwrap(),
            "function 0 has 6000 variables and 2001 branches"
        );
    }

    #[test]
    fn functions_globals_and_instructions_are_counted() {
        let module = |functions: usize, globals: usize| {
            let (functions, globals) =
                ("(func)".repeat(functions), "(global i32 (i32.const 0))".repeat(globals));
            format!(r#"(module (import "a" "b" (func)) {functions} {globals})"#)
        };
        let items = ITEMS as usize;
        assert_eq!(excess_of(&module(items / 2, items / 2 - 1)), None);
        for module in [module(items, 0), module(items / 2, items / 2)] {
            assert_eq!(
                excess_of(&module).unwrap(),
                "it has more than 200000 functions and globals"
            );
        }
        let excess = excess_of(&with_body(&"nop ".repeat(INSTRUCTIONS as usize))).unwrap();
        assert_eq!(excess, "function 0 has more than 1000000 instructions");
    }
}

//! Traps with their backtraces.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use wasmtime::{FrameInfo, WasmBacktrace};

use crate::module::readable_name;
use crate::text::visible;

// As in Rust's own backtraces (std::sys::backtrace), we show only the frames between these two functions: the code above
// ends a program after a panic, and the code below calls `main`.
const RUST_FROM: &str = "__rust_end_short_backtrace";
const RUST_TO: &str = "__rust_begin_short_backtrace";

/// Trap that stopped a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trapped {
    /// wasmtime's description of the trap.
    pub reason: String,
    /// Calls on the stack, innermost first, up to the number that wasmtime keeps.
    pub frames: Vec<Frame>,
}

/// Call on the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Index of the function in its module.
    pub index: u32,
    /// Readable name of the function.
    pub name: Option<String>,
    /// Offset in the module, in bytes.
    pub offset: Option<usize>,
}

impl Trapped {
    pub(super) fn new(error: &wasmtime::Error) -> Trapped {
        let reason = error.root_cause().to_string();
        let backtrace =
            error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
        Trapped {
            reason: reason.strip_prefix("wasm trap: ").unwrap_or(&reason).to_owned(),
            frames: backtrace.iter().map(Frame::of).collect(),
        }
    }

    pub(super) fn name(&mut self, names: &BTreeMap<u32, String>) {
        for frame in &mut self.frames {
            frame.name = frame.name.take().or_else(|| names.get(&frame.index).cloned());
        }
    }

    /// Returns the range of frames of the program itself; all frames if there are none.
    fn own_frames(&self) -> Range<usize> {
        let from =
            self.frames.iter().rposition(|frame| frame.is(RUST_FROM)).map_or(0, |last| last + 1);
        let to =
            self.frames.iter().position(|frame| frame.is(RUST_TO)).unwrap_or(self.frames.len());
        // A trace of Rust's own functions is better than none.
        if from < to { from..to } else { 0..self.frames.len() }
    }
}

impl Frame {
    fn of(frame: &FrameInfo) -> Frame {
        Frame {
            index: frame.func_index(),
            name: frame.func_name().map(readable_name),
            offset: frame.module_offset(),
        }
    }

    fn is(&self, function: &str) -> bool {
        self.name.as_ref().is_some_and(|name| name.contains(function))
    }
}

impl fmt::Display for Trapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The module chose the names. Each has to stay on its line.
        f.write_str(&visible(&self.reason))?;
        for number in self.own_frames() {
            let Frame { index, name, offset } = &self.frames[number];
            write!(f, "\n  {number:>2}: ")?;
            match name {
                Some(name) => f.write_str(&visible(name))?,
                None => write!(f, "function {index}")?,
            }
            if let Some(offset) = offset {
                write!(f, " ({offset:#x})")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trapped(names: &[Option<&str>]) -> Trapped {
        let frame = |(index, name): (u32, &Option<&str>)| Frame {
            index,
            name: name.map(str::to_owned),
            offset: Some(16 + index as usize),
        };
        Trapped { reason: "unreachable".to_owned(), frames: (0..).zip(names).map(frame).collect() }
    }

    #[test]
    fn what_has_no_name_has_a_number() {
        let mut trapped = trapped(&[None, Some("main"), None]);
        trapped.name(&BTreeMap::from([(0, "a::b".to_owned()), (1, "other".to_owned())]));
        assert_eq!(
            trapped.to_string(),
            "unreachable\n   0: a::b (0x10)\n   1: main (0x11)\n   2: function 2 (0x12)"
        );
    }

    #[test]
    fn how_a_panic_ends_and_main_begins_is_left_out() {
        let names = [
            "abort",
            "std::sys::backtrace::__rust_end_short_backtrace",
            "std::sys::backtrace::__rust_end_short_backtrace::<f>",
            "core::panicking::panic",
            "app::main",
            "std::sys::backtrace::__rust_begin_short_backtrace::<fn(), ()>",
            "_start",
        ];
        let text = trapped(&names.map(Some)).to_string();
        assert_eq!(
            text,
            "unreachable\n   3: core::panicking::panic (0x13)\n   4: app::main (0x14)"
        );
        // If nothing else is left, all frames are shown.
        let text = trapped(&names.map(Some)[..3]).to_string();
        assert!(text.starts_with("unreachable\n   0: abort"), "{text}");
    }
}

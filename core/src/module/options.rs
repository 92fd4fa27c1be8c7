//! What is decided about optimizing.

use std::fmt;

use super::WasmOpt;

/// What optimizes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Optimizer {
    /// What is inside.
    #[default]
    Bundled,
    /// A program of the user's.
    External(WasmOpt),
}

impl fmt::Display for Optimizer {
    /// Its name and version: with the options, what decides the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Optimizer::Bundled if cfg!(feature = "optimize") => f.write_str("binaryen 116"),
            Optimizer::Bundled => f.write_str("strip"),
            Optimizer::External(program) => program.fmt(f),
        }
    }
}

named_enum! {
    /// How much work the optimizer does, by the names of `wasm-opt`'s options.
    #[derive(Default)]
    pub enum Level: "optimization level" {
        /// Nothing: the bytes stay as they came.
        Off = "off",
        /// Only debug information is removed.
        O0 = "0",
        /// Quick passes. Most often the smallest once it is compressed.
        #[default]
        O1 = "1",
        /// Most passes.
        O2 = "2",
        /// All passes for speed.
        O3 = "3",
        /// All passes, and flattening.
        O4 = "4",
        /// For size.
        Os = "s",
        /// For size above all. Most often the smallest as it is.
        Oz = "z",
    }
}

named_enum! {
    /// What stays in a module for those who look for mistakes in it.
    #[derive(Default)]
    pub enum DebugInfo: "kind of debug information" {
        /// Nothing. [`OptimizedModule::named`](super::optimize::OptimizedModule::named) still has the names.
        #[default]
        None = "none",
        /// The names of functions, for readable traces
        /// ([name section](https://webassembly.github.io/spec/core/appendix/custom.html#name-section)).
        Names = "names",
        /// Names, and DWARF for debuggers ([DWARF for WebAssembly](https://yurydelendik.github.io/webassembly-dwarf/)).
        Dwarf = "dwarf",
    }
}

/// What the user decides about optimizing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptimizeOptions {
    /// How much work to do.
    pub level: Level,
    /// What stays in the module.
    pub debug_info: DebugInfo,
    /// What does the work.
    pub optimizer: Optimizer,
    /// The module will be compressed: make it small after that, and not as it is.
    pub compressed: bool,
}

impl fmt::Display for OptimizeOptions {
    /// What optimizes, and how: `binaryen 116, level z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, level {}", self.optimizer, self.level)
    }
}

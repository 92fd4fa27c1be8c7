//! Options of the optimizer.

use std::fmt;

use super::WasmOpt;

/// The program that optimizes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Optimizer {
    /// The bundled Binaryen.
    #[default]
    Bundled,
    /// The user's own `wasm-opt`.
    External(WasmOpt),
}

impl fmt::Display for Optimizer {
    /// Writes the name and version: together with the options, they decide the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The version that the crate wasm-opt 0.116 contains.
            Optimizer::Bundled if cfg!(feature = "optimize") => f.write_str("binaryen 116"),
            // Without Binaryen, we only remove debug information.
            Optimizer::Bundled => f.write_str("strip"),
            Optimizer::External(program) => program.fmt(f),
        }
    }
}

named_enum! {
    /// The amount of work, named after the options of `wasm-opt`.
    #[derive(Default)]
    pub enum Level: "optimization level" {
        /// Change nothing, not even debug information.
        Off = "off",
        /// Remove debug information only.
        O0 = "0",
        /// Quick passes. Usually the smallest result after compression.
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
        /// For size above all. Usually the smallest uncompressed result.
        Oz = "z",
    }
}

named_enum! {
    /// The debug information that stays in a module.
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

/// The user's choices for the optimizer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptimizeOptions {
    /// Amount of work.
    pub level: Level,
    /// Debug information to keep.
    pub debug_info: DebugInfo,
    /// Program that optimizes.
    pub optimizer: Optimizer,
    /// True if the module will be compressed, so that its compressed size counts.
    pub compressed: bool,
}

impl fmt::Display for OptimizeOptions {
    /// Writes the optimizer and the level: `binaryen 116, level z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, level {}", self.optimizer, self.level)
    }
}

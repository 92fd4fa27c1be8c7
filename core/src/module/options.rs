//! What is decided about optimizing.

use std::fmt;
use std::str::FromStr;

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

/// How much work the optimizer does, by the names of `wasm-opt`'s options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// Nothing: the bytes stay as they came.
    Off,
    /// Only debug information is removed.
    O0,
    /// Quick passes. Most often the smallest once it is compressed.
    #[default]
    O1,
    /// Most passes.
    O2,
    /// All passes for speed.
    O3,
    /// All passes, and flattening.
    O4,
    /// For size.
    Os,
    /// For size above all. Most often the smallest as it is.
    Oz,
}

impl Level {
    /// All of them, the least work first.
    pub const ALL: [Level; 8] = {
        use Level::{O0, O1, O2, O3, O4, Off, Os, Oz};
        [Off, O0, O1, O2, O3, O4, Os, Oz]
    };

    /// The name by which the user chooses it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::O0 => "0",
            Level::O1 => "1",
            Level::O2 => "2",
            Level::O3 => "3",
            Level::O4 => "4",
            Level::Os => "s",
            Level::Oz => "z",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        Level::ALL
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| format!("there is no level `{text}`: choose off, 0, 1, 2, 3, 4, s or z"))
    }
}

/// What stays in a module for those who look for mistakes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DebugInfo {
    /// Nothing. [`OptimizedModule::named`](super::optimize::OptimizedModule::named) still has the names.
    #[default]
    None,
    /// The names of functions, for readable traces
    /// ([name section](https://webassembly.github.io/spec/core/appendix/custom.html#name-section)).
    Names,
    /// Names, and DWARF for debuggers ([DWARF for WebAssembly](https://yurydelendik.github.io/webassembly-dwarf/)).
    Dwarf,
}

impl DebugInfo {
    /// All of them, the smallest first.
    pub const ALL: [DebugInfo; 3] = [DebugInfo::None, DebugInfo::Names, DebugInfo::Dwarf];

    /// The name by which the user chooses it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DebugInfo::None => "none",
            DebugInfo::Names => "names",
            DebugInfo::Dwarf => "dwarf",
        }
    }
}

impl fmt::Display for DebugInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DebugInfo {
    type Err = String;

    fn from_str(text: &str) -> Result<DebugInfo, String> {
        DebugInfo::ALL.into_iter().find(|debug_info| debug_info.name() == text).ok_or_else(|| {
            format!("there is no debug information `{text}`: choose none, names or dwarf")
        })
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

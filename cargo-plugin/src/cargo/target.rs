//! What modules are built for.

use std::fmt;
use std::str::FromStr;

/// A target of Rust's with a standard library on top of WASI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WasiTarget {
    /// Core modules, on WASI preview 1.
    #[default]
    Wasip1,
    /// Components, on WASI 0.2.
    Wasip2,
}

impl WasiTarget {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Wasip1, Self::Wasip2];

    /// Rust's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wasip1 => "wasm32-wasip1",
            Self::Wasip2 => "wasm32-wasip2",
        }
    }

    /// Its `target_env`, all that its conditions differ in.
    pub(crate) fn env(self) -> &'static str {
        match self {
            Self::Wasip1 => "p1",
            Self::Wasip2 => "p2",
        }
    }
}

impl fmt::Display for WasiTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WasiTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(" or ");
        let found = Self::ALL.into_iter().find(|target| target.name() == text);
        found.ok_or_else(|| format!("nothing is built for `{text}`: choose {names}"))
    }
}

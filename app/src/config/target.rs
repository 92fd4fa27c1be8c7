//! The setting `target`.

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
    pub const ALL: [WasiTarget; 2] = [WasiTarget::Wasip1, WasiTarget::Wasip2];

    /// Returns the name that rustc gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            WasiTarget::Wasip1 => "wasm32-wasip1",
            WasiTarget::Wasip2 => "wasm32-wasip2",
        }
    }

    /// Returns its `target_env`: no other `cfg` differs between the targets.
    #[must_use]
    pub fn env(self) -> &'static str {
        match self {
            WasiTarget::Wasip1 => "p1",
            WasiTarget::Wasip2 => "p2",
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

    fn from_str(text: &str) -> Result<WasiTarget, String> {
        let names = WasiTarget::ALL.map(WasiTarget::name).join(" or ");
        let found = WasiTarget::ALL.into_iter().find(|target| target.name() == text);
        found.ok_or_else(|| format!("`{text}` is not a supported target; choose {names}"))
    }
}

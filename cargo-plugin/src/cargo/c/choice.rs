//! Which C compiler the user wants.

use std::fmt;
use std::str::FromStr;

use crate::cargo::c::toolchain::Kind;

/// The setting `c-compiler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The first that is found.
    #[default]
    Auto,
    /// This one.
    Only(Kind),
    /// None: `cc` is told nothing.
    Off,
}

impl Choice {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::Only(Kind::WasiSdk),
        Self::Only(Kind::Zig),
        Self::Only(Kind::Clang),
        Self::Off,
    ];

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Only(kind) => kind.name(),
            Self::Off => "off",
        }
    }

    /// The kinds of toolchain to look for, in order.
    pub fn kinds(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| match self {
            Self::Auto => true,
            Self::Only(only) => only == *kind,
            Self::Off => false,
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|choice| choice.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!(
                "there is no C compiler `{text}`: choose one of {names}, or set CC_wasm32_wasip1 to a program"
            )
        })
    }
}

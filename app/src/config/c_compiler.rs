//! The setting `c-compiler`.

use std::fmt;
use std::str::FromStr;

/// The C compilers that `cc` may use for C inside crates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The first that is found.
    #[default]
    Auto,
    Only(Kind),
    /// `cc` keeps its defaults.
    Off,
}

wasm_oci_core::named_enum! {
    /// A C compiler that supports WASI, in the order in which we look for them.
    pub enum Kind: "C compiler" {
        /// <https://github.com/WebAssembly/wasi-sdk>: clang with a C library.
        WasiSdk = "wasi-sdk",
        /// <https://ziglang.org>: clang with a C library, and on PyPI.
        Zig = "zig",
        /// Any clang, with a wasi-libc from elsewhere.
        Clang = "clang",
    }
}

impl Choice {
    pub const ALL: [Choice; 5] = [
        Choice::Auto,
        Choice::Only(Kind::WasiSdk),
        Choice::Only(Kind::Zig),
        Choice::Only(Kind::Clang),
        Choice::Off,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Choice::Auto => "auto",
            Choice::Only(kind) => kind.name(),
            Choice::Off => "off",
        }
    }

    /// Returns the kinds of compiler to look for, in order.
    pub fn kinds(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| match self {
            Choice::Auto => true,
            Choice::Only(only) => only == *kind,
            Choice::Off => false,
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

    fn from_str(text: &str) -> Result<Choice, String> {
        let found = Choice::ALL.into_iter().find(|choice| choice.name() == text);
        found.ok_or_else(|| {
            // `cc` reads the variable, so other compilers need no setting of ours.
            let names = Choice::ALL.map(Choice::name).join(", ");
            format!(
                "`{text}` is not a supported C compiler; choose one of {names}, or set CC_wasm32_wasip1 to a program"
            )
        })
    }
}

//! Runtimes that run modules: a table of their features, and checks of a module against it.

mod check;
mod table;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::UnknownName;
use crate::compat::Error;
use table::{ALWAYS, EVERYWHERE, Known, RUNTIMES};

pub use check::{Obstacle, RuntimeCompatibility, check, require, uses};
pub use table::NEEDS;

/// A runtime in the table: `wasmtime`, `node`, …
#[derive(Clone, Copy)]
pub struct Runtime(&'static Known);

impl Runtime {
    /// Returns every runtime in the table, those for servers first.
    pub fn all() -> impl Iterator<Item = Runtime> {
        RUNTIMES.iter().map(Runtime)
    }

    /// The name for `--runtime`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The oldest version in the table.
    #[must_use]
    pub fn oldest(self) -> Version {
        self.0.oldest
    }

    /// The newest version in the table.
    #[must_use]
    pub fn newest(self) -> Version {
        self.0.newest
    }

    /// The documents that the table is based on.
    #[must_use]
    pub fn sources(self) -> &'static [&'static str] {
        self.0.sources
    }

    /// The versions that our probe modules were run in.
    #[must_use]
    pub fn measured(self) -> &'static [Version] {
        self.0.measured
    }

    /// Returns the support for one of [`NEEDS`]. `None` if there is none, or none is known.
    #[must_use]
    pub fn support(self, need: &str) -> Option<Support> {
        if EVERYWHERE.contains(&need) {
            return Some(ALWAYS);
        }
        self.0.support.iter().find_map(|(name, support)| (*name == need).then_some(*support))
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for Runtime {
    // Names are unique, and the tables of features are long.
    fn eq(&self, other: &Runtime) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Runtime {}

impl FromStr for Runtime {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Runtime, UnknownName> {
        let names: Vec<&str> = Runtime::all().map(Runtime::name).collect();
        let found = Runtime::all().find(|runtime| runtime.name() == text);
        found.ok_or_else(|| UnknownName::new("runtime", text, &names))
    }
}

impl Serialize for Runtime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The support of a runtime for one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Support {
    /// The first version that has it by default.
    pub from: Option<Version>,
    /// The first version that no longer has it: by default, or with the option if no version has it by default.
    pub until: Option<Version>,
    /// The option, or other preparation, for versions that don't have it by default.
    pub with: Option<&'static str>,
}

impl Support {
    /// Returns true if this version has it without an option.
    #[must_use]
    pub fn is_default_in(&self, version: Version) -> bool {
        self.from.is_some_and(|from| from <= version)
            && self.until.is_none_or(|until| version < until)
    }

    /// Returns the option with which this version has it.
    #[must_use]
    pub fn option_in(&self, version: Version) -> Option<&'static str> {
        // Without a default, `until` is the end of the option.
        let is_gone = self.from.is_none() && self.until.is_some_and(|until| until <= version);
        self.with.filter(|_| !is_gone)
    }
}

/// The first two numbers of a version.
// Numbers, because as text, 0.9 would be newer than 0.17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
}

impl Version {
    pub(super) const fn new(major: u16, minor: u16) -> Version {
        Version { major, minor }
    }
}

impl fmt::Display for Version {
    /// `24`, `0.17`: what is zero is not written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            0 => write!(f, "{}", self.major),
            minor => write!(f, "{}.{minor}", self.major),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Version {
    type Err = Error;

    /// Accepts `24`, `24.1` and `24.1.0`; the third number is ignored.
    fn from_str(text: &str) -> Result<Version, Error> {
        let mut numbers = text.split('.').map(str::parse::<u16>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), None, None, None) => Ok(Version::new(major, 0)),
            (Some(Ok(major)), Some(Ok(minor)), None | Some(Ok(_)), None) => {
                Ok(Version::new(major, minor))
            }
            _ => Err(Error::InvalidVersion { text: text.to_owned() }),
        }
    }
}

/// A runtime that a module is meant for: `node`, `node@20`. Without a version, the newest one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredRuntime {
    /// The runtime.
    pub runtime: Runtime,
    /// The oldest version that has to take it.
    pub version: Option<Version>,
}

impl fmt::Display for RequiredRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}@{version}", self.runtime),
            None => write!(f, "{}", self.runtime),
        }
    }
}

impl Serialize for RequiredRuntime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for RequiredRuntime {
    type Err = Error;

    fn from_str(text: &str) -> Result<RequiredRuntime, Error> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version.parse::<Version>()?)),
            None => (text, None),
        };
        let runtime = name.parse::<Runtime>()?;
        // The table doesn't cover older versions, so any answer would be a guess.
        match version.filter(|version| *version < runtime.oldest()) {
            Some(version) => Err(Error::TooOld {
                runtime: runtime.name(),
                version: version.to_string(),
                oldest: runtime.oldest().to_string(),
            }),
            None => Ok(RequiredRuntime { runtime, version }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_may_have_a_version() {
        let shown = |text: &str| text.parse::<RequiredRuntime>().map(|it| it.to_string());
        assert_eq!(shown("node").unwrap(), "node");
        assert_eq!(shown("node@20").unwrap(), "node@20");
        assert_eq!(shown("wasmedge@0.14.1").unwrap(), "wasmedge@0.14");
        assert!(shown("node@12").unwrap_err().to_string().contains("node@18"));
        assert!(shown("nodejs").unwrap_err().to_string().contains("wasmtime"));
        for version in ["node@", "node@x", "node@1.2.3.4", "node@99999999"] {
            assert!(shown(version).unwrap_err().to_string().contains("not a version"), "{version}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("0.9") < version("0.17"));
        assert!(version("9.1") < version("24"));
    }

    #[test]
    fn the_table_has_only_needs_that_are_listed() {
        for runtime in RUNTIMES {
            for (need, support) in runtime.support {
                let cell = format!("{}: {need}", runtime.name);
                assert!(NEEDS.contains(need), "{cell}");
                assert!(support.from.is_some() || support.with.is_some(), "{cell}");
                assert!(support.from.is_none_or(|from| from <= runtime.newest), "{cell}");
                let first = support.from.unwrap_or(runtime.oldest);
                let until = support.until;
                assert!(until.is_none_or(|it| first < it && it <= runtime.newest), "{cell}");
            }
        }
    }
}

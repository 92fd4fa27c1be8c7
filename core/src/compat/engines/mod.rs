//! Engines that start images: a table of their rules, and checks of an image against it.
//!
//! A check looks at the image's real shape, so it also works for images that other tools made.

mod check;
mod incompatibility;
mod program;
mod shape;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::UnknownName;
use crate::compat::Error;
use crate::image::Format;
use crate::module::Kind;
use table::{ENGINES, Known};

pub use check::{Compatibility, Evidence, KnownIncompatibility};
pub use shape::{PartialManifest, Shape};

/// A program that runs or carries images, in one version or variant: `docker-28`, `cri-1.7`, `wkg`.
#[derive(Clone, Copy)]
pub struct Engine(&'static Known);

impl Engine {
    /// Returns every engine in the table, container engines first.
    pub fn all() -> impl Iterator<Item = Engine> {
        ENGINES.iter().map(Engine)
    }

    /// The name for `--for`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The name that all its versions share: `docker`.
    #[must_use]
    pub fn family(self) -> &'static str {
        self.0.family
    }

    /// Its name in a table.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// The command that starts, or reads, an image with it.
    #[must_use]
    pub fn how(self) -> &'static str {
        self.0.how
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for Engine {
    // Names are unique, and the rules of an engine can't be compared.
    fn eq(&self, other: &Engine) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Engine {}

impl Serialize for Engine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One engine, or all versions and variants of one, such as `docker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EngineSelector(&'static str);

impl EngineSelector {
    /// Returns every valid name: families first, then single engines.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        // A family with a single engine, such as `wkg`, has the name of that engine.
        let mut names: Vec<&str> = Vec::new();
        for name in Engine::all().map(Engine::family).chain(Engine::all().map(Engine::name)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Returns the engines that it selects.
    pub fn engines(self) -> impl Iterator<Item = Engine> {
        Engine::all().filter(move |engine| [engine.name(), engine.family()].contains(&self.0))
    }

    /// Returns true if every selected engine supports the format.
    #[must_use]
    pub fn takes(self, format: Format, kind: Kind) -> bool {
        self.engines().all(|engine| engine.formats(kind).any(|taken| taken == format))
    }
}

impl fmt::Display for EngineSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for EngineSelector {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<EngineSelector, UnknownName> {
        let names = EngineSelector::names();
        let found = names.iter().find(|name| **name == text);
        found
            .map(|name| EngineSelector(name))
            .ok_or_else(|| UnknownName::new("engine", text, &names))
    }
}

impl From<Engine> for EngineSelector {
    fn from(engine: Engine) -> EngineSelector {
        EngineSelector(engine.name())
    }
}

/// Chooses as few formats as possible, each with the selectors that it is for; the format for most of them comes first.
///
/// # Errors
/// [`Error::NoFormat`] when there is none for one of them.
pub fn formats_for(
    engines: &[EngineSelector],
) -> Result<Vec<(Format, Vec<EngineSelector>)>, Error> {
    formats_among(&Format::ALL, engines)
}

/// Chooses as [`formats_for`] does, from some formats only, which are in order of preference.
///
/// # Errors
/// As [`formats_for`].
pub fn formats_among(
    formats: &[Format],
    engines: &[EngineSelector],
) -> Result<Vec<(Format, Vec<EngineSelector>)>, Error> {
    let mut chosen: Vec<(Format, Vec<EngineSelector>)> = Vec::new();
    let mut rest: Vec<EngineSelector> = engines.to_vec();
    rest.dedup();
    while let Some(first) = rest.first() {
        let selectors = |format: Format| -> Vec<EngineSelector> {
            // The module is not built yet. That doesn't matter, because no format is limited to one kind of module.
            rest.iter().copied().filter(|it| it.takes(format, Kind::Command)).collect()
        };
        let best = formats.iter().map(|format| (*format, selectors(*format)));
        // Reversed, because `max_by_key` returns the last maximum.
        let best = best.rev().max_by_key(|(format, selectors)| {
            // Others read the module out of any format, and have no use for the native programs.
            let starts_native =
                || selectors.iter().any(|it| it.engines().any(Engine::starts_native));
            (selectors.len(), *format != Format::Standalone || starts_native())
        });
        match best.filter(|(_, selectors)| !selectors.is_empty()) {
            None => return Err(Error::NoFormat { engine: first.name() }),
            Some((format, selectors)) => {
                rest.retain(|it| !selectors.contains(it));
                chosen.push((format, selectors));
            }
        }
    }
    Ok(chosen)
}

//! Which consumers take an image: a table, and a verdict by the image's real shape, whoever made it.

mod hurdle;
mod shape;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::image::{Error, Format};
use crate::module::Kind;
use table::{CONSUMERS, Known};

pub use shape::{PartialManifest, Shape};
pub use verdict::{ImageVerdict, KnownHurdle, Source};

/// A program that images are for, in one version or kind: `docker-28`, `cri-1.7`, `wkg`.
#[derive(Clone, Copy)]
pub struct Consumer(&'static Known);

impl Consumer {
    /// All of them, engines first.
    pub fn all() -> impl Iterator<Item = Consumer> {
        CONSUMERS.iter().map(Consumer)
    }

    /// The name by which the user knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What it is a version or kind of: `docker`.
    #[must_use]
    pub fn family(self) -> &'static str {
        self.0.family
    }

    /// Its name in a table.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// How an image is started, or read, with it.
    #[must_use]
    pub fn how(self) -> &'static str {
        self.0.how
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for Consumer {
    fn eq(&self, other: &Consumer) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Consumer {}

impl Serialize for Consumer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Whom an image is for: one consumer, or all versions and kinds of one, as `docker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience(&'static str);

impl Audience {
    /// Every name that there is: families first, then those of which a family has several.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<&str> = Vec::new();
        for name in Consumer::all().map(Consumer::family).chain(Consumer::all().map(Consumer::name))
        {
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

    /// Who that is.
    pub fn consumers(self) -> impl Iterator<Item = Consumer> {
        Consumer::all()
            .filter(move |consumer| [consumer.name(), consumer.family()].contains(&self.0))
    }

    /// Whether all of them take this format.
    #[must_use]
    pub fn takes(self, format: Format, kind: Kind) -> bool {
        self.consumers().all(|consumer| consumer.formats(kind).any(|taken| taken == format))
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl FromStr for Audience {
    type Err = Error;

    fn from_str(text: &str) -> Result<Audience, Error> {
        let found = Audience::names().into_iter().find(|name| *name == text);
        found.map(Audience).ok_or_else(|| Error::UnknownConsumer {
            text: text.to_owned(),
            known: Audience::names().join(", "),
        })
    }
}

/// The formats for an audience: as few as can be, each with those for whom it is made, the one for most of them first.
///
/// # Errors
/// [`Error::NoFormat`] when there is none for one of them.
pub fn formats_for(audience: &[Audience]) -> Result<Vec<(Format, Vec<Audience>)>, Error> {
    let mut chosen: Vec<(Format, Vec<Audience>)> = Vec::new();
    let mut rest: Vec<Audience> = audience.to_vec();
    rest.dedup();
    while let Some(first) = rest.first() {
        let takers = |format: Format| -> Vec<Audience> {
            // What the module is, is not known yet; no format is for one kind of module alone.
            rest.iter().copied().filter(|it| it.takes(format, Kind::Command)).collect()
        };
        let best = Format::ALL.map(|format| (format, takers(format)));
        // The first of those that most take: the order of the formats is that of preference.
        let best = best.into_iter().rev().max_by_key(|(_, takers)| takers.len());
        match best.filter(|(_, takers)| !takers.is_empty()) {
            None => return Err(Error::NoFormat { consumer: first.name() }),
            Some((format, takers)) => {
                rest.retain(|it| !takers.contains(it));
                chosen.push((format, takers));
            }
        }
    }
    Ok(chosen)
}

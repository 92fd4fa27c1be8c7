//! What each engine makes of an image.

use serde::Serialize;

use super::Engine;
use super::incompatibility::Incompatibility;
use super::shape::{Content, Entry, Shape};
use super::table::{ALL_ENGINES, ALL_STARTING_ENGINES, Outcome, Pick, Rule};
use crate::compat::Supports;
use crate::image::{Format, Platform};
use crate::module::Kind;

/// How it is known what an engine does with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Our tests run it.
    Tests,
    /// It was run by hand, in November 2026 on Debian with an x86-64 processor, with images of the same shape.
    Hand,
    /// It was read in the engine's source, or its documentation.
    Code,
    /// It follows from the rest.
    Inferred,
}

/// Something that an engine stumbles over, in one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownIncompatibility {
    /// What it is about an image.
    pub cause: &'static str,
    /// Whether the engine fails, or runs the image when its user does something.
    pub fails: bool,
    /// What it says when it fails, empty where that is not known; or what its user has to do.
    pub words: &'static str,
    /// How that is known.
    pub source: Evidence,
}

/// Whether an engine takes an image, and what is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compatibility {
    /// The engine.
    #[serde(rename = "consumer")]
    pub engine: Engine,
    /// Whether it does. With an option means: beside what every image needs there, which is [`Engine::how`].
    #[serde(rename = "takes")]
    pub supports: Supports,
    /// What its user has to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// What it says, as far as that is known: a part of its message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<&'static str>,
    /// What in the image is the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// A format that it would take, of the same module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// What else helps.
    #[serde(rename = "way_out", skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<&'static str>,
    /// How that is known.
    pub source: Evidence,
}

impl Engine {
    /// What it makes of an image.
    #[must_use]
    pub fn check(self, shape: &Shape) -> Compatibility {
        let entry = self.pick(shape);
        match self.failing(shape) {
            Some((rule, says)) => self.failure(shape, entry, rule, says),
            None => self.success(shape, entry),
        }
    }

    /// What it fails with, if it does.
    fn failing(self, shape: &Shape) -> Option<(&'static Rule, &'static str)> {
        let entry = self.pick(shape);
        self.rules().filter(|rule| rule.incompatibility.is_in(shape, entry)).find_map(|rule| {
            match rule.outcome {
                Outcome::Fails(says) => Some((rule, says)),
                Outcome::With(_) => None,
            }
        })
    }

    /// Its own, in their order, and those of everybody.
    fn rules(self) -> impl Iterator<Item = &'static Rule> {
        self.0
            .rules
            .iter()
            .chain(ALL_ENGINES)
            .chain(ALL_STARTING_ENGINES.iter().filter(move |_| self.0.starts))
    }

    fn success(self, shape: &Shape, entry: Option<&Entry>) -> Compatibility {
        let met = self.rules().filter(|rule| rule.incompatibility.is_in(shape, entry));
        let conditions = met.filter_map(|rule| match rule.outcome {
            Outcome::With(condition) => Some((condition.to_owned(), rule.source)),
            Outcome::Fails(_) => None,
        });
        let (mut with, sources): (Vec<String>, Vec<Evidence>) = conditions.unzip();
        with.extend(self.only_some_hosts(shape));
        Compatibility {
            engine: self,
            supports: if with.is_empty() { Supports::Yes } else { Supports::WithOption },
            with,
            says: None,
            because: None,
            format: None,
            suggestion: None,
            source: sources.last().copied().unwrap_or(self.0.source),
        }
    }

    /// All that it is known to stumble over, but for what nobody could start.
    pub fn incompatibilities(self) -> impl Iterator<Item = KnownIncompatibility> {
        self.0.rules.iter().map(|rule| {
            let (fails, words) = match rule.outcome {
                Outcome::Fails(says) => (true, says),
                Outcome::With(condition) => (false, condition),
            };
            KnownIncompatibility {
                cause: rule.incompatibility.cause(),
                fails,
                words,
                source: rule.source,
            }
        })
    }

    fn failure(
        self,
        shape: &Shape,
        entry: Option<&Entry>,
        rule: &Rule,
        says: &'static str,
    ) -> Compatibility {
        let suggestion = rule.incompatibility.suggestion();
        let kind = shape.report().map_or(Kind::Command, |report| report.kind);
        Compatibility {
            engine: self,
            supports: Supports::No,
            with: Vec::new(),
            says: Some(says).filter(|says| !says.is_empty()),
            because: Some(because(rule.incompatibility, entry)),
            format: self.formats(kind).next().filter(|_| suggestion.is_none()),
            suggestion,
            source: rule.source,
        }
    }

    /// The formats that it takes as they are, the best first.
    pub fn formats(self, kind: Kind) -> impl Iterator<Item = Format> {
        Format::ALL
            .into_iter()
            .filter(move |format| self.failing(&Shape::of_format(*format, kind)).is_none())
    }

    /// The entry that it takes.
    fn pick(self, shape: &Shape) -> Option<&Entry> {
        let platform = |wanted: &dyn Fn(&Platform) -> bool| {
            shape.entries.iter().find(|entry| entry.platform.as_ref().is_some_and(wanted))
        };
        let linux = || {
            platform(&|it| it.os == "linux" && it.architecture == "amd64")
                .or_else(|| platform(&|it| it.os == "linux"))
        };
        match self.0.picks {
            _ if !shape.is_index => shape.entries.first(),
            Pick::Wasi => platform(&|it| *it == Platform::wasi()).or_else(linux),
            Pick::Host => linux(),
            Pick::Wasm => platform(&Platform::is_wasm).or(shape.entries.first()),
        }
    }

    /// Which hosts it runs on, when those are not the two architectures that nearly every one has.
    fn only_some_hosts(self, shape: &Shape) -> Option<String> {
        let linux = shape
            .entries
            .iter()
            .filter_map(|entry| entry.platform.as_ref())
            .filter(|it| it.os == "linux");
        let linux: Vec<String> = linux.map(Platform::to_string).collect();
        let has_both =
            ["linux/amd64", "linux/arm64"].iter().all(|it| linux.iter().any(|known| known == it));
        let is_host = self.0.picks == Pick::Host && !linux.is_empty();
        (is_host && !has_both).then(|| format!("hosts of {}", linux.join(", ")))
    }
}

/// The cause, with what was found.
fn because(incompatibility: Incompatibility, entry: Option<&Entry>) -> String {
    let detail = match entry.map(|entry| entry.parts.as_ref()) {
        Some(Err(reason)) => Some(reason.as_str()),
        Some(Ok(parts)) => match (&parts.content, incompatibility) {
            (Content::NotWasm(reason), Incompatibility::NotWasm)
            | (Content::Nothing(reason), Incompatibility::NoModule) => Some(reason.as_str()),
            _ => None,
        },
        None => None,
    };
    match detail {
        Some(detail) => format!("{}: {detail}", incompatibility.cause()),
        None => incompatibility.cause().to_owned(),
    }
}

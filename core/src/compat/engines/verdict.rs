//! What each consumer makes of an image.

use serde::Serialize;

use super::Consumer;
use super::hurdle::Hurdle;
use super::shape::{Content, Entry, Shape};
use super::table::{NOBODY, NOBODY_STARTS, Outcome, Pick, Rule};
use crate::compat::runtimes::Takes;
use crate::image::{Format, Platform};
use crate::module::Kind;

/// How it is known what a consumer does with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Our tests run it.
    Tests,
    /// It was run by hand, in November 2026 on Debian with an x86-64 processor, with images of the same shape.
    Hand,
    /// It was read in the consumer's source, or its documentation.
    Code,
    /// It follows from the rest.
    Inferred,
}

/// Something that a consumer stumbles over, in one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownHurdle {
    /// What it is about an image.
    pub cause: &'static str,
    /// Whether the consumer fails, or runs the image when its user does something.
    pub fails: bool,
    /// What it says when it fails, empty where that is not known; or what its user has to do.
    pub words: &'static str,
    /// How that is known.
    pub source: Source,
}

/// Whether a consumer takes an image, and what is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageVerdict {
    /// The consumer.
    pub consumer: Consumer,
    /// Whether it does. With an option means: beside what every image needs there, which is [`Consumer::how`].
    pub takes: Takes,
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
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "name")]
    pub format: Option<Format>,
    /// What else helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way_out: Option<&'static str>,
    /// How that is known.
    pub source: Source,
}

fn name<S: serde::Serializer>(format: &Option<Format>, serializer: S) -> Result<S::Ok, S::Error> {
    format.map(Format::name).serialize(serializer)
}

impl Consumer {
    /// What it makes of an image.
    #[must_use]
    pub fn judge(self, shape: &Shape) -> ImageVerdict {
        let entry = self.pick(shape);
        match self.failing(shape) {
            Some((rule, says)) => self.failure(shape, entry, rule, says),
            None => self.success(shape, entry),
        }
    }

    /// What it fails with, if it does.
    fn failing(self, shape: &Shape) -> Option<(&'static Rule, &'static str)> {
        let entry = self.pick(shape);
        self.rules().filter(|rule| rule.hurdle.is_in(shape, entry)).find_map(|rule| {
            match rule.outcome {
                Outcome::Fails(says) => Some((rule, says)),
                Outcome::With(_) => None,
            }
        })
    }

    /// Its own, in their order, and those of everybody.
    fn rules(self) -> impl Iterator<Item = &'static Rule> {
        self.0.rules.iter().chain(NOBODY).chain(NOBODY_STARTS.iter().filter(move |_| self.0.starts))
    }

    fn success(self, shape: &Shape, entry: Option<&Entry>) -> ImageVerdict {
        let met = self.rules().filter(|rule| rule.hurdle.is_in(shape, entry));
        let conditions = met.filter_map(|rule| match rule.outcome {
            Outcome::With(condition) => Some((condition.to_owned(), rule.source)),
            Outcome::Fails(_) => None,
        });
        let (mut with, sources): (Vec<String>, Vec<Source>) = conditions.unzip();
        with.extend(self.only_some_hosts(shape));
        ImageVerdict {
            consumer: self,
            takes: if with.is_empty() { Takes::Yes } else { Takes::WithOption },
            with,
            says: None,
            because: None,
            format: None,
            way_out: None,
            source: sources.last().copied().unwrap_or(self.0.source),
        }
    }

    /// All that it is known to stumble over, but for what nobody could start.
    pub fn hurdles(self) -> impl Iterator<Item = KnownHurdle> {
        self.0.rules.iter().map(|rule| {
            let (fails, words) = match rule.outcome {
                Outcome::Fails(says) => (true, says),
                Outcome::With(condition) => (false, condition),
            };
            KnownHurdle { cause: rule.hurdle.cause(), fails, words, source: rule.source }
        })
    }

    fn failure(
        self,
        shape: &Shape,
        entry: Option<&Entry>,
        rule: &Rule,
        says: &'static str,
    ) -> ImageVerdict {
        let way_out = rule.hurdle.way_out();
        let kind = shape.report().map_or(Kind::Command, |report| report.kind);
        ImageVerdict {
            consumer: self,
            takes: Takes::No,
            with: Vec::new(),
            says: Some(says).filter(|says| !says.is_empty()),
            because: Some(because(rule.hurdle, entry)),
            format: self.formats(kind).next().filter(|_| way_out.is_none()),
            way_out,
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
fn because(hurdle: Hurdle, entry: Option<&Entry>) -> String {
    let detail = match entry.map(|entry| entry.parts.as_ref()) {
        Some(Err(reason)) => Some(reason.as_str()),
        Some(Ok(parts)) => match (&parts.content, hurdle) {
            (Content::NotWasm(reason), Hurdle::NotWasm)
            | (Content::Nothing(reason), Hurdle::NoModule) => Some(reason.as_str()),
            _ => None,
        },
        None => None,
    };
    match detail {
        Some(detail) => format!("{}: {detail}", hurdle.cause()),
        None => hurdle.cause().to_owned(),
    }
}

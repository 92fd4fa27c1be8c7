//! Checks of an image against the rules of each engine.

use serde::Serialize;

use super::Engine;
use super::incompatibility::Incompatibility;
use super::program::Content;
use super::shape::{Entry, Shape};
use super::table::{ALL_ENGINES, ALL_STARTING_ENGINES, Outcome, Pick, RULES_OF_FAMILIES, Rule};
use crate::compat::Supports;
use crate::image::{Format, Platform};
use crate::module::Kind;

/// The source of what the table says about an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Our tests run it.
    Tests,
    /// A run by hand, in November 2026 on Debian with an x86-64 processor, with images of the same shape.
    Hand,
    /// The engine's source code or documentation.
    Code,
    /// A conclusion from the other entries.
    Inferred,
}

/// Something that an engine stumbles over, in one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownIncompatibility {
    /// The property of the image that is the cause.
    pub cause: &'static str,
    /// True if the engine fails; false if it runs the image once its user does something.
    pub fails: bool,
    /// The engine's message (empty if unknown), or what its user has to do.
    pub words: &'static str,
    /// The source of this entry.
    pub source: Evidence,
}

/// The result of a check: how far one engine supports an image, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compatibility {
    /// The engine.
    // Scripts read the JSON, so its keys keep their older words.
    #[serde(rename = "consumer")]
    pub engine: Engine,
    /// An option counts only if it comes on top of [`Engine::how`], which every image needs.
    #[serde(rename = "takes")]
    pub supports: Supports,
    /// Options and preparations that the image needs there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// The command that starts, or reads, this image with it; empty if it fails.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub how: &'static str,
    /// A part of the engine's error message, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<&'static str>,
    /// The property of the image that is the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// A format that it would take, of the same module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// A change other than to another format.
    #[serde(rename = "way_out", skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<&'static str>,
    /// The source of this result.
    pub source: Evidence,
}

impl Engine {
    /// Checks whether the engine starts an image of this shape.
    #[must_use]
    pub fn check(self, shape: &Shape) -> Compatibility {
        let entry = self.pick(shape);
        match self.failing(shape) {
            Some((rule, says)) => self.failure(shape, entry, rule, says),
            None => self.success(shape, entry),
        }
    }

    /// Returns the first rule that makes it fail, with its message.
    fn failing(self, shape: &Shape) -> Option<(&'static Rule, &'static str)> {
        let entry = self.pick(shape);
        self.rules(entry).filter(|rule| rule.incompatibility.is_in(shape, entry)).find_map(|rule| {
            match rule.outcome {
                Outcome::Fails(says) => Some((rule, says)),
                Outcome::With(_) | Outcome::Instead { .. } => None,
            }
        })
    }

    // The engine's own rules come first, because they include its message.
    fn rules(self, entry: Option<&Entry>) -> impl Iterator<Item = &'static Rule> {
        // All others are about starting a module, and a native program is started as any other.
        let is_module = !entry.is_some_and(Entry::is_native);
        let own = self.0.rules.iter().copied().flatten();
        let starting = ALL_STARTING_ENGINES.iter().filter(move |_| self.0.starts);
        let of_family = RULES_OF_FAMILIES.iter().filter(move |it| it.0.contains(&self.family()));
        own.chain(starting)
            .chain(of_family.flat_map(|it| it.1))
            .filter(move |_| is_module)
            .chain(ALL_ENGINES)
    }

    fn success(self, shape: &Shape, entry: Option<&Entry>) -> Compatibility {
        let met = || self.rules(entry).filter(|rule| rule.incompatibility.is_in(shape, entry));
        let conditions =
            met().filter_map(|rule| Some((rule.outcome.condition()?.to_owned(), rule.source)));
        let (mut with, sources): (Vec<String>, Vec<Evidence>) = conditions.unzip();
        // Not a failure: the image runs wherever the host has one of its platforms.
        with.extend(self.only_some_hosts(shape));
        let native = entry.filter(|entry| entry.is_native()).and(self.0.native);
        Compatibility {
            engine: self,
            supports: if with.is_empty() { Supports::Yes } else { Supports::WithOption },
            with,
            how: native
                .or_else(|| met().find_map(|rule| rule.outcome.instead()))
                .unwrap_or(self.0.how),
            says: None,
            because: None,
            format: None,
            suggestion: None,
            source: sources.last().copied().unwrap_or(self.0.source),
        }
    }

    /// Returns what the table lists for this engine, without what no engine could start.
    pub fn incompatibilities(self) -> impl Iterator<Item = KnownIncompatibility> {
        self.0.rules.iter().copied().flatten().map(|rule| {
            let (fails, words) = match rule.outcome {
                Outcome::Fails(says) => (true, says),
                Outcome::With(condition) | Outcome::Instead { condition, .. } => (false, condition),
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
        let kind = shape.report().map_or(Kind::Command, |report| report.kind);
        let possible = shape.possible_formats();
        let (mut suggestion, mut format) = (rule.incompatibility.suggestion(), None);
        // A rule with a suggestion applies to every format of this module.
        if suggestion.is_none() {
            format = self.formats(kind).find(|format| possible.contains(format));
            let has_other = format.is_none() && self.formats(kind).next().is_some();
            suggestion = has_other.then_some(match shape.is_spin() {
                true => {
                    "start it with Spin, or push one of its components alone: `wasm-oci push app.wasm REFERENCE`"
                }
                false => {
                    "make another image, without files: only formats that hold nothing but the module run there"
                }
            });
        }
        Compatibility {
            engine: self,
            supports: Supports::No,
            with: Vec::new(),
            how: "",
            says: Some(says).filter(|says| !says.is_empty()),
            because: Some(because(rule.incompatibility, entry)),
            format,
            suggestion,
            source: rule.source,
        }
    }

    /// Returns the formats that it supports without an option, the best first.
    pub fn formats(self, kind: Kind) -> impl Iterator<Item = Format> {
        // `failing`, not `check`: a failed check asks for these formats, and would recurse.
        Format::ALL.into_iter().filter(move |format| {
            let shape = Shape::of_format(*format, kind);
            self.failing(&shape).is_none() && !self.wants_another_command(&shape)
        })
    }

    /// Returns true if it starts native programs, as container engines do.
    pub(super) fn starts_native(self) -> bool {
        self.0.native.is_some()
    }

    fn wants_another_command(self, shape: &Shape) -> bool {
        let entry = self.pick(shape);
        self.rules(entry).any(|rule| {
            rule.outcome.instead().is_some() && rule.incompatibility.is_in(shape, entry)
        })
    }

    /// Returns the manifest that the engine selects.
    fn pick(self, shape: &Shape) -> Option<&Entry> {
        let platform = |wanted: &dyn Fn(&Platform) -> bool| {
            shape.entries.iter().find(|entry| entry.platform.as_ref().is_some_and(wanted))
        };
        // The engine's host is unknown here, so any linux entry counts; `only_some_hosts` names the hosts.
        let linux = || {
            platform(&|it| it.os == "linux" && it.architecture == "amd64")
                .or_else(|| platform(&|it| it.os == "linux"))
        };
        // Needs nothing on the host, so it is what users start, whatever a Wasm runtime would select.
        let native = shape.entries.iter().find(|entry| entry.is_native());
        if let (Some(native), Some(_)) = (native, self.0.native) {
            return Some(native);
        }
        match self.0.picks {
            // The platform of a single manifest is not compared; `OtherWasmOs` and `NotLinux` cover a mismatch.
            _ if !shape.is_index => shape.entries.first(),
            // Without an entry for wasi/wasm, the user can still select linux; a rule `with` says how.
            Pick::Wasi => platform(&|it| *it == Platform::wasi()).or_else(linux),
            Pick::Host => linux(),
            Pick::Wasm => platform(&Platform::is_wasm).or(shape.entries.first()),
        }
    }

    /// Returns the hosts that the image is limited to, if it lacks one of the two architectures of nearly all hosts.
    fn only_some_hosts(self, shape: &Shape) -> Option<String> {
        let linux = shape
            .entries
            .iter()
            .filter_map(|entry| entry.platform.as_ref())
            .filter(|it| it.os == "linux");
        let linux: Vec<String> = linux.map(Platform::to_string).collect();
        let has_both =
            ["linux/amd64", "linux/arm64"].iter().all(|it| linux.iter().any(|known| known == it));
        // wasi/wasm runs on any processor: only engines that select by their host are limited.
        let is_native = self.pick(shape).is_some_and(Entry::is_native);
        let is_host = (is_native || self.0.picks == Pick::Host) && !linux.is_empty();
        (is_host && !has_both).then(|| format!("hosts of {}", linux.join(", ")))
    }
}

/// The cause, with the detail that was found.
fn because(incompatibility: Incompatibility, entry: Option<&Entry>) -> String {
    let detail = match entry.map(|entry| entry.parts.as_ref()) {
        Some(Err(reason)) => Some(reason.clone()),
        Some(Ok(parts)) if incompatibility == Incompatibility::Defect => parts.defect(),
        Some(Ok(parts)) => match (&parts.program.content, incompatibility) {
            (Content::NotWasm(reason), Incompatibility::NotWasm)
            | (Content::BrokenLayer(reason), Incompatibility::BrokenLayer)
            | (Content::Nothing(reason), Incompatibility::NoModule) => Some(reason.clone()),
            _ => None,
        },
        None => None,
    };
    match detail {
        Some(detail) => format!("{}: {detail}", incompatibility.cause()),
        None => incompatibility.cause().to_owned(),
    }
}

//! The table of engines. `docs/formats.md` is generated from it, and tests compare it with real engines.

mod containerd;
mod docker;
mod others;

use super::check::Evidence;
use super::incompatibility::Incompatibility;

/// An engine, and the rules by which it fails.
pub(super) struct Known {
    /// The name for `--for`.
    pub(super) name: &'static str,
    pub(super) family: &'static str,
    pub(super) title: &'static str,
    pub(super) how: &'static str,
    /// The command that starts a native program, without a Wasm runtime; `None` for engines that start none.
    pub(super) native: Option<&'static str>,
    pub(super) picks: Pick,
    // False for tools that only carry an image: they don't look at the module.
    pub(super) starts: bool,
    /// In groups, because versions of one engine share most of them. The first rule that applies gives the message.
    pub(super) rules: &'static [&'static [Rule]],
    /// The source for images that no rule applies to.
    pub(super) source: Evidence,
}

/// The manifest that an engine selects from an index. From any other image, all select the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// The one for exactly `wasi/wasm` (the user passes `--platform`), otherwise one for linux.
    Wasi,
    /// The one for the host's own platform.
    Host,
    /// The one for a Wasm platform of any name.
    Wasm,
}

/// The effect of one property on one engine.
pub(super) struct Rule {
    pub(super) incompatibility: Incompatibility,
    pub(super) outcome: Outcome,
    pub(super) source: Evidence,
}

pub(super) enum Outcome {
    /// The engine fails with this message, which is empty if unknown.
    Fails(&'static str),
    /// The engine runs the image if its user does this.
    With(&'static str),
    /// The engine runs the image with another command.
    Instead {
        /// Its difference from the usual command.
        condition: &'static str,
        how: &'static str,
    },
}

impl Outcome {
    /// The condition, unless the engine fails.
    pub(super) fn condition(&self) -> Option<&'static str> {
        match self {
            Outcome::Fails(_) => None,
            Outcome::With(condition) | Outcome::Instead { condition, .. } => Some(condition),
        }
    }

    /// The command that replaces the usual one.
    pub(super) fn instead(&self) -> Option<&'static str> {
        match self {
            Outcome::Instead { how, .. } => Some(how),
            Outcome::Fails(_) | Outcome::With(_) => None,
        }
    }
}

/// Our tests see it on every change.
const fn tested(incompatibility: Incompatibility, says: &'static str) -> Rule {
    Rule { incompatibility, outcome: Outcome::Fails(says), source: Evidence::Tests }
}

/// A run by hand in November 2026.
const fn seen(incompatibility: Incompatibility, says: &'static str) -> Rule {
    Rule { incompatibility, outcome: Outcome::Fails(says), source: Evidence::Hand }
}

/// Read in the engine's source code.
const fn read(incompatibility: Incompatibility, says: &'static str) -> Rule {
    Rule { incompatibility, outcome: Outcome::Fails(says), source: Evidence::Code }
}

/// A conclusion from other entries that nobody has tried.
const fn inferred(incompatibility: Incompatibility) -> Rule {
    Rule { incompatibility, outcome: Outcome::Fails(""), source: Evidence::Inferred }
}

const fn with(incompatibility: Incompatibility, condition: &'static str, source: Evidence) -> Rule {
    Rule { incompatibility, outcome: Outcome::With(condition), source }
}

const fn instead(
    incompatibility: Incompatibility,
    condition: &'static str,
    how: &'static str,
    source: Evidence,
) -> Rule {
    Rule { incompatibility, outcome: Outcome::Instead { condition, how }, source }
}

/// Rules of every engine.
pub(super) const ALL_ENGINES: &[Rule] = &[inferred(Incompatibility::Unreadable)];

/// Rules of every engine that starts modules.
pub(super) const ALL_STARTING_ENGINES: &[Rule] = &[
    inferred(Incompatibility::BrokenLayer),
    inferred(Incompatibility::NoModule),
    inferred(Incompatibility::NotWasm),
    inferred(Incompatibility::Precompiled),
    inferred(Incompatibility::NoExport),
    inferred(Incompatibility::Defect),
    with(
        Incompatibility::Reactor,
        "an export to call: `#NAME` after the module's path in the entrypoint",
        Evidence::Code,
    ),
];

/// Rules of families of engines, about settings that the files of an image don't fit.
// containerd 1.6 by hand in November 2026; all versions use the same libraries for this.
pub(super) const RULES_OF_FAMILIES: &[(&[&str], &[Rule])] = &[
    (
        &["containerd", "kubernetes", "docker", "podman"],
        &[inferred(Incompatibility::NoUser), inferred(Incompatibility::RelativeWorkingDir)],
    ),
    (&["containerd", "kubernetes", "docker"], &[inferred(Incompatibility::CommandOnPath)]),
    (&["containerd", "kubernetes"], &[inferred(Incompatibility::NoWorkingDir)]),
];

/// Every engine. Versions of one engine are in ascending order, and only those that differ from the one before or that were
/// tried are listed.
pub(super) const ENGINES: &[Known] = &[
    containerd::CTR_1_6,
    containerd::CTR_1_7,
    containerd::CTR_2_1,
    containerd::CTR_2_2,
    containerd::CTR_2_3,
    containerd::CRI_1_6,
    containerd::CRI_1_7,
    containerd::CRI_2_1,
    containerd::CRI_2_2,
    containerd::CRI_2_3,
    docker::DOCKER_26,
    docker::DOCKER_28,
    docker::DOCKER_CLASSIC,
    docker::PODMAN,
    others::WKG,
    others::SKOPEO,
    others::NODE,
    others::BROWSER,
];

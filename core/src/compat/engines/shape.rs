//! The properties that engines tell images apart by.

use super::program::{Command, Content, LayerKind, Program, layer_kind, program};
use crate::image::extract::is_bare;
use crate::image::{Error, Format, Image, ImageSettings, Manifest, Platform, Start};
use crate::limits::{Budget, ReadLimits};
use crate::module::{Kind, Report};

/// The properties of an image that engines look at. A part that can't be read is such a property, too.
#[derive(Debug, Clone)]
pub struct Shape {
    pub(super) is_index: bool,
    pub(super) entries: Vec<Entry>,
}

/// One manifest: the only one, or one that an index lists.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    // That in the index if there is one: engines select by it before they read any configuration.
    pub(super) platform: Option<Platform>,
    pub(super) parts: Result<Parts, String>,
}

#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) config: ConfigKind,
    pub(super) platform: Option<Platform>,
    pub(super) layers: Vec<LayerKind>,
    pub(super) diff_ids: usize,
    // runwasi caches compiled code by the digest of the configuration, which has to differ for each module.
    pub(super) is_labelled: bool,
    pub(super) program: Program,
    /// True for an application that only Spin can start.
    pub(super) is_spin: bool,
    /// Sentences about the compression of layers, and what else the user should know.
    pub(super) warnings: Vec<String>,
}

/// Whose configuration it is, by its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfigKind {
    Image,
    Artifact,
    Other,
}

/// One manifest of an image, as far as it could be read.
#[derive(Debug, Clone)]
pub struct PartialManifest {
    /// The platform in the index, if an index lists the manifest.
    pub listed_for: Option<Platform>,
    /// The manifest and what it lists, or the reason why it can't be read.
    pub manifest: Result<Manifest, String>,
}

impl Shape {
    /// Returns the shape of an image that was read whole.
    ///
    /// # Errors
    /// [`Error::OverLimit`] when its layers unpack to more than the limits of its source allow.
    pub fn of(image: &Image) -> Result<Shape, Error> {
        let partial = image
            .manifests()
            .iter()
            .map(|manifest| PartialManifest { listed_for: None, manifest: Ok(manifest.clone()) });
        Shape::of_parts(
            image.root().descriptor().media_type.is_index(),
            &partial.collect::<Vec<_>>(),
        )
    }

    /// Returns the shape of an image of these manifests: those that an index lists, or the only one.
    ///
    /// # Errors
    /// As [`Shape::of`].
    pub fn of_parts(is_index: bool, manifests: &[PartialManifest]) -> Result<Shape, Error> {
        let first = manifests.iter().find_map(|listed| listed.manifest.as_ref().ok());
        // One budget for all manifests: otherwise, an image could exceed the limits by listing several.
        let budget = || first.map_or_else(|| Budget::new(ReadLimits::default()), Manifest::budget);
        // The look for other files next to a bare layer unpacks layers that the first one didn't.
        let (budget, files_budget) = (budget(), budget());
        let mut entries: Vec<Entry> = Vec::new();
        for (n, PartialManifest { listed_for, manifest }) in manifests.iter().enumerate() {
            // Manifests of one index often share their layers, which are unpacked once.
            let same =
                manifests[..n].iter().position(|other| is_same_program(&other.manifest, manifest));
            let known = same
                .and_then(|same| entries[same].parts.as_ref().ok())
                .map(|parts| parts.program.clone());
            let of_config =
                manifest.as_ref().ok().and_then(|manifest| manifest.config().platform.clone());
            let parts = match (manifest, known) {
                (Ok(manifest), Some(known)) => Ok(Parts::of(manifest, known)),
                (Ok(manifest), None) => {
                    Ok(Parts::of(manifest, program(manifest, &budget, &files_budget)?))
                }
                (Err(reason), _) => Err(reason.clone()),
            };
            entries.push(Entry { platform: listed_for.clone().or(of_config), parts });
        }
        Ok(Shape { is_index, entries })
    }

    /// Returns the shape of an image of this format, with a module of this kind.
    #[must_use]
    pub fn of_format(format: Format, kind: Kind) -> Shape {
        // Written out, because `--for` chooses formats before there is a module. A test compares it with `assemble`.
        let wasi = Platform::wasi();
        let artifact_os = if kind.is_component() { "wasip2" } else { "wasip1" };
        let (platforms, config, layers) = match format {
            Format::Universal | Format::Standalone => {
                let platforms = [vec![wasi], ImageSettings::default_linux_platforms()].concat();
                (platforms, ConfigKind::Image, vec![LayerKind::Tar])
            }
            Format::Container => (vec![wasi], ConfigKind::Image, vec![LayerKind::Tar]),
            Format::Module => (vec![wasi], ConfigKind::Image, vec![LayerKind::Wasm]),
            Format::Combined => {
                (vec![wasi], ConfigKind::Image, vec![LayerKind::Tar, LayerKind::Wasm])
            }
            Format::Artifact => (
                vec![Platform::new(artifact_os, "wasm")],
                ConfigKind::Artifact,
                vec![LayerKind::Wasm],
            ),
        };
        let parts = |platform: &Platform| {
            let is_native = format == Format::Standalone && !platform.is_wasm();
            let wasm = Content::Wasm { kind, report: None };
            let (layers, content) = match is_native {
                true => (vec![LayerKind::Tar; 3], Content::Native),
                false => (layers.clone(), wasm),
            };
            Parts {
                config,
                platform: Some(platform.clone()),
                diff_ids: layers.iter().filter(|layer| **layer == LayerKind::Tar).count(),
                layers,
                is_labelled: true,
                program: Program {
                    command: Command::Present,
                    content,
                    has_files: false,
                    start: Start::default(),
                },
                is_spin: false,
                warnings: Vec::new(),
            }
        };
        let entry = |platform| Entry { parts: Ok(parts(&platform)), platform: Some(platform) };
        Shape { is_index: format.is_index(), entries: platforms.into_iter().map(entry).collect() }
    }

    /// Returns true if the image is an index of manifests.
    #[must_use]
    pub fn is_index(&self) -> bool {
        self.is_index
    }

    /// Returns the platform of each manifest.
    pub fn platforms(&self) -> impl Iterator<Item = Option<&Platform>> {
        self.entries.iter().map(|entry| entry.platform.as_ref())
    }

    /// Returns the report of the module, if there is a valid one.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.entries.iter().find_map(|entry| match &entry.parts.as_ref().ok()?.program.content {
            Content::Wasm { report, .. } => report.as_deref(),
            _ => None,
        })
    }

    fn parts(&self) -> impl Iterator<Item = &Parts> {
        self.entries.iter().filter_map(|entry| entry.parts.as_ref().ok())
    }

    /// Returns true for an application that only Spin can start.
    pub(super) fn is_spin(&self) -> bool {
        self.parts().any(|parts| parts.is_spin)
    }

    /// Returns the formats that the image can be converted to: those with room for all its files.
    #[must_use]
    pub fn possible_formats(&self) -> Vec<Format> {
        if self.is_spin() {
            return Vec::new();
        }
        let has_files = self.parts().any(|parts| parts.program.has_files);
        Format::ALL.into_iter().filter(|it| !has_files || it.has_root_filesystem()).collect()
    }

    /// Returns mistakes in the image that keep no engine from starting it.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for entry in &self.entries {
            let name =
                entry.platform.as_ref().map_or("the manifest".to_owned(), Platform::to_string);
            match &entry.parts {
                Err(reason) => notes.push(format!("{name} can't be read: {reason}")),
                Ok(parts) => {
                    notes.extend(parts.note(&name));
                    notes.extend(parts.warnings.clone());
                }
            }
        }
        notes.extend(self.report().map(Report::notes).unwrap_or_default());
        // Manifests of one index share their layers.
        let mut seen = std::collections::BTreeSet::new();
        notes.retain(|note| seen.insert(note.clone()));
        notes
    }
}

impl Entry {
    pub(super) fn is_native(&self) -> bool {
        self.parts.as_ref().is_ok_and(|parts| matches!(parts.program.content, Content::Native))
    }
}

impl Parts {
    fn of(manifest: &Manifest, program: Program) -> Parts {
        let config = manifest.config();
        Parts {
            config: match manifest.config_blob().descriptor().media_type.as_str() {
                // Docker's own type has the same content.
                "application/vnd.oci.image.config.v1+json"
                | "application/vnd.docker.container.image.v1+json" => ConfigKind::Image,
                "application/vnd.wasm.config.v0+json" => ConfigKind::Artifact,
                _ => ConfigKind::Other,
            },
            platform: config.platform.clone(),
            layers: manifest.layers().iter().map(layer_kind).collect(),
            diff_ids: config.diff_ids.len(),
            is_labelled: names_a_layer(manifest),
            program,
            is_spin: manifest.spin_application().is_some(),
            warnings: warnings(manifest),
        }
    }

    pub(super) fn count(&self, wanted: impl Fn(LayerKind) -> bool) -> usize {
        self.layers.iter().filter(|layer| wanted(**layer)).count()
    }

    fn note(&self, name: &str) -> Option<String> {
        let has_bare = self.count(|layer| layer == LayerKind::Wasm) > 0;
        let os = self.platform.as_ref().map(|platform| platform.os.as_str());
        match (&self.program.content, os) {
            // Measured with runwasi: of two modules with equal configurations, the first one ran for both.
            _ if has_bare && !self.is_labelled => Some(format!(
                "{name}: its configuration doesn't name the module's digest, so that another module with the same one \
                 could be started instead"
            )),
            // wkg writes `wasip2` for every module.
            (Content::Wasm { kind, .. }, Some("wasip2"))
                if self.config == ConfigKind::Artifact && !kind.is_component() =>
            {
                Some(format!(
                    "{name}: this platform is for components, but the image contains a core module"
                ))
            }
            (Content::Wasm { kind: Kind::Component, .. }, Some("wasip1")) => Some(format!(
                "{name}: this platform is for core modules, but the image contains a component"
            )),
            _ => None,
        }
    }
}

fn warnings(manifest: &Manifest) -> Vec<String> {
    let mut notes = manifest.warnings();
    if manifest.layers().iter().any(|layer| layer.descriptor().media_type.is_zstd()) {
        notes.push(ZSTD.to_owned());
    }
    notes
}

/// Said of layers that are compressed with zstd. Every engine of the table unpacks them.
// By the sources of containerd (`archive/compression`) and of moby (`pkg/archive`).
const ZSTD: &str = "a layer is compressed with zstd: every container engine that is listed here unpacks it, but containerd \
                    before 1.5 and Docker's classic store before 23.0 don't";

// A text search, because the digest can be in runwasi's label or in an artifact's `layerDigests`.
fn names_a_layer(manifest: &Manifest) -> bool {
    let Ok(config) = manifest.config_blob().bytes() else { return false };
    let config = String::from_utf8_lossy(&config);
    let bare = manifest.layers().iter().filter(|layer| is_bare(layer));
    bare.map(|layer| layer.descriptor().digest.to_string()).any(|digest| config.contains(&digest))
}

fn is_same_program(a: &Result<Manifest, String>, b: &Result<Manifest, String>) -> bool {
    let (Ok(a), Ok(b)) = (a, b) else { return false };
    a.is_same_program(b) && a.config().command().eq(b.config().command())
}

//! Compatibility of images and modules with container engines.
//!
//! ```text
//! Location ─load_partial→ Shape ─check→ Compatibility ─┬─ text.rs: a table and suggestions
//!                                                      └─ JSON
//! ```

mod module;
mod text;

use clap::Args;
use serde::Serialize;
use wasm_oci_core::compat::Supports;
use wasm_oci_core::compat::engines::{Compatibility, EngineSelector, Shape};
use wasm_oci_core::compat::runtimes::{self, RuntimeCompatibility};
use wasm_oci_core::image::{Digest, Format, Platform, Tag, several_programs};
use wasm_oci_core::module::Kind;
use wasm_oci_core::store::{Location, Name, load_partial};

use crate::error::Error;
use crate::pipeline::engines::{refuse, selected};
use crate::registry::connection::Connections;
use crate::registry::source::open;
use crate::ui::shell::Shell;

#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Check only this engine, and exit with 9 if the image doesn't run there: docker, docker-28, kubernetes, cri-1.7, …
    #[arg(id = "engines", long = "for", value_name = "ENGINE", value_delimiter = ',')]
    pub engines: Vec<EngineSelector>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// The compatibility of an image with engines.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// Location, as the user wrote it.
    pub source: String,
    pub digest: Digest,
    /// True for an index, false for a single manifest.
    pub index: bool,
    /// Platform of each manifest; `null` for a manifest without one.
    pub platforms: Vec<Option<String>>,
    /// Kind of the module, if the image has one.
    pub kind: Option<Kind>,
    /// Advice for the author of the image.
    pub notes: Vec<String>,
    // Scripts rely on this name, which is older than the word "engine" in our code.
    #[serde(rename = "consumers")]
    pub engines: Vec<Compatibility>,
    pub runtimes: Vec<RuntimeCompatibility>,
    /// Formats that the image can be converted to.
    #[serde(skip)]
    possible_formats: Vec<Format>,
}

impl CheckReport {
    /// Checks an image of this shape against the selected engines, or against all of them.
    pub fn new(
        source: String,
        digest: Digest,
        shape: &Shape,
        engines: &[EngineSelector],
    ) -> CheckReport {
        CheckReport {
            source,
            digest,
            index: shape.is_index(),
            platforms: shape
                .platforms()
                .map(|platform| platform.map(Platform::to_string))
                .collect(),
            kind: shape.report().map(|report| report.kind),
            notes: shape.notes(),
            engines: selected(engines).into_iter().map(|engine| engine.check(shape)).collect(),
            runtimes: shape.report().map(runtimes::check).unwrap_or_default(),
            possible_formats: shape.possible_formats(),
        }
    }

    /// Prints the report. `command` returns the command that makes another image, of a format.
    pub fn print(
        &self,
        command: impl Fn(Format) -> String,
        json: bool,
        shell: &Shell,
    ) -> Result<(), Error> {
        match json {
            true => shell.print_json(self),
            false => shell.print(text::image(self, &command)?.trim_end()),
        }
    }
}

/// Checks the image or module at a location, and prints the report. Fails if a selected engine can't run it.
pub async fn check(
    location: &Location,
    args: &CheckArgs,
    connections: &Connections,
    shell: &Shell,
) -> Result<(), Error> {
    if let Location::File(path) = location {
        return module::check(path, args, shell);
    }
    let (source, name) = open(location, connections)?;
    // Not `load`: a broken image is what users check, so read as much of it as possible.
    let image = load_partial(&source, &name).await?;
    let digest = image.root.descriptor().digest;
    let mut checked =
        CheckReport::new(location.to_string(), digest, &image.shape()?, &args.engines);
    checked.notes.extend(several_programs(&image.programs()?));
    // Advice must not be a command that fails. Finding that out unpacks the layers again.
    let needs_advice = checked.engines.iter().any(|it| it.supports == Supports::No);
    if needs_advice && !image.is_convertible() {
        checked.possible_formats.clear();
    }
    // Print the report in any case: it explains the exit code below.
    let named = with_name(location, name);
    checked.print(|format| convert_command(&named, format), args.json, shell)?;
    // Without `--for`, the user has required nothing, so an engine that fails is not an error.
    if args.engines.is_empty() {
        return Ok(());
    }
    let fails = |compatibility: &&Compatibility| compatibility.supports == Supports::No;
    refuse(&checked.source, &checked.engines.iter().filter(fails).cloned().collect::<Vec<_>>())
}

/// Returns the location with the name of the image that was found there: another image may be added next to it.
fn with_name(location: &Location, name: Name) -> Location {
    match location.clone() {
        Location::Layout(path, None) => Location::Layout(path, Some(name)),
        Location::Archive(path, None) => Location::Archive(path, Some(name)),
        Location::DockerArchive(path, None) => Location::DockerArchive(path, Some(name)),
        other => other,
    }
}

/// Returns the command that makes an image of another format next to this one.
// Never in its place: a format that one engine needs is often one that another doesn't run.
fn convert_command(source: &Location, format: Format) -> String {
    let destination = match source {
        Location::Registry(reference) => tagged(&reference.name(), reference.tag(), format),
        Location::Layout(path, name) => {
            let tag = match name {
                Some(Name::Tag(tag)) => Some(tag),
                _ => None,
            };
            tagged(&format!("oci:{}", path.display()), tag, format)
        }
        // An archive is written as a whole.
        Location::Archive(path, _) | Location::DockerArchive(path, _) => {
            let path = path.with_extension(format!("{format}.tar"));
            format!("oci-archive:{}", path.display())
        }
        Location::File(_) => "REFERENCE".to_owned(),
    };
    let words = [&source.to_string(), &destination].map(|word| quoted(word));
    format!("wasm-oci convert {} {} --format {format}", words[0], words[1])
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    // Only a NUL can't be quoted, and no path or name has one.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Into::into)
}

/// Returns the name with the tag that `push` gives a second format.
fn tagged(name: &str, tag: Option<&Tag>, format: Format) -> String {
    match tag {
        Some(tag) => {
            let mut tag = tag.to_string();
            // A tag has at most 128 characters, all of them ASCII.
            tag.truncate(127 - format.name().len());
            format!("{name}:{tag}-{format}")
        }
        None => format!("{name}:{format}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_goes_to_another_place() {
        let command = |source: &str| convert_command(&source.parse().unwrap(), Format::Artifact);
        assert_eq!(
            command("ghcr.io/me/app:1.0"),
            "wasm-oci convert ghcr.io/me/app:1.0 ghcr.io/me/app:1.0-artifact --format artifact"
        );
        assert!(command("oci:dir").contains(" oci:dir:artifact "));
        assert!(command("oci:dir:v1").contains(" oci:dir:v1-artifact "));
        assert!(command("oci-archive:a.tar:v1").contains(" oci-archive:a.artifact.tar "));
        assert!(
            command("oci:my dir:v1").contains("convert 'oci:my dir:v1' 'oci:my dir:v1-artifact' ")
        );
        let long = command(&format!("oci:dir:{}", "a".repeat(128)));
        assert!(long.contains(&format!(":{}-artifact ", "a".repeat(119))), "{long}");
        let tag = || Name::Tag("t".parse().unwrap());
        let named = |source: &str| with_name(&source.parse().unwrap(), tag()).to_string();
        assert_eq!(
            (named("oci:dir"), named("oci:dir:v1")),
            ("oci:dir:t".into(), "oci:dir:v1".into())
        );
    }
}

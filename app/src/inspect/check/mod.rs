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
use wasm_oci_core::image::{Digest, Platform};
use wasm_oci_core::module::Kind;
use wasm_oci_core::store::{Location, load_partial};

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
        }
    }

    /// Prints the report. `suggestion` is the command that converts the image, without the names of the formats.
    pub fn print(&self, suggestion: &str, json: bool, shell: &Shell) -> Result<(), Error> {
        match json {
            true => shell.print_json(self),
            false => shell.print(text::image(self, suggestion)?.trim_end()),
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
    let checked = CheckReport::new(location.to_string(), digest, &image.shape()?, &args.engines);
    // Print the report in any case: it explains the exit code below.
    checked.print(&convert_command(location), args.json, shell)?;
    // Without `--for`, the user has required nothing, so an engine that fails is not an error.
    if args.engines.is_empty() {
        return Ok(());
    }
    let fails = |compatibility: &&Compatibility| compatibility.supports == Supports::No;
    refuse(&checked.source, &checked.engines.iter().filter(fails).cloned().collect::<Vec<_>>())
}

/// Returns the command that converts the image, without the names of the formats.
fn convert_command(source: &Location) -> String {
    let destination = match source {
        // The result will have another digest, so the user has to choose a name.
        Location::Registry(reference) if reference.digest().is_some() => "REFERENCE".to_owned(),
        other => other.to_string(),
    };
    format!("wasm-oci convert {source} {destination} --format ")
}

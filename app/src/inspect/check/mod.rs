//! Who takes an image, or what would be made of a module.
//!
//! ```text
//! Location ─load_partial→ Shape ─check→ Compatibility ─┬─ text.rs: a table, and what to do
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
use crate::runtime::block_on;
use crate::ui::shell::Shell;

/// What is checked for whom.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Only look at this engine, and fail (exit code 9) if it doesn't run there: docker, docker-28, kubernetes, cri-1.7, …
    #[arg(id = "engines", long = "for", value_name = "ENGINE", value_delimiter = ',')]
    pub engines: Vec<EngineSelector>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// An image, and what each engine makes of it.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// Where it is, as users write it.
    pub source: String,
    /// Its digest.
    pub digest: Digest,
    /// Whether it is an index.
    pub index: bool,
    /// What it runs on, manifest by manifest; `null` where it doesn't say.
    pub platforms: Vec<Option<String>>,
    /// What its module is, if it has one.
    pub kind: Option<Kind>,
    /// What whoever made it should know.
    pub notes: Vec<String>,
    /// What engines make of it.
    #[serde(rename = "consumers")]
    pub engines: Vec<Compatibility>,
    /// What runtimes make of its module.
    pub runtimes: Vec<RuntimeCompatibility>,
}

impl Checked {
    /// What engines make of an image of this shape: those of the engines, or all there are.
    #[must_use]
    pub fn new(
        source: String,
        digest: Digest,
        shape: &Shape,
        engines: &[EngineSelector],
    ) -> Checked {
        Checked {
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

    /// Prints it. `suggestion` is the command that makes another image, up to the names of its formats.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub fn print(&self, suggestion: &str, json: bool, shell: &Shell) -> Result<(), Error> {
        match json {
            true => shell.print_json(self),
            false => shell.print(text::image(self, suggestion)?.trim_end()),
        }
    }
}

/// Checks what is at a location, and prints the result.
///
/// # Errors
/// What can't be read, or [`Error::NotTaken`] when somebody that was named doesn't take it.
pub fn check(
    location: &Location,
    args: &CheckArgs,
    connections: &Connections,
    shell: &Shell,
) -> Result<(), Error> {
    if let Location::File(path) = location {
        return module::check(path, args, shell);
    }
    let (source, name) = open(location, connections)?;
    let image = block_on(load_partial(&source, &name))?;
    let digest = image.root.descriptor().digest;
    let checked = Checked::new(location.to_string(), digest, &image.shape(), &args.engines);
    checked.print(&convert_command(location), args.json, shell)?;
    if args.engines.is_empty() {
        return Ok(());
    }
    let fails = |compatibility: &&Compatibility| compatibility.supports == Supports::No;
    refuse(&checked.source, &checked.engines.iter().filter(fails).cloned().collect::<Vec<_>>())
}

/// The command that makes an image of other formats, up to their names.
fn convert_command(source: &Location) -> String {
    let destination = match source {
        // What is named by a digest is to have another one.
        Location::Registry(reference) if reference.digest().is_some() => "REFERENCE".to_owned(),
        other => other.to_string(),
    };
    format!("wasm-oci convert {source} {destination} --format ")
}

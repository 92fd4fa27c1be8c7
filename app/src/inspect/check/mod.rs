//! Who takes an image, or what would be made of a module.
//!
//! ```text
//! Location ─load_partial→ Shape ─judge→ verdicts ─┬─ text.rs: a table, and what to do
//!                                                 └─ JSON
//! ```

mod module;
mod text;

use clap::Args;
use serde::Serialize;
use wasm_oci_core::compat::engines::{Audience, ImageVerdict, Shape};
use wasm_oci_core::compat::runtimes::{Takes, Verdict};
use wasm_oci_core::image::{Digest, Platform};
use wasm_oci_core::module::Kind;
use wasm_oci_core::store::{Location, load_partial};

use crate::error::Error;
use crate::pipeline::engines::{consumers, refuse};
use crate::registry::connection::Connections;
use crate::registry::source::open;
use crate::runtime::block_on;
use crate::ui::shell::Shell;

/// What is checked for whom.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Only look at this consumer, and fail (exit code 9) if it doesn't run there: docker, docker-28, kubernetes, cri-1.7, …
    #[arg(id = "audience", long = "for", value_name = "CONSUMER", value_delimiter = ',')]
    pub audience: Vec<Audience>,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// An image, and what each consumer makes of it.
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
    /// What consumers make of it.
    pub consumers: Vec<ImageVerdict>,
    /// What runtimes make of its module.
    pub runtimes: Vec<Verdict>,
}

impl Checked {
    /// What consumers make of an image of this shape: those of the audience, or all there are.
    #[must_use]
    pub fn new(source: String, digest: Digest, shape: &Shape, audience: &[Audience]) -> Checked {
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
            consumers: consumers(audience)
                .into_iter()
                .map(|consumer| consumer.judge(shape))
                .collect(),
            runtimes: shape.report().map(|report| report.runtimes.clone()).unwrap_or_default(),
        }
    }

    /// Prints it. `way_out` is the command that makes another image, up to the names of its formats.
    ///
    /// # Errors
    /// [`Error::Stdout`].
    pub fn print(&self, way_out: &str, json: bool, shell: &Shell) -> Result<(), Error> {
        match json {
            true => shell.print_json(self),
            false => shell.print(text::image(self, way_out)?.trim_end()),
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
    let checked = Checked::new(location.to_string(), digest, &image.shape(), &args.audience);
    checked.print(&convert_command(location), args.json, shell)?;
    if args.audience.is_empty() {
        return Ok(());
    }
    let fails = |verdict: &&ImageVerdict| verdict.takes == Takes::No;
    refuse(&checked.source, &checked.consumers.iter().filter(fails).cloned().collect::<Vec<_>>())
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

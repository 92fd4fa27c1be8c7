//! Sizes of a module's parts: as a table, as JSON, as a treemap, and compared with another module.
//!
//! ```text
//! SizeReport ─Totals::of→ Totals ─┬─ table.rs: the largest parts
//!       │                         └─ diff.rs: changes since other Totals
//!       └─tree→ treemap.rs: an HTML file
//! ```

mod layers;
mod table;
mod treemap;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wasm_oci_core::module::{BuiltModule, SizeReport};
use wasm_oci_core::store::{Location, list_and_load_wasm};

use crate::config::args::module_or_image_help;
use crate::error::Error;
use crate::files::write;
use crate::pipeline::size::{Diff, Totals};
use crate::pipeline::stages::any_imports;
use crate::registry::connection::Connections;
use crate::registry::source::{load_module, open};
use crate::ui::shell::Shell;

pub use layers::LayerSize;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct SizeArgs {
    /// Print the sizes of all functions as JSON
    #[arg(long)]
    pub json: bool,
    /// Number of sections, crates and functions to show, the largest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Write an interactive treemap to this self-contained HTML file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[arg(
        long,
        value_name = "OLD",
        conflicts_with = "html",
        help = module_or_image_help("Show the changes since OLD")
    )]
    pub diff: Option<Location>,
}

#[derive(Debug)]
pub struct ModuleSizes<'a> {
    /// Cargo package; only `cargo wasm-oci` sets it.
    pub package: Option<&'a str>,
    pub name: &'a str,
    pub report: SizeReport,
    /// Layers of the image that the module is in, if it is standalone.
    pub layers: Vec<LayerSize>,
}

#[derive(Serialize)]
struct SizeMessage<'a, T> {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    layers: &'a [LayerSize],
    #[serde(flatten)]
    what: T,
}

impl ModuleSizes<'_> {
    /// Prints the sizes, their changes or a treemap, as `args` say.
    pub async fn show(
        &self,
        args: &SizeArgs,
        connections: &Connections,
        shell: &Shell,
    ) -> Result<(), Error> {
        if let Some(old) = &args.diff {
            return self.show_changes(old, args, connections, shell).await;
        }
        if let Some(path) = &args.html {
            let page = treemap::page(&self.report.tree(self.name));
            let page = page.map_err(|e| Error::Write { path: path.clone(), source: e.into() })?;
            write(path, page.as_bytes())?;
            shell.status("Drew", path.display());
        }
        match args.json {
            true => shell.print_json(&self.message("wasm-oci-size", &self.report)),
            false => {
                let module = table::table(self.name, &self.report, args.limit);
                shell.print((module + &table::layers(&self.layers)).trim_end())
            }
        }
    }

    async fn show_changes(
        &self,
        old: &Location,
        args: &SizeArgs,
        connections: &Connections,
        shell: &Shell,
    ) -> Result<(), Error> {
        let old_report = report_at(old, connections).await?;
        let diff = Diff::between(&Totals::of(&old_report), &Totals::of(&self.report));
        for (name, report) in [(old.to_string().as_str(), &old_report), (self.name, &self.report)] {
            // Functions without names only have numbers, which change from build to build.
            if !report.has_names {
                shell.warn(format_args!(
                    "`{name}` has no function names, so crates and functions are not compared"
                ));
            }
        }
        match args.json {
            true => shell.print_json(&self.message("wasm-oci-size-diff", diff)),
            false => shell.print(table::changes(self.name, &diff, args.limit).trim_end()),
        }
    }

    fn message<T>(&self, reason: &'static str, what: T) -> SizeMessage<'_, T> {
        SizeMessage { reason, package: self.package, name: self.name, layers: &self.layers, what }
    }
}

/// Returns the sizes of the module at a location, without optimizing it.
pub async fn report_at(
    location: &Location,
    connections: &Connections,
) -> Result<SizeReport, Error> {
    let module = load_module(location, connections).await?;
    sizes(module)
}

/// Returns the sizes of the module at a location, and the layers of the image that it is in, if that is standalone.
pub async fn report_and_layers_at(
    location: &Location,
    connections: &Connections,
) -> Result<(SizeReport, Vec<LayerSize>), Error> {
    if matches!(location, Location::File(_)) {
        return Ok((report_at(location, connections).await?, Vec::new()));
    }
    let (source, name) = open(location, connections)?;
    let (listed, manifest) = list_and_load_wasm(&source, &name).await?;
    Ok((sizes(manifest.module()?)?, layers::layers(&listed)))
}

fn sizes(module: BuiltModule) -> Result<SizeReport, Error> {
    // No import is refused: a module has a size even if no runtime accepts it.
    Ok(any_imports(module)?.sizes()?)
}

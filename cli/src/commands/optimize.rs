use std::path::PathBuf;

use clap::Args;
use wasm_oci_core::image::Format;
use wasm_oci_core::module::Level;

use wasm_oci_app::config::args::{CacheArgs, ModuleArgs};
use wasm_oci_app::config::plan::Plan;
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::Error;
use wasm_oci_app::files::{read_module, write};
use wasm_oci_app::pipeline::budget;
use wasm_oci_app::pipeline::packed::Sizes;
use wasm_oci_app::pipeline::stages::validated;
use wasm_oci_app::run::run::optimized_cache;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_app::units::size;

/// Optimize a .wasm file
#[derive(Debug, Args)]
pub(crate) struct Optimize {
    /// .wasm or .wat file to optimize; - is standard input
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Print the sizes as JSON
    #[arg(long)]
    json: bool,
    /// Also write the module with function names to this file, for reading stack traces
    #[arg(long, value_name = "FILE")]
    debug_file: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    module: ModuleArgs,
}

impl Optimize {
    pub(crate) fn run(self, shell: &Shell) -> Result<(), Error> {
        // A bare module stays uncompressed, so the default is the smallest size.
        let smallest = Settings {
            optimize: Some(Level::Oz),
            format: Some(vec![Format::Module]),
            ..Settings::default()
        };
        // The name is only for images, and this command makes none.
        let plan = Plan::resolve("module", &self.module.settings().over(smallest))?;
        let cache = optimized_cache(self.cache);
        let module = validated(read_module(&self.input)?, &plan, &cache, shell)?;
        let (before, after) = (module.raw_size(), module.bytes().len() as u64);
        let sizes = Sizes { raw: before, optimized: after, compressed: 0 };
        // Before anything is written, so that a module over its budget leaves no file.
        budget::check(&plan.budget, module.name(), &sizes, || Ok(module.sizes()?), None)?;
        write(&self.output, module.bytes())?;
        if let Some(path) = &self.debug_file {
            write(path, module.named())?;
        }
        shell.status("Size", format_args!("{} → {} optimized", size(before), size(after)));
        if self.json {
            return shell.print_json(
                &serde_json::json!({ "output": self.output, "raw": before, "optimized": after }),
            );
        }
        shell.print(self.output.display())
    }
}

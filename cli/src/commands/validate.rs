use clap::Args;
use wasm_oci_core::compat::runtimes::{RequiredRuntime, require};
use wasm_oci_core::module::{Capability, ValidateOptions, validate};
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::module_or_image_help;
use wasm_oci_app::error::Error;
use wasm_oci_app::files::read_module;
use wasm_oci_app::pipeline::gates::judge;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::registry::source::load_image;
use wasm_oci_app::ui::render::{ReportJson, runtimes};
use wasm_oci_app::ui::shell::Shell;

/// Check that a module is valid and imports only what WASI runtimes provide
#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Module or image to validate"))]
    source: Location,
    /// Accept imports from this module in addition to WASI
    #[arg(long = "allow-import", value_name = "MODULE")]
    allow_imports: Vec<String>,
    /// Fail if the module has this capability: reads-files, writes-files, environment, clock, random, sockets, http, threads, unknown
    #[arg(long, value_name = "CAPABILITY")]
    deny: Vec<Capability>,
    /// Fail if this runtime can't run the module, such as node or node@20
    #[arg(long = "runtime", value_name = "RUNTIME")]
    runtimes: Vec<RequiredRuntime>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    read: ReadArgs,
}

impl Validate {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let allow_imports = self.allow_imports.into_iter().collect();
        let deny = self.deny.into_iter().collect();
        let options = ValidateOptions { allow_imports, deny, ..ValidateOptions::default() };
        let modules = match &self.source {
            Location::File(path) => {
                // As it is: the result has to apply to these bytes, not to those after optimizing.
                let module = validate(read_module(path)?.unoptimized(), &options)?;
                require(&module, &self.runtimes)?;
                vec![module]
            }
            place => {
                let image = load_image(place, &self.read.connections(shell)?).await?;
                judge(&image, &options, &self.runtimes, shell)?
            }
        };
        for module in &modules {
            let kind = module.report().kind.name();
            shell.status("Valid", format_args!("{}: a {kind}", module.name()));
        }
        let module = modules.first().ok_or(wasm_oci_core::image::Error::NoManifest)?;
        match self.json {
            true => shell.print_json(&ReportJson::of(module)?),
            false => shell.print(runtimes(module)?.trim_end()),
        }
    }
}

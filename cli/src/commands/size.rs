use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::module_or_image_help;
use wasm_oci_app::error::Error;
use wasm_oci_app::inspect::size::{ModuleSizes, SizeArgs, report_and_layers_at};
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::ui::shell::Shell;

/// Show the size of a module by section, crate and function
///
/// Measures the module without optimizing it, and includes the function names if there are any. Of a standalone image, also
/// shows the layers. Sizes by crate need function names; `cargo wasm-oci size` has them even for modules that ship without.
#[derive(Debug, Args)]
pub(crate) struct Size {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Module or image to measure"))]
    source: Location,
    #[command(flatten)]
    size: SizeArgs,
    #[command(flatten)]
    read: ReadArgs,
}

impl Size {
    pub(crate) async fn run(self, shell: &Shell) -> Result<(), Error> {
        let connections = self.read.connections(shell)?;
        let (report, layers) = report_and_layers_at(&self.source, &connections).await?;
        let name = self.source.to_string();
        ModuleSizes { package: None, name: &name, report, layers }
            .show(&self.size, &connections, shell)
            .await
    }
}

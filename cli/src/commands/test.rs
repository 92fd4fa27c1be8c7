use std::path::{Path, PathBuf};

use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::{TestArgs, module_or_image_help};
use wasm_oci_app::config::smoke::read::read_file;
use wasm_oci_app::error::Error;
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::registry::connection::ReadArgs;
use wasm_oci_app::run::run::{Prepared, pull};
use wasm_oci_app::smoke::{Case, Suite, test, test_engine};
use wasm_oci_app::ui::shell::Shell;

/// Run smoke tests on a .wasm file or an image
///
/// Entrypoint, arguments and environment of an image apply as in a container. A program can access only what its test grants.
/// The exit code is 7 if a test fails.
#[derive(Debug, Args)]
pub(crate) struct Test {
    #[arg(value_name = "SOURCE", help = module_or_image_help("Module or image to test"))]
    source: Location,
    /// TOML file with the tests, as [[smoke]] tables
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// Also run each test on this module, usually the unoptimized one, and fail if the behaviour differs
    #[arg(long, value_name = "SOURCE")]
    verify_behaviour: Option<Location>,
    /// Print one line of JSON for each test
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tests: TestArgs,
    #[command(flatten)]
    read: ReadArgs,
}

impl Test {
    pub(crate) async fn run(self, shell: &Shell) -> Result<u8, Error> {
        // First, so that a mistake in the file is found before anything is pulled or compiled.
        let cases = cases(&self.cases, shell)?;
        let engine = test_engine(shell)?;
        let program = async |source: &Location| match source {
            Location::File(path) => Prepared::of_file(&engine, path),
            place => {
                let connections = self.read.connections(shell)?;
                let manifest = pull(place, &connections, true).await?;
                Prepared::of_manifest(&engine, &manifest)
            }
        };
        let reference = match &self.verify_behaviour {
            Some(source) => Some(program(source).await?),
            None => None,
        };
        let suites = [Suite { reference, ..Suite::new(program(&self.source).await?, cases) }];
        let report = test(&engine, &suites, &self.tests, self.json, shell)?;
        // Failed tests are a result and not an error: the report has already shown them.
        Ok(if report.failed() > 0 { ExitCode::SmokeTest } else { ExitCode::Success }.code())
    }
}

pub(super) fn cases(path: &Path, shell: &Shell) -> Result<Vec<Case>, Error> {
    let cases = read_file(path)?;
    // Only a warning: a run without tests still writes the reports that a CI system expects.
    if cases.is_empty() {
        shell.warn(format_args!(
            "`{}` has no smoke tests; begin each one with [[smoke]]",
            path.display()
        ));
    }
    Ok(cases)
}

//! `wasm-oci test`: smoke tests of a module.

use std::path::{Path, PathBuf};

use clap::Args;
use wasm_oci_core::store::Location;

use wasm_oci_app::config::args::TestArgs;
use wasm_oci_app::config::smoke::read::read_file;
use wasm_oci_app::error::Error;
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::registry::connection::RegistryArgs;
use wasm_oci_app::run::run::{Prepared, pulled};
use wasm_oci_app::runtime::block_on;
use wasm_oci_app::smoke::{Case, Suite, test, test_engine};
use wasm_oci_app::ui::shell::Shell;

/// Run smoke tests on a module: of a .wasm file, a layout, an archive or a registry
///
/// An image's entrypoint, arguments and environment count as in a container. A test's program sees nothing of this
/// machine but what the test gives it. The exit code is 7 when a test fails.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// What to test: a .wasm file, oci:DIR[:TAG], oci-archive:FILE[:TAG] or REGISTRY/REPOSITORY[:TAG][@DIGEST]
    #[arg(value_name = "SOURCE")]
    source: Location,
    /// The tests: a TOML file of [[smoke]] tables
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// Also run each test on this module, as it was before it was optimized, and compare what they do
    #[arg(long, value_name = "SOURCE")]
    verify_behaviour: Option<Location>,
    /// Print a line of JSON for each test
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tests: TestArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Test {
    pub(crate) fn run(self, shell: &Shell) -> Result<u8, Error> {
        let cases = cases(&self.cases, shell)?;
        let engine = test_engine(shell)?;
        let program = |source: &Location| match source {
            Location::File(path) => Prepared::of_file(&engine, path),
            place => {
                let manifest = block_on(pulled(place, &self.registry.connections(shell)?, true))?;
                Prepared::of_manifest(&engine, &manifest)
            }
        };
        let reference = self.verify_behaviour.as_ref().map(program).transpose()?;
        let suites = [Suite { reference, ..Suite::new(program(&self.source)?, cases) }];
        let report = test(&engine, &suites, &self.tests, self.json, shell)?;
        Ok(if report.failed() > 0 { ExitCode::SmokeTest } else { ExitCode::Success }.code())
    }
}

/// The tests in a file.
pub(super) fn cases(path: &Path, shell: &Shell) -> Result<Vec<Case>, Error> {
    let cases = read_file(path)?;
    if cases.is_empty() {
        shell.warn(format_args!(
            "`{}` has no smoke tests: begin each with [[smoke]]",
            path.display()
        ));
    }
    Ok(cases)
}

//! `cargo wasm-oci test`: smoke tests of crates.

use clap::Args;
use wasm_oci_app::config::args::{CacheArgs, TestArgs};
use wasm_oci_app::config::settings::Settings;
use wasm_oci_app::error::{Error as AppError, UsageError};
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::registry::connection::{Connections, RegistryArgs};
use wasm_oci_app::run::run::Prepared;
use wasm_oci_app::smoke::{Suite, test, test_engine};
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::image::Reference;
use wasm_oci_core::run::Engine;
use wasm_oci_core::store::{Name, load_wasm};

use crate::error::Error;
use crate::ops::build;
use crate::ops::request::{BuildArgs, Request};
use crate::ops::resolve::{ResolvedProgram, print_plans, resolve};
use crate::ops::smoke_tests::{suite, suites, warn_of_none};

/// Build every program of a package or workspace into an image, and run its smoke tests
///
/// The tests are in [[package.metadata.wasm-oci.smoke]]. Each runs the module in the image, which can access only what the test grants.
/// The exit code is 7 if a test fails.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo wasm-oci test
  cargo wasm-oci test greets --fail-fast
  cargo wasm-oci test --junit smoke.xml")]
pub(super) struct Test {
    /// Test the images in the registry instead of building: at this reference, or at the setting `repository`
    // With `require_equals`, because a word after `--remote` is the name of a test.
    #[arg(long, value_name = "REFERENCE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    remote: Option<String>,
    /// Also run each test on the unoptimized module, and fail if the behaviour differs
    #[arg(long, conflicts_with = "remote")]
    verify_behaviour: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten)]
    tests: TestArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Test {
    pub(super) async fn run(self, output: &OutputArgs, shell: &Shell) -> Result<u8, Error> {
        let repository = self.remote.clone().filter(|reference| !reference.is_empty());
        let request =
            self.build.request(Settings { repository, ..self.registry.settings() }, output);
        let request = Request { no_cache: self.cache.no_cache, runs_here: true, ..request };
        if self.build.dry_run {
            return print_plans(&request, shell).map(|()| 0);
        }
        let engine = test_engine(shell)?;
        let suites = match self.remote {
            Some(_) => remote_suites(&engine, &request, &self.registry, shell).await?,
            None => {
                suites(&engine, &build(&request, shell).await?, self.verify_behaviour, Some(shell))
                    .await?
            }
        };
        let report = test(&engine, &suites, &self.tests, self.build.json(), shell)?;
        Ok(if report.failed() > 0 { ExitCode::SmokeTest } else { ExitCode::Success }.code())
    }
}

/// Returns a suite for each program with tests, from its image in the registry.
async fn remote_suites(
    engine: &Engine,
    request: &Request,
    registry: &RegistryArgs,
    shell: &Shell,
) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    // Nothing is built: the tests come from the settings, and the program from the registry.
    for program in resolve(request, Some(shell))? {
        let cases = &program.settings.smoke;
        if cases.is_empty() {
            warn_of_none(&program.project, shell);
            continue;
        }
        let reference = reference(&program)?;
        shell.status("Pulling", &reference);
        let connections = Connections::new(registry, &program.settings, shell)?;
        let registry = connections.registry(&reference)?;
        let manifest = load_wasm(&registry, &Name::from(&reference)).await?;
        suites.push(suite(&program.project, Prepared::of_manifest(engine, &manifest)?, cases));
    }
    Ok(suites)
}

/// Returns the reference that `push` gives to a program's image.
fn reference(program: &ResolvedProgram) -> Result<Reference, AppError> {
    let repository = program.plan.repository.as_ref().ok_or_else(|| UsageError::NoRepository {
        program: program.project.target.clone(),
        example: "--remote=ghcr.io/owner/{bin}",
    })?;
    Ok(match (repository.digest(), program.plan.tags.first()) {
        (None, Some(tag)) => repository.with_tag(tag.clone()),
        _ => repository.clone(),
    })
}

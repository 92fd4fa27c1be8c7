//! `cargo wasm-oci push`: crates into images into a registry.

use clap::Args;
use wasm_oci::args::{CacheArgs, OutputArgs};
use wasm_oci::connection::{Connections, LoginArgs, RegistryArgs};
use wasm_oci::error::Error;
use wasm_oci::messages::Places;
use wasm_oci::pipeline::{block_on, rehearse, to_registry, until_interrupted};
use wasm_oci::settings::Settings;
use wasm_oci::shell::Shell;
use wasm_oci::smoke::{require, test_engine};
use wasm_oci_core::image::Reference;

use super::build::MakeArgs;
use super::test::suites;
use crate::failure::Failure;
use crate::stages::{Made, Request, make};

/// Build every program of a package or workspace into an image, and push it to a registry
///
/// Smoke tests run first, and nothing is pushed when one fails. Prints repository@sha256:… on standard output, which
/// is what to deploy.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// Where to push to: REGISTRY/REPOSITORY[:TAG]. {bin}, {package} and {version} stand for the program's. The
    /// setting `repository` is used when it is missing
    #[arg(value_name = "REFERENCE")]
    destination: Option<String>,
    /// Push without running the smoke tests first
    #[arg(long)]
    no_test: bool,
    /// Also run each smoke test on the module as it was built, and refuse when optimizing has changed what it does
    #[arg(long, conflicts_with = "no_test")]
    verify_behaviour: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    making: MakeArgs,
}

impl Push {
    pub(super) fn run(self, output: &OutputArgs, shell: &Shell) -> Result<(), Failure> {
        let own = Settings { repository: self.destination.clone(), ..self.registry.settings() };
        let no_cache = self.cache.no_cache;
        let request = Request { enforce_budget: true, no_cache, ..self.making.request(own, output) };
        let made = make(&request, shell)?;
        // All of them first: what can't be pushed for lack of a name should not follow what was.
        let repositories: Vec<&Reference> = made.iter().map(repository).collect::<Result<_, _>>()?;
        check_distinct(&made, &repositories)?;
        let connections = self.connections(&made, &repositories, shell)?;
        if self.making.dry_run {
            for ((program, repository), connections) in made.iter().zip(&repositories).zip(&connections) {
                block_on(rehearse(&program.load()?, repository, connections, shell))?;
            }
            return Ok(());
        }
        if !self.no_test {
            self.test(&made, shell)?;
        }
        for (n, (program, repository)) in made.iter().zip(&repositories).enumerate() {
            if let Err(error) = self.push(program, repository, &connections[n], shell) {
                report(&repositories, n, shell);
                return Err(error);
            }
        }
        Ok(())
    }

    /// How each program's registry is spoken with. The password that is given is for one registry.
    fn connections(
        &self,
        made: &[Made],
        repositories: &[&Reference],
        shell: &Shell,
    ) -> Result<Vec<Connections>, Error> {
        let Some(host) = repositories.first().map(|repository| repository.registry()) else {
            return Ok(Vec::new());
        };
        if let (Some(other), true) =
            (repositories.iter().find(|other| other.registry() != host), self.login.password_stdin)
        {
            return Err(Error::Usage(format!(
                "the password on standard input is for one registry, but programs go to {host} and {}: log in to \
                 both with `cargo wasm-oci login`",
                other.registry()
            )));
        }
        let login = self.login.login(host)?;
        let of = |program: &Made| Connections::new(&self.registry, &program.settings, shell);
        made.iter().map(|program| Ok(of(program)?.with_login(login.clone()))).collect()
    }

    fn push(
        &self,
        program: &Made,
        repository: &Reference,
        connections: &Connections,
        shell: &Shell,
    ) -> Result<(), Failure> {
        until_interrupted(to_registry(&program.load()?, repository, connections, shell))?;
        let places = Places { layout: Some(&program.layout), archive: None, repository: Some(repository) };
        program.print(&places, shell, self.making.json())
    }

    /// Runs the smoke tests of all programs: nothing is pushed unless all is well.
    fn test(&self, made: &[Made], shell: &Shell) -> Result<(), Failure> {
        if made.iter().all(|program| program.settings.smoke.is_empty()) {
            return Ok(());
        }
        let engine = test_engine(shell)?;
        Ok(require(
            &engine,
            &suites(&engine, made, self.verify_behaviour, None)?,
            "`--no-test`",
            self.making.json(),
            shell,
        )?)
    }
}

/// Says which of several went up, when pushing the `failed`th did not end well.
fn report(repositories: &[&Reference], failed: usize, shell: &Shell) {
    let names = |some: &[&Reference]| some.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    if failed > 0 {
        shell.status("Pushed", format_args!("{}, completely", names(&repositories[..failed])));
    }
    if failed + 1 < repositories.len() {
        shell.status("Not pushed", names(&repositories[failed + 1..]));
    }
}

fn repository(program: &Made) -> Result<&Reference, Error> {
    program.plan.repository.as_ref().ok_or_else(|| {
        Error::Usage(format!(
            "`{}` has no repository: name it, as `cargo wasm-oci push ghcr.io/owner/{{bin}}`, or set `repository` in \
             [package.metadata.wasm-oci]",
            program.project.target
        ))
    })
}

/// Two programs must not take each other's tags.
fn check_distinct(made: &[Made], repositories: &[&Reference]) -> Result<(), Error> {
    for (n, repository) in repositories.iter().enumerate() {
        let name = repository.name();
        if let Some(other) = repositories[..n].iter().position(|other| other.name() == name) {
            return Err(Error::Usage(format!(
                "`{}` and `{}` would both be pushed to {name}: write {{bin}} in its name, or choose one with --bin",
                made[other].project.target, made[n].project.target
            )));
        }
    }
    Ok(())
}

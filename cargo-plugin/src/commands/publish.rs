//! From images in layouts into registries: the core of `push`, and of all that needs what was pushed.

use clap::Args;
use wasm_oci_app::config::args::CacheArgs;
use wasm_oci_app::error::Error;
use wasm_oci_app::pipeline::stages::{dry_run, to_registry};
use wasm_oci_app::registry::connection::{Connections, LoginArgs, RegistryArgs};
use wasm_oci_app::runtime::{block_on, until_interrupted};
use wasm_oci_app::smoke::{require, test_engine};
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::image::Reference;

use super::test::suites;
use crate::failure::Failure;
use crate::stages::Made;

/// How programs are pushed.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// Push without running the smoke tests first
    #[arg(long)]
    pub(super) no_test: bool,
    /// Also run each smoke test on the module as it was built, and refuse when optimizing has changed what it does
    #[arg(long, conflicts_with = "no_test")]
    pub(super) verify_behaviour: bool,
    #[command(flatten)]
    pub(super) cache: CacheArgs,
    #[command(flatten)]
    pub(super) registry: RegistryArgs,
    #[command(flatten)]
    pub(super) login: LoginArgs,
}

/// Programs, and where each is about to be pushed to.
pub(super) struct Publication<'a> {
    args: &'a PublishArgs,
    made: &'a [Made],
    repositories: Vec<&'a Reference>,
    connections: Vec<Connections>,
}

impl PublishArgs {
    /// Looks at all programs first: what can't be pushed for lack of a name should not follow what was.
    ///
    /// # Errors
    /// When one has no repository, two have the same one, or a password is for more than one registry.
    pub(super) fn plan<'a>(
        &'a self,
        made: &'a [Made],
        shell: &Shell,
    ) -> Result<Publication<'a>, Failure> {
        let repositories: Vec<&Reference> =
            made.iter().map(repository).collect::<Result<_, _>>()?;
        check_distinct(made, &repositories)?;
        let connections = self.connections(made, &repositories, shell)?;
        Ok(Publication { args: self, made, repositories, connections })
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
}

impl Publication<'_> {
    /// Prints the requests that pushing would make.
    ///
    /// # Errors
    /// What a registry fails with.
    pub(super) fn dry_run(&self, shell: &Shell) -> Result<(), Failure> {
        for (n, program) in self.made.iter().enumerate() {
            block_on(dry_run(&program.load()?, self.repositories[n], &self.connections[n], shell))?;
        }
        Ok(())
    }

    /// Runs the smoke tests of all programs, and pushes one after another. `pushed` is told of each that is there; with
    /// `json`, tests report in it on standard output.
    ///
    /// # Errors
    /// When a test fails, so that nothing is pushed, or what a registry fails with.
    pub(super) fn push(
        &self,
        json: bool,
        shell: &Shell,
        mut pushed: impl FnMut(&Made, &Reference) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.args.no_test {
            self.test(json, shell)?;
        }
        for (n, program) in self.made.iter().enumerate() {
            let repository = self.repositories[n];
            let mut push = || -> Result<(), Failure> {
                until_interrupted(to_registry(
                    &program.load()?,
                    repository,
                    &self.connections[n],
                    shell,
                ))?;
                pushed(program, repository)
            };
            push().inspect_err(|_| report(&self.repositories, n, shell))?;
        }
        Ok(())
    }

    fn test(&self, json: bool, shell: &Shell) -> Result<(), Failure> {
        if self.made.iter().all(|program| program.settings.smoke.is_empty()) {
            return Ok(());
        }
        let engine = test_engine(shell)?;
        let suites = suites(&engine, self.made, self.args.verify_behaviour, None)?;
        Ok(require(&engine, &suites, "`--no-test`", json, shell)?)
    }
}

/// Says which of several went up, when pushing the `failed`th did not end well.
fn report(repositories: &[&Reference], failed: usize, shell: &Shell) {
    let names =
        |some: &[&Reference]| some.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
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

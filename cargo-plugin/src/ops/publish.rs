//! Pushing built images to registries, for `push` and the commands that pin images.

use clap::Args;
use wasm_oci_app::config::args::CacheArgs;
use wasm_oci_app::error::{Error as AppError, UsageError};
use wasm_oci_app::pipeline::stages::{dry_run, to_registry};
use wasm_oci_app::registry::connection::{Connections, LoginArgs, RegistryArgs, blob_info_cache};
use wasm_oci_app::runtime::until_interrupted;
use wasm_oci_app::smoke::{require, test_engine};
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::image::Reference;

use crate::error::Error;
use crate::ops::package::{BuiltImages, name_among};
use crate::ops::smoke_tests::suites;

/// Arguments of commands that push images.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// Push without running the smoke tests first
    #[arg(long)]
    pub no_test: bool,
    /// Also run each smoke test on the unoptimized module, and refuse to push if the behaviour differs
    #[arg(long, conflicts_with = "no_test")]
    pub verify_behaviour: bool,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
    #[command(flatten)]
    pub login: LoginArgs,
}

/// Programs, and the repository that each will be pushed to.
pub struct Publication<'a> {
    args: &'a PublishArgs,
    built: &'a [BuiltImages],
    repositories: Vec<&'a Reference>,
    connections: Vec<Connections>,
}

impl PublishArgs {
    /// Checks the repositories and the login of all programs.
    pub fn plan<'a>(
        &'a self,
        built: &'a [BuiltImages],
        shell: &Shell,
    ) -> Result<Publication<'a>, Error> {
        // Before the first push: a missing name must not leave only some of the programs pushed.
        let repositories: Vec<&Reference> =
            built.iter().map(repository).collect::<Result<_, _>>()?;
        check_distinct(built, &repositories)?;
        let connections = self.connections(built, &repositories, shell)?;
        Ok(Publication { args: self, built, repositories, connections })
    }

    fn connections(
        &self,
        built: &[BuiltImages],
        repositories: &[&Reference],
        shell: &Shell,
    ) -> Result<Vec<Connections>, AppError> {
        let Some(host) = repositories.first().map(|repository| repository.registry()) else {
            return Ok(Vec::new());
        };
        // A password must not be sent to a registry that it is not for.
        if let (Some(other), true) =
            (repositories.iter().find(|other| other.registry() != host), self.login.password_stdin)
        {
            let (registry, other) = (host.to_owned(), other.registry().to_owned());
            return Err(UsageError::SeveralRegistries { registry, other }.into());
        }
        let login = self.login.login(host)?;
        // All programs share it, so that the next one's layers can be mounted from this one's repository.
        let cache = blob_info_cache(self.cache.no_cache)?;
        let of = |program: &BuiltImages| {
            let connections = Connections::new(&self.registry, &program.settings, shell)?;
            Ok(connections.with_login(login.clone()).with_blob_info_cache(cache.clone()))
        };
        built.iter().map(of).collect()
    }
}

impl Publication<'_> {
    /// Prints the requests that pushing would make.
    pub async fn dry_run(&self, shell: &Shell) -> Result<(), Error> {
        for (n, program) in self.built.iter().enumerate() {
            dry_run(&program.load().await?, self.repositories[n], &self.connections[n], shell)
                .await?;
        }
        Ok(())
    }

    /// Runs the smoke tests of all programs, then pushes one program after another, and calls `pushed` after each. With `json`, the
    /// tests report as JSON on standard output.
    pub async fn push(
        &self,
        json: bool,
        shell: &Shell,
        mut pushed: impl FnMut(&BuiltImages, &Reference) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.args.no_test {
            self.test(json, shell).await?;
        }
        for (n, program) in self.built.iter().enumerate() {
            let repository = self.repositories[n];
            let push = async {
                let images = program.load().await?;
                let connections = &self.connections[n];
                until_interrupted(to_registry(&images, repository, connections, shell)).await?;
                pushed(program, repository)
            };
            push.await.inspect_err(|_| report(&self.repositories, n, shell))?;
        }
        Ok(())
    }

    async fn test(&self, json: bool, shell: &Shell) -> Result<(), Error> {
        if self.built.iter().all(|program| program.settings.smoke.is_empty()) {
            return Ok(());
        }
        // Without tests, no engine has to start.
        let engine = test_engine(shell)?;
        let suites = suites(&engine, self.built, self.args.verify_behaviour, None).await?;
        Ok(require(&engine, &suites, "use `--no-test`", json, shell)?)
    }
}

/// Reports which programs are pushed, after pushing program number `failed` has failed.
fn report(repositories: &[&Reference], failed: usize, shell: &Shell) {
    let names =
        |some: &[&Reference]| some.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
    // Pushes to several repositories are not atomic, so users have to learn what is already there.
    if failed > 0 {
        shell.status("Pushed", format_args!("{}, completely", names(&repositories[..failed])));
    }
    if failed + 1 < repositories.len() {
        shell.status("Not pushed", names(&repositories[failed + 1..]));
    }
}

fn repository(program: &BuiltImages) -> Result<&Reference, AppError> {
    program.plan.repository.as_ref().ok_or_else(|| {
        let program = program.project.target.clone();
        let example = "`cargo wasm-oci push ghcr.io/owner/{bin}`";
        UsageError::NoRepository { program, example }.into()
    })
}

fn check_distinct(built: &[BuiltImages], repositories: &[&Reference]) -> Result<(), AppError> {
    // In one repository, programs would replace each other's tags.
    for (n, repository) in repositories.iter().enumerate() {
        let name = repository.name();
        if let Some(other) = repositories[..n].iter().position(|other| other.name() == name) {
            let target = |n: usize| name_among(built, &built[n]);
            let (first, second, repository) = (target(other), target(n), name.to_owned());
            return Err(UsageError::SameRepository { first, second, repository }.into());
        }
    }
    Ok(())
}

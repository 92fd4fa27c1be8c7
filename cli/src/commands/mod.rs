//! The subcommands of `wasm-oci`, one file each.

mod check;
mod convert;
mod copy;
mod delete;
mod destination;
mod doctor;
mod index;
mod inspect;
mod k8s;
mod optimize;
mod pack;
mod pull;
mod push;
mod registry;
mod run;
mod runner;
mod serve;
mod size;
mod tags;
mod test;
mod validate;

use clap::{CommandFactory, Parser, Subcommand};

use wasm_oci_app::commands::{completions, login, logout, man};
use wasm_oci_app::error::Error;
use wasm_oci_app::runtime::Workers;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

/// Pack any .wasm file into an OCI image, and push, inspect or run it
///
/// Locations have the same form as in skopeo: the path of a .wasm or .wat file, `-` for a module on standard input,
/// `oci:DIR[:NAME][@DIGEST]` for a layout directory, `oci-archive:FILE[:NAME][@DIGEST]` or
/// `docker-archive:FILE[:NAME][@DIGEST]` for an archive, `REGISTRY/REPOSITORY[:TAG][@DIGEST]` for an image in a
/// registry. A NAME is a tag, or a whole reference such as `localhost/app:v2`.
#[derive(Debug, Parser)]
#[command(name = "wasm-oci", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

// `defer` builds only the arguments of the selected command. Building all of them takes as long as a small module runs.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    Pack(pack::Pack),
    // Boxed, because every `Command` takes as much memory as the largest one.
    Push(Box<push::Push>),
    Pull(pull::Pull),
    Copy(copy::Copy),
    Convert(convert::Convert),
    Index(index::Index),
    Tags(tags::Tags),
    Delete(delete::Delete),
    Login(login::Login),
    Logout(logout::Logout),
    Registry(registry::Registry),
    Run(run::Run),
    Runner(runner::Runner),
    Test(test::Test),
    Serve(serve::Serve),
    Inspect(inspect::Inspect),
    K8s(k8s::K8s),
    Check(check::Check),
    Size(size::Size),
    Validate(validate::Validate),
    Optimize(optimize::Optimize),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Cli {
    /// Returns the threads that the command needs.
    pub fn workers(&self) -> Workers {
        match self.command {
            Command::Run(_) => Workers::None,
            _ => Workers::PerProcessor,
        }
    }

    /// Runs the command and returns the exit code.
    pub async fn run(self, shell: &Shell) -> Result<u8, Error> {
        match self.command {
            Command::Pack(pack) => pack.run(shell).await.map(|()| 0),
            Command::Push(push) => push.run(shell).await.map(|()| 0),
            Command::Pull(pull) => pull.run(shell).await.map(|()| 0),
            Command::Copy(copy) => copy.run(shell).await.map(|()| 0),
            Command::Convert(convert) => convert.run(shell).await.map(|()| 0),
            Command::Index(index) => index.run(shell).await.map(|()| 0),
            Command::Tags(tags) => tags.run(shell).await.map(|()| 0),
            Command::Delete(delete) => delete.run(shell).await.map(|()| 0),
            Command::Login(login) => login.run(shell).await.map(|()| 0),
            Command::Logout(logout) => logout.run(shell).map(|()| 0),
            Command::Registry(registry) => registry.run(shell).await.map(|()| 0),
            Command::Run(run) => run.run(shell).await,
            Command::Runner(runner) => runner.run(shell).map(|()| 0),
            Command::Test(test) => test.run(shell).await,
            Command::Serve(serve) => serve.run(shell).await.map(|()| 0),
            Command::Inspect(inspect) => inspect.run(shell).await.map(|()| 0),
            Command::K8s(k8s) => k8s.run(shell).await.map(|()| 0),
            Command::Check(check) => check.run(shell).await.map(|()| 0),
            Command::Size(size) => size.run(shell).await.map(|()| 0),
            Command::Validate(validate) => validate.run(shell).await.map(|()| 0),
            Command::Optimize(optimize) => optimize.run(shell).map(|()| 0),
            Command::Doctor(doctor) => doctor.run(shell),
            Command::Completions(completions) => {
                // Nothing to append: only `cargo wasm-oci` completes the subcommand of another command.
                completions.run(Cli::command(), |_| "", shell).map(|()| 0)
            }
            Command::Man(man) => man.run(Cli::command(), shell).map(|()| 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}

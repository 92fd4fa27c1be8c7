//! The subcommands of `cargo wasm-oci`, one file each.

mod build;
mod check;
mod completions;
mod compose;
mod doctor;
mod exec;
mod init;
mod k8s;
mod new;
mod push;
mod resolve;
mod run;
mod run_image;
mod schema;
mod serve;
mod size;
mod test;
mod verify_rebuild;
mod watch;

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};
use wasm_oci_app::commands::completions::Completions;
use wasm_oci_app::commands::{login, logout, man};
use wasm_oci_app::runtime::Workers;
use wasm_oci_app::ui::output_args::OutputArgs;
use wasm_oci_app::ui::shell::Shell;

use crate::error::Error;

/// cargo, which starts us as a subcommand.
#[derive(Debug, Parser)]
#[command(name = "cargo", bin_name = "cargo", max_term_width = 100)]
pub enum Cargo {
    WasmOci(Cli),
}

/// Returns the arguments as cargo would pass them.
pub fn spelled_out(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    // cargo adds `wasm-oci`, but users may also start `cargo-wasm-oci` themselves.
    if args.get(1).is_none_or(|first| first != "wasm-oci") {
        args.insert(args.len().min(1), "wasm-oci".into());
    }
    args
}

fn program() -> clap::Command {
    // Completions and manual pages for the name `cargo` would replace cargo's.
    Cli::augment_args(clap::Command::new("cargo-wasm-oci"))
}

/// Build Rust programs into WebAssembly container images that run everywhere
#[derive(Debug, Args)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

// Deferred, because building the arguments of all commands takes half a millisecond.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    New(new::New),
    Init(init::Init),
    Build(build::Build),
    Push(push::Push),
    Run(run::Run),
    Test(test::Test),
    VerifyRebuild(verify_rebuild::VerifyRebuild),
    Watch(watch::Watch),
    Exec(exec::Exec),
    // `watch` starts this one. It is not meant for users.
    #[command(hide = true)]
    RunImage(run_image::RunImage),
    Serve(serve::Serve),
    Size(size::Size),
    K8s(k8s::K8s),
    Resolve(resolve::Resolve),
    Compose(compose::Compose),
    Check(check::Check),
    Login(login::Login),
    Logout(logout::Logout),
    Schema(schema::Schema),
    Doctor(doctor::Doctor),
    Completions(Completions),
    Man(man::Man),
}

impl Cli {
    /// Returns the threads that the command needs.
    pub fn workers(&self) -> Workers {
        match self.command {
            Command::Exec(_) => Workers::None,
            _ => Workers::PerProcessor,
        }
    }

    /// Runs the command, and returns the exit code.
    pub async fn run(self, shell: &Shell) -> Result<u8, Error> {
        match self.command {
            Command::New(new) => new.run(shell).map(|()| 0),
            Command::Init(init) => init.run(&self.output, shell).map(|()| 0),
            Command::Build(build) => build.run(&self.output, shell).await.map(|()| 0),
            Command::Push(push) => push.run(&self.output, shell).await.map(|()| 0),
            Command::Run(run) => run.run(&self.output, shell).await,
            Command::Test(test) => test.run(&self.output, shell).await,
            Command::VerifyRebuild(verify) => verify.run(&self.output, shell).await,
            Command::Watch(watch) => watch.run(&self.output, shell).await,
            Command::Exec(exec) => exec.run(shell).await,
            Command::RunImage(image) => image.run(&self.output).await,
            Command::Serve(serve) => serve.run(&self.output, shell).await.map(|()| 0),
            Command::Size(size) => size.run(&self.output, shell).await.map(|()| 0),
            Command::K8s(k8s) => k8s.run(&self.output, shell).map(|()| 0),
            Command::Resolve(resolve) => resolve.run(&self.output, shell).await.map(|()| 0),
            Command::Compose(compose) => compose.run(&self.output, shell).await.map(|()| 0),
            Command::Check(check) => check.run(&self.output, shell).await.map(|()| 0),
            Command::Login(login) => Ok(login.run(shell).await.map(|()| 0)?),
            Command::Logout(logout) => Ok(logout.run(shell).map(|()| 0)?),
            Command::Schema(schema) => schema.run(shell).map(|()| 0),
            Command::Doctor(doctor) => doctor.run(&self.output, shell),
            Command::Completions(completions) => {
                Ok(completions.run(program(), completions::after_cargo, shell).map(|()| 0)?)
            }
            Command::Man(man) => {
                Ok(man.run(program().bin_name("cargo wasm-oci"), shell).map(|()| 0)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cargo::command().debug_assert();
    }

    #[test]
    fn the_first_argument_may_be_missing() {
        let spelled_out = |args: &[&str]| super::spelled_out(args.iter().map(Into::into));
        assert_eq!(spelled_out(&["x", "wasm-oci", "exec"]), ["x", "wasm-oci", "exec"]);
        assert_eq!(spelled_out(&["x", "exec", "wasm-oci"]), ["x", "wasm-oci", "exec", "wasm-oci"]);
        assert_eq!(spelled_out(&["x"]), ["x", "wasm-oci"]);
    }
}

//! `cargo wasm-oci exec`: a runner for cargo.

use std::path::{Path, PathBuf};

use clap::Args;
use wasm_oci_app::config::args::GivenArgs;
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::run::run::{Prepared, engine, options, run_program};
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::run::Dir;

use crate::cargo::env::CargoEnv;
use crate::error::Error;

/// Run a .wasm file as cargo's runner: `cargo test` and `cargo run` in WebAssembly
///
/// Set CARGO_TARGET_WASM32_WASIP1_RUNNER="cargo-wasm-oci exec", or `runner = "cargo-wasm-oci exec"` for the target in cargo's
/// configuration. Then `cargo test --target wasm32-wasip1` runs tests here. The program can write to the current folder, the folder of
/// the package, and cargo's temporary folder for tests, under their own paths. It gets the variables that begin with CARGO, RUST_ and
/// NEXTEST. Options go before FILE. The exit code is that of the program.
#[derive(Debug, Args)]
pub(super) struct Exec {
    /// Grant no folders and variables except those of other flags
    #[arg(long)]
    isolated: bool,
    /// The .wasm file, followed by the program's arguments
    // One argument for both, so that words after the file are never parsed as our options.
    #[arg(required = true, trailing_var_arg = true, value_names = ["FILE", "ARGS"])]
    command: Vec<String>,
    #[command(flatten)]
    given: GivenArgs,
}

impl Exec {
    pub(super) async fn run(self, shell: &Shell) -> Result<u8, Error> {
        let given = &self.given;
        let file = Path::new(self.command.first().map_or("", String::as_str));
        let engine = engine(&given.sandbox.limits.limits(), given.sandbox.no_cache, shell)?;
        let prepared = Prepared::of_file(&engine, file)?;
        let (dirs, mut variables) = match self.isolated {
            true => (Vec::new(), Vec::new()),
            false => surroundings(&CargoEnv::from_process()?, file),
        };
        // Rust's test harness captures the output of a test until the test ends. In Wasm, a panic ends the whole process, and
        // the captured message would be lost.
        variables.insert(0, ("RUST_TEST_NOCAPTURE".to_owned(), "1".to_owned()));
        let mut options = options(given, self.command.clone(), variables)?;
        // The later of two folders with the same guest path wins. That has to be the user's.
        options.dirs.splice(0..0, dirs);
        let code = run_program(&engine, &prepared.program, &options, shell).await?;
        if code == ExitCode::Trap.code() && tests_folder(file).is_some() {
            shell.hint(
                "in WebAssembly, a panic ends the process, so later tests did not run; `cargo nextest run` runs each test \
                 in a process of its own",
            );
        }
        Ok(code)
    }
}

/// Returns the folders and variables that a native program gets from cargo, and that tests rely on.
fn surroundings(env: &CargoEnv, file: &Path) -> (Vec<Dir>, Vec<(String, String)>) {
    let seen_as = |host: &Path, guest: &Path| Dir {
        host: host.to_owned(),
        guest: guest.to_string_lossy().into_owned(),
        read_only: false,
    };
    let mut dirs = vec![seen_as(env.cwd(), Path::new("."))];
    let package = env.var("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let own_paths = [Some(env.cwd().to_owned()), package, tests_folder(&env.cwd().join(file))];
    for path in own_paths.into_iter().flatten().filter(|path| path.is_dir()) {
        let dir = seen_as(&path, &path);
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    (dirs, env.test_vars().map(owned).collect())
}

/// Returns cargo's folder for the files of integration tests, which they read from `CARGO_TARGET_TMPDIR`. In the target directory,
/// it is `TRIPLE/tmp`, and their programs are in `TRIPLE/PROFILE/deps`.
fn tests_folder(file: &Path) -> Option<PathBuf> {
    let deps = file.parent().filter(|folder| folder.ends_with("deps"))?;
    Some(deps.ancestors().nth(2)?.join("tmp"))
}

//! `cargo wasm-oci exec`: a program that cargo has built, here and now. What cargo calls a runner.

use std::path::{Path, PathBuf};

use clap::Args;
use wasm_oci_app::config::args::GivenArgs;
use wasm_oci_app::exit_code::ExitCode;
use wasm_oci_app::run::run::{Prepared, engine, options, run_program};
use wasm_oci_app::ui::shell::Shell;
use wasm_oci_core::run::Dir;

use crate::cargo::env::CargoEnv;
use crate::error::Error;

/// Run a .wasm file as cargo's runner: `cargo test` and `cargo run` in Wasm
///
/// With CARGO_TARGET_WASM32_WASIP1_RUNNER="cargo-wasm-oci exec", or `runner = "cargo-wasm-oci exec"` for the target in
/// cargo's configuration, `cargo test --target wasm32-wasip1` runs tests here. The program is given the current
/// folder, the package's, and cargo's temporary folder for tests, all writable and under their own paths, and the
/// variables that begin with CARGO, RUST_ and NEXTEST. Options stand before FILE. Its exit code becomes this command's.
#[derive(Debug, Args)]
pub(super) struct Exec {
    /// Give the program only what is named here: no folder and no variable by default
    #[arg(long)]
    isolated: bool,
    /// The .wasm file, and all that follows it as the program's arguments
    // One argument for both: what follows the file is never an option of ours.
    #[arg(required = true, trailing_var_arg = true, value_names = ["FILE", "ARGS"])]
    command: Vec<String>,
    #[command(flatten)]
    given: GivenArgs,
}

impl Exec {
    pub(super) fn run(self, shell: &Shell) -> Result<u8, Error> {
        let given = &self.given;
        let file = Path::new(self.command.first().map_or("", String::as_str));
        let engine = engine(&given.limits.limits(), given.no_cache, shell)?;
        let prepared = Prepared::of_file(&engine, file)?;
        let (dirs, mut variables) = match self.isolated {
            true => (Vec::new(), Vec::new()),
            false => surroundings(&CargoEnv::from_process()?, file),
        };
        // Rust's test harness keeps what a test writes until it has ended. A panic ends all of it in Wasm, and its
        // message would be lost.
        variables.insert(0, ("RUST_TEST_NOCAPTURE".to_owned(), "1".to_owned()));
        let mut options = options(given, self.command.clone(), variables)?;
        // Of two folders at the same place, the later one is seen: the user's.
        options.dirs.splice(0..0, dirs);
        let code = run_program(&engine, prepared.program(), &options, shell)?;
        if code == ExitCode::Trap.code() && tests_folder(file).is_some() {
            shell.hint(
                "a panic ends a program in Wasm, and so the tests after it were not run: `cargo nextest run` runs \
                 each test by itself",
            );
        }
        Ok(code)
    }
}

/// What a program that cargo starts finds natively, and a test relies on: folders and variables.
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

/// The folder that cargo makes for integration tests to write to, which they know as `CARGO_TARGET_TMPDIR`. In the
/// target directory it is `TRIPLE/tmp`, and their programs are in `TRIPLE/PROFILE/deps`.
fn tests_folder(file: &Path) -> Option<PathBuf> {
    let deps = file.parent().filter(|folder| folder.ends_with("deps"))?;
    Some(deps.ancestors().nth(2)?.join("tmp"))
}

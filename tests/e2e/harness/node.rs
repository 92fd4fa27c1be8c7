//! Node and its `node:wasi`: what runs a module where JavaScript does.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use super::run::Run;
use super::tools;

/// Loads the module given as the first argument and lets it exit on its own terms.
const SCRIPT: &str = r#"
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";
import { env, argv } from "node:process";
const [, path, ...args] = argv;
const wasi = new WASI({ version: "preview1", args: [path, ...args], env, returnOnExit: true });
const { instance } = await WebAssembly.instantiate(await readFile(path), { wasi_snapshot_preview1: wasi.wasiImport });
process.exitCode = wasi.start(instance);
"#;

/// Runs modules under Node.
pub(crate) struct Node;

impl Node {
    /// Runs the module, which sees its own path before `args`, no files, and of the environment only `env`.
    #[track_caller]
    pub(crate) fn run(module: &Path, args: &[&str], env: &[(&str, &str)], stdin: &str) -> Run {
        let mut command = Command::new(tools::program("node"));
        command
            .args(["--no-warnings", "--input-type=module", "--eval", SCRIPT, "--"])
            .args([module.as_os_str()])
            .args(args.iter().map(OsStr::new))
            .env_clear()
            .envs(env.iter().copied());
        Run::with_stdin(&mut command, stdin)
    }

    /// Its version, without the `v`.
    pub(crate) fn version() -> String {
        let version =
            Run::of(Command::new(tools::program("node")).arg("--version")).success().stdout;
        version.trim().trim_start_matches('v').to_owned()
    }

    /// Runs a script.
    pub(crate) fn script(script: &Path, args: &[&str]) -> Run {
        Run::of(Command::new(tools::program("node")).arg(script).args(args))
    }
}

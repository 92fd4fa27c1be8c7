//! Runs the modules of `tests/probes`, each of which uses one proposal, in every runtime that is on the PATH, and says
//! which of them work. Arguments after a runtime's name go to it, to see what an option changes:
//!
//! ```sh
//! cargo run -p wasm-oci-tests --example probe
//! cargo run -p wasm-oci-tests --example probe wasmedge --enable-all
//! ```
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a tool for those who develop this")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How each is told to run a module; its path comes after.
const RUNTIMES: [(&str, &[&str]); 6] = [
    ("wasmtime", &[]),
    ("wasmedge", &[]),
    ("iwasm", &[]),
    ("wasmer", &[]),
    ("wasmi", &[]),
    ("node", &["--eval", NODE, "--"]),
];

const NODE: &str = "WebAssembly.instantiate(require('fs').readFileSync(process.argv[1]))
    .then(({ instance }) => instance.exports._start())";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    let options: Vec<String> = arguments.collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let probes = probes(folder.path());
    for (runtime, run) in
        RUNTIMES.iter().filter(|(name, _)| only.as_deref().is_none_or(|it| it == *name))
    {
        let Some(version) = version(runtime) else { continue };
        println!("{runtime}, {version}");
        for (name, module) in &probes {
            let mut command = Command::new(runtime);
            command.args(&options).args(*run).arg(module);
            let status =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            let works = status.is_ok_and(|status| status.success());
            println!("  {} {name}", if works { "✓" } else { "–" });
        }
    }
}

/// What the runtime says of itself, if it is there.
fn version(runtime: &str) -> Option<String> {
    let output = Command::new(runtime).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// The modules by their names, written into a folder.
fn probes(folder: &Path) -> Vec<(String, PathBuf)> {
    let texts = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("probes"))
        .expect("tests/probes");
    let mut probes: Vec<(String, PathBuf)> = texts
        .map(|text| {
            let text = text.expect("tests/probes can be read").path();
            let name = text.file_stem().expect("a name").to_string_lossy().into_owned();
            let module = folder.join(format!("{name}.wasm"));
            let bytes = wat::parse_file(&text).expect("a module's text");
            std::fs::write(&module, bytes).expect("a temporary file");
            (name, module)
        })
        .collect();
    probes.sort();
    probes
}

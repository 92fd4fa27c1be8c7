//! The user's own `wasm-opt`, in place of the bundled Binaryen.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wasmparser::WasmFeatures;

use super::optimize::{Outcome, through_files, unknown};
use super::{OptimizeError, OptimizeOptions};

/// A `wasm-opt` program whose version is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasmOpt {
    program: PathBuf,
    version: String,
}

/// The name in `--enable-<name>` of each feature that wasmparser can find in a module.
const KNOWN: [(WasmFeatures, &str); 19] = [
    (WasmFeatures::MUTABLE_GLOBAL, "mutable-globals"),
    (WasmFeatures::SATURATING_FLOAT_TO_INT, "nontrapping-float-to-int"),
    (WasmFeatures::SIGN_EXTENSION, "sign-ext"),
    (WasmFeatures::REFERENCE_TYPES, "reference-types"),
    (WasmFeatures::CALL_INDIRECT_OVERLONG, "reference-types"),
    (WasmFeatures::MULTI_VALUE, "multivalue"),
    (WasmFeatures::BULK_MEMORY, "bulk-memory"),
    (WasmFeatures::BULK_MEMORY_OPT, "bulk-memory"),
    (WasmFeatures::SIMD, "simd"),
    (WasmFeatures::RELAXED_SIMD, "relaxed-simd"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::TAIL_CALL, "tail-call"),
    (WasmFeatures::MULTI_MEMORY, "multimemory"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::EXTENDED_CONST, "extended-const"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "exception-handling"),
    (WasmFeatures::EXCEPTIONS, "exception-handling"),
    (WasmFeatures::FUNCTION_REFERENCES, "gc"),
    (WasmFeatures::GC, "gc"),
];

impl WasmOpt {
    /// Finds a program, by path or by a name on `PATH`, and reads its version.
    ///
    /// # Errors
    /// [`OptimizeError::External`] when it can't be started, or isn't `wasm-opt`.
    pub fn find(program: &Path) -> Result<WasmOpt, OptimizeError> {
        let failed =
            |reason: String| OptimizeError::External { program: program.to_owned(), reason };
        let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|e| {
            failed(format!(
                "{e}: install Binaryen (as with `npm install -g binaryen`), or leave `--wasm-opt` out"
            ))
        })?;
        // `wasm-opt version 132 (version_132)`
        let said = String::from_utf8_lossy(&output.stdout);
        match said.split_whitespace().collect::<Vec<_>>()[..] {
            ["wasm-opt", "version", version, ..] => {
                Ok(WasmOpt { program: program.to_owned(), version: version.to_owned() })
            }
            _ => Err(failed("it doesn't answer `--version` as wasm-opt does".to_owned())),
        }
    }

    /// Optimizes a module that is valid with `features`.
    pub(super) fn run(
        &self,
        module: &[u8],
        features: WasmFeatures,
        options: &OptimizeOptions,
    ) -> Result<Outcome, OptimizeError> {
        if let Some(note) = unknown(features, KNOWN.map(|(feature, _)| feature)) {
            return Ok(Outcome { bytes: None, note: Some(note) });
        }
        let mut flags: Vec<&str> = KNOWN
            .iter()
            .filter(|(feature, _)| features.contains(*feature))
            .map(|(_, name)| *name)
            .collect();
        // Two features of wasmparser can be one of Binaryen. They are next to each other in the table.
        flags.dedup();
        let failed =
            |reason: String| OptimizeError::External { program: self.program.clone(), reason };
        through_files(module, |input, output| {
            let mut command = Command::new(&self.program);
            // From the first version on, because Binaryen's default features depend on its version.
            command
                .arg(input)
                .arg("-o")
                .arg(output)
                .arg(format!("-O{}", options.level))
                .arg("--mvp-features");
            command.args(flags.iter().map(|name| format!("--enable-{name}")));
            // Keep names, and DWARF if it is still there.
            command.arg("-g");
            let said = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
            if said.status.success() {
                return Ok(None);
            }
            let stderr = String::from_utf8_lossy(&said.stderr);
            let reason =
                stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it doesn't say why");
            Err(failed(format!("it failed on this module ({}): {}", said.status, reason.trim())))
        })
    }
}

impl fmt::Display for WasmOpt {
    /// Writes `binaryen 132`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The version decides the bytes, and the path does not.
        write!(f, "binaryen {}", self.version)
    }
}

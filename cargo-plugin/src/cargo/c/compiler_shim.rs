//! The compiler shim: our program, started by a build script under one of the names in [`shims`](crate::cargo::c::shims).

use std::ffi::OsString;
use std::path::PathBuf;

use wasm_oci_app::config::c_compiler::Choice;
use wasm_oci_app::config::target::WasiTarget;

use crate::cargo::c::failure_log::{Failure, toolchain_file};
use crate::cargo::c::shims::Tool;
use crate::cargo::c::toolchain::Toolchain;
use crate::cargo::env::{CargoEnv, traced};
use crate::cargo::error::Error;
use crate::cargo::json_cache;
use wasm_oci_app::rustc::{REMAP_FLAG, RUSTFLAGS, SEPARATOR};

/// A start as a compiler shim.
#[derive(Debug)]
pub struct Invocation {
    tool: Tool,
    target: WasiTarget,
    choice: Choice,
    folder: PathBuf,
    args: Vec<OsString>,
}

impl Invocation {
    /// Returns the invocation, if the name of the program is that of a shim.
    pub fn of(args: impl IntoIterator<Item = OsString>) -> Option<Invocation> {
        let mut args = args.into_iter();
        let program = PathBuf::from(args.next()?);
        let (tool, target) = Tool::of(&program)?;
        // `cc` passes only arguments for a compiler, so the path has to carry the target and the
        // choice.
        let folder = program.parent()?.to_owned();
        let choice = folder.file_name()?.to_str()?.parse().ok()?;
        Some(Invocation { tool, target, choice, folder, args: args.collect() })
    }

    /// Runs a real compiler, and returns its exit code.
    pub fn run(&self) -> Result<u8, Error> {
        let env = CargoEnv::from_process()?;
        let toolchain = self.toolchain(&env);
        let code = match &toolchain {
            Some(toolchain) => self.run_with(&env, toolchain),
            None => Err(Error::NoCCompiler { target: self.target }),
        };
        // Without `-c`, `cc` only probes the compiler, and handles a failure itself.
        let compiles = self.args.iter().any(|argument| argument == "-c");
        if !matches!(code, Ok(0)) && (compiles || toolchain.is_none()) {
            let failure = Failure::new(|name| env.var(name).map(str::to_owned), toolchain);
            failure.iter().for_each(|failure| failure.write(&self.folder));
        }
        code
    }

    fn toolchain(&self, env: &CargoEnv) -> Option<Toolchain> {
        // Each C file starts a shim. Only the first one searches, because that takes several
        // processes.
        let file = toolchain_file(&self.folder);
        json_cache::read(&file).unwrap_or_else(|| {
            let found = Toolchain::find(env, self.target, self.choice, &self.folder);
            json_cache::write(&file, &found);
            found
        })
    }

    fn run_with(&self, env: &CargoEnv, toolchain: &Toolchain) -> Result<u8, Error> {
        let names = match self.tool {
            Tool::C | Tool::Cxx => neutral_names(env.var(RUSTFLAGS), toolchain),
            Tool::Ar | Tool::Ranlib => Vec::new(),
        };
        let given: Vec<_> = names.into_iter().chain(self.args.iter().cloned()).collect();
        let (program, args) = toolchain.command(env, self.tool, &given);
        let mut command = env.command(&program);
        command.args(args);
        for (name, value) in
            // `__DATE__` and `__TIME__` would make every build different.
            [("SOURCE_DATE_EPOCH", "0".into()), (ZIG_CACHE, self.folder.join("zig-cache"))]
        {
            if env.var(name).is_none() {
                command.env(name, value);
            }
        }
        let status = traced(&mut command).status();
        let status = status.map_err(|source| Error::NotStarted { program, source })?;
        Ok(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1))
    }
}

// Without this variable, zig needs a home directory.
const ZIG_CACHE: &str = "ZIG_GLOBAL_CACHE_DIR";

/// Returns flags that make the C compiler replace the same paths as rustc.
fn neutral_names(rustflags: Option<&str>, toolchain: &Toolchain) -> Vec<OsString> {
    // cargo passes the flags for rustc to build scripts (Cargo book, "Environment variables").
    let rustcs = rustflags.unwrap_or_default().split(SEPARATOR);
    let names = rustcs.filter_map(|flag| flag.strip_prefix(REMAP_FLAG)).map(str::to_owned);
    // `__FILE__` in the compiler's own headers would show where it is installed.
    let own = toolchain.folder().and_then(|folder| Some(format!("{}=/c", folder.to_str()?)));
    names.chain(own).map(|name| format!("-ffile-prefix-map={name}").into()).collect()
}

#[cfg(test)]
mod tests {

    use super::*;

    fn of(program: &str) -> Option<Invocation> {
        Invocation::of([program, "-c", "a.c"].map(OsString::from))
    }

    #[test]
    fn the_name_says_what_to_do() {
        let given = of("/t/wasm-oci/.c/zig/wasm32-wasip2-clang++").expect("a compiler");
        assert_eq!((given.tool, given.target), (Tool::Cxx, WasiTarget::Wasip2));
        assert_eq!(given.choice, Choice::Zig);
        assert_eq!(given.args, ["-c", "a.c"]);
        for other in ["cargo-wasm-oci", "/bin/wasm32-wasip1-clang", "/t/auto/wasm32-wasip1-gcc"] {
            assert!(of(other).is_none(), "{other}");
        }
    }

    #[test]
    fn folders_have_the_names_that_rustc_writes() {
        let zig: Toolchain = serde_json::from_value(serde_json::json!({
            "kind": "zig", "program": "/lib/ziglang/zig", "target": "wasm32-wasi", "libc": "BuiltIn"
        }))
        .expect("a toolchain");
        let flags = "--remap-path-prefix=/home/me=/cargo\x1f-Copt-level=3\x1f--remap-path-prefix=/a b=/target";
        assert_eq!(
            neutral_names(Some(flags), &zig),
            [
                "-ffile-prefix-map=/home/me=/cargo",
                "-ffile-prefix-map=/a b=/target",
                "-ffile-prefix-map=/lib/ziglang=/c"
            ]
        );
    }
}

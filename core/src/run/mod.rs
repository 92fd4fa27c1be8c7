//! Running command modules with wasmtime.

mod error;

use std::path::PathBuf;
use std::str::FromStr;

use wasmtime::{Config, Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

pub use error::Error;

use crate::module::{Kind, ValidatedModule};

/// What a program is given. Nothing else of the host is visible to it, but for its standard streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The arguments, the program's name first.
    pub args: Vec<String>,
    /// The environment variables; a later one replaces an earlier one of the same name.
    pub env: Vec<(String, String)>,
    /// The folders.
    pub dirs: Vec<Dir>,
}

/// A folder of the host that a program sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir {
    /// Where it is.
    pub host: PathBuf,
    /// Where the program sees it.
    pub guest: String,
    /// The program may read but not change it.
    pub read_only: bool,
}

impl FromStr for Dir {
    type Err = String;

    /// `HOST[::GUEST][:ro]`; without a guest's path, it has the host's.
    fn from_str(text: &str) -> Result<Dir, String> {
        let (text, read_only) = text.strip_suffix(":ro").map_or((text, false), |text| (text, true));
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        if host.is_empty() || guest.is_empty() {
            return Err("write HOST, HOST::GUEST or HOST::GUEST:ro".to_owned());
        }
        Ok(Dir { host: host.into(), guest: guest.to_owned(), read_only })
    }
}

/// Runs a command module to its end, on this thread, with the process's own standard streams. Returns its exit
/// code, 0 when it returns from `_start`.
///
/// # Errors
/// [`Error::NotACommand`] for a reactor or a component, [`Error::Dir`] when a folder can't be opened,
/// [`Error::Trap`] when the program was stopped by a trap, [`Error::Module`] when wasmtime refuses it.
pub fn run(module: &ValidatedModule, options: &RunOptions) -> Result<i32, Error> {
    let kind = module.report().kind;
    if kind != Kind::Command {
        return Err(Error::NotACommand { name: module.name().to_owned(), kind });
    }
    let refused = |source: wasmtime::Error| Error::Module {
        name: module.name().to_owned(),
        reason: format!("{:#}", source),
    };
    let engine = Engine::new(&Config::new()).map_err(refused)?;
    let compiled = Module::new(&engine, module.bytes()).map_err(refused)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |context| context).map_err(refused)?;
    let mut store = Store::new(&engine, context(options)?);
    let instance = linker.instantiate(&mut store, &compiled).map_err(refused)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").map_err(refused)?;
    match start.call(&mut store, ()) {
        Ok(()) => Ok(0),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(Error::Trap { name: module.name().to_owned(), trace: format!("{error:?}") }),
        },
    }
}

fn context(options: &RunOptions) -> Result<WasiP1Ctx, Error> {
    let mut builder = WasiCtxBuilder::new();
    // The program has this thread to itself.
    builder.inherit_stdio().allow_blocking_current_thread(true).args(&options.args).envs(&options.env);
    for dir in &options.dirs {
        let permissions = if dir.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
        let failed = |e: wasmtime::Error| Error::Dir { host: dir.host.clone(), reason: format!("{e:#}") };
        builder.preopened_dir(&dir.host, &dir.guest, permissions).map_err(failed)?;
    }
    Ok(builder.build_p1())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{BuiltModule, ValidateOptions, validate};

    fn command(wat: &str) -> ValidatedModule {
        let built = BuiltModule::new("test.wasm", wat::parse_str(wat).unwrap()).unwrap();
        validate(built.unoptimized(), &ValidateOptions::default()).unwrap()
    }

    #[test]
    fn the_exit_code_is_the_programs() {
        let exit = |code: i32| {
            command(&format!(
                r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
                    (memory (export "memory") 1) (func (export "_start") i32.const {code} call 0))"#
            ))
        };
        assert_eq!(run(&exit(3), &RunOptions::default()).unwrap(), 3);
        assert_eq!(run(&exit(0), &RunOptions::default()).unwrap(), 0);
        let silent = command(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
        assert_eq!(run(&silent, &RunOptions::default()).unwrap(), 0);
    }

    #[test]
    fn a_trap_is_an_error() {
        let module = command(r#"(module (func (export "_start") unreachable))"#);
        let error = run(&module, &RunOptions::default()).unwrap_err();
        assert!(matches!(&error, Error::Trap { trace, .. } if trace.contains("unreachable")), "{error}");
    }

    #[test]
    fn only_commands_run() {
        let reactor = command(r#"(module (func (export "f")))"#);
        assert!(matches!(run(&reactor, &RunOptions::default()), Err(Error::NotACommand { .. })));
        let component = command("(component)");
        assert!(matches!(run(&component, &RunOptions::default()), Err(Error::NotACommand { .. })));
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let module = command(r#"(module (func (export "_start")))"#);
        let dirs = vec!["does/not/exist::/data".parse().unwrap()];
        let error = run(&module, &RunOptions { dirs, ..RunOptions::default() }).unwrap_err();
        assert!(error.to_string().contains("does/not/exist"), "{error}");
    }

    #[test]
    fn folders_as_users_write_them() {
        let dir = |text: &str| text.parse::<Dir>().unwrap();
        assert_eq!(dir("a"), Dir { host: "a".into(), guest: "a".into(), read_only: false });
        assert_eq!(dir("a::/b:ro"), Dir { host: "a".into(), guest: "/b".into(), read_only: true });
        assert!("::/b".parse::<Dir>().is_err());
    }
}

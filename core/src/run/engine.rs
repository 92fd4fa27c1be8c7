//! Engines, and programs that can be started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;
use wasmtime::{Config, Module, ModuleVersionStrategy, Precompiled};
#[cfg(feature = "serve")]
use wasmtime::{InstanceAllocationStrategy, PoolingAllocationConfig};

use super::{Error, ExitReason, Limits};
use crate::image::Digest;
use crate::module::function_names;
use crate::trace::OrTrace;

/// Interval at which a program with a time limit yields, so that its deadline can stop it.
const TICK: Duration = Duration::from_millis(5);

/// Largest number of instances, memories and tables in a pool, over all concurrent runs.
#[cfg(feature = "serve")]
pub(super) const MAX_CONCURRENT: u32 = 1_000;
// No instance that we know of comes near this size, which is in bytes and without memories and tables.
#[cfg(feature = "serve")]
const LARGEST_INSTANCE: usize = 16 << 20;
// A table has one element for each function that is called through a pointer.
#[cfg(feature = "serve")]
const MOST_TABLE_ELEMENTS: usize = 1 << 20;

/// Engine that programs are loaded for, and run by.
#[derive(Debug)]
pub struct Engine {
    pub(super) engine: wasmtime::Engine,
    #[cfg(feature = "compile")]
    pub(super) cache: Option<super::Cache>,
}

/// Way to start a program, determined by its exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A core module with `_start`.
    Module,
    /// A component that exports `wasi:cli/run`.
    Component,
    /// A component that exports `wasi:http/incoming-handler`.
    Http,
    /// A module or component with none of these exports.
    Library,
}

/// Compiled program.
#[derive(Clone)]
pub struct Program {
    pub(super) name: String,
    /// Digest of the module, if it was compiled here.
    pub(super) digest: Option<Digest>,
    pub(super) entry: EntryKind,
    pub(super) code: Code,
    /// Path of a module with the same functions and their names.
    pub(super) named: Option<PathBuf>,
}

/// Compiled code, as wasmtime has it.
#[derive(Clone)]
pub(super) enum Code {
    Module(Module),
    Component(Component),
}

impl Engine {
    /// Returns an engine for programs with these limits. The code depends on them: it counts fuel, and checks the time.
    ///
    /// # Errors
    /// [`Error::Engine`] if wasmtime has no code generator for this machine.
    pub fn new(limits: &Limits) -> Result<Engine, Error> {
        let engine =
            wasmtime::Engine::new(&config(limits)?).map_err(|e| Error::Engine(format!("{e:#}")))?;
        Ok(Engine::of(engine, limits))
    }

    /// Returns an engine for many short concurrent runs, such as requests. It reserves address space for their memories once
    /// and reuses it: some terabytes, which are not backed by memory. If that fails, each run reserves its own.
    ///
    /// # Errors
    /// As [`Engine::new`].
    #[cfg(feature = "serve")]
    pub fn pooled(limits: &Limits) -> Result<Engine, Error> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(MAX_CONCURRENT)
            // A component consists of many small core instances.
            .total_core_instances(MAX_CONCURRENT * 64)
            .total_memories(MAX_CONCURRENT)
            .total_tables(MAX_CONCURRENT)
            .total_stacks(MAX_CONCURRENT)
            .max_component_instance_size(LARGEST_INSTANCE)
            .max_core_instance_size(LARGEST_INSTANCE)
            .table_elements(MOST_TABLE_ELEMENTS);
        let mut pooled = config(limits)?;
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        match wasmtime::Engine::new(&pooled) {
            Ok(engine) => Ok(Engine::of(engine, limits)),
            // A limit such as `ulimit -v` can forbid the reservation.
            Err(error) => {
                tracing::debug!(%error, "can't reserve a pool of memories");
                Engine::new(limits)
            }
        }
    }

    fn of(engine: wasmtime::Engine, limits: &Limits) -> Engine {
        if limits.timeout.is_some() {
            // With a strong reference, the thread would keep the engine alive for ever.
            let engine = engine.weak();
            thread::spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    thread::sleep(TICK);
                }
            });
        }
        Engine {
            engine,
            #[cfg(feature = "compile")]
            cache: None,
        }
    }

    /// Maps code that [`precompile`](super::precompile) made into memory.
    ///
    /// # Safety
    /// The file contains native code: whoever can change it, now or while the program exists, can act as this process.
    ///
    /// # Errors
    /// [`Error::Code`] if the file can't be read, is damaged, or was made for another engine or processor.
    #[expect(unsafe_code, reason = "native code is trusted by the caller")]
    pub unsafe fn load(&self, name: &str, file: &Path) -> Result<Program, Error> {
        let refused =
            |e: wasmtime::Error| Error::Code { file: file.to_owned(), reason: format!("{e:#}") };
        let kind = wasmtime::Engine::detect_precompiled_file(file).map_err(refused)?;
        let kind = kind.ok_or_else(|| refused(wasmtime::Error::msg("it is not compiled code")))?;
        // SAFETY: as promised to this function.
        let code = unsafe { Code::map(&self.engine, kind, file) }.map_err(refused)?;
        let entry = code.entry(&self.engine);
        Ok(Program { name: name.to_owned(), digest: None, entry, code, named: None })
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }
}

/// Returns the engine and its version, such as `wasmtime 48.0.0`. Compiled code is for exactly this one.
#[must_use]
pub fn engine_version() -> String {
    format!("wasmtime {}", wasmtime_environ::VERSION)
}

pub(super) fn config(limits: &Limits) -> Result<Config, Error> {
    let mut config = Config::new();
    // By itself, wasmtime compares only the first number.
    let version = ModuleVersionStrategy::Custom(engine_version());
    config.module_version(version).map_err(|e| Error::Engine(format!("{e:#}")))?;
    // Both checks slow the code down (`Limits`), so it has only those that a limit needs.
    config.epoch_interruption(limits.timeout.is_some()).consume_fuel(limits.fuel.is_some());
    // Reference types need wasmtime's support for garbage collection. What a program allocates there is not counted by our
    // limits, so the proposals that allocate are off.
    config.wasm_gc(false).wasm_function_references(false).wasm_exceptions(false);
    // wasmtime unwinds its stack by frame pointers. Unwind tables are for native debuggers only, and mapping and registering
    // those of a large module slows down each start. On Windows, wasmtime requires them.
    if !cfg!(windows) {
        config.native_unwind_info(false);
    }
    Ok(config)
}

impl Code {
    /// Maps code that wasmtime compiled into memory: the only place that does.
    ///
    /// # Safety
    /// As [`Engine::load`].
    #[expect(unsafe_code, reason = "native code is trusted by the caller")]
    pub(super) unsafe fn map(
        engine: &wasmtime::Engine,
        kind: Precompiled,
        file: &Path,
    ) -> wasmtime::Result<Code> {
        match kind {
            // SAFETY: as promised to this function.
            Precompiled::Module => {
                unsafe { Module::deserialize_file(engine, file) }.map(Code::Module)
            }
            Precompiled::Component => {
                // SAFETY: as above.
                unsafe { Component::deserialize_file(engine, file) }.map(Code::Component)
            }
        }
    }

    /// Returns the way to start it.
    pub(super) fn entry(&self, engine: &wasmtime::Engine) -> EntryKind {
        let component = match self {
            Code::Component(component) => component.component_type(),
            Code::Module(module) => {
                let start = module.get_export("_start");
                let is_command = start.is_some_and(|export| export.func().is_some());
                return if is_command { EntryKind::Module } else { EntryKind::Library };
            }
        };
        // Any version of an interface counts, because linking checks the version.
        let exports = |interface: &str| {
            component.exports(engine).any(|(name, _)| name.starts_with(interface))
        };
        match () {
            () if exports("wasi:http/incoming-handler@") => EntryKind::Http,
            () if exports("wasi:cli/run@") => EntryKind::Component,
            () => EntryKind::Library,
        }
    }
}

impl Program {
    /// The name for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The way to start it.
    #[must_use]
    pub fn entry_kind(&self) -> EntryKind {
        self.entry
    }

    /// Takes the names of functions from the module in `file`, which is read only if a trap stops the program. That module
    /// may differ from the program's in custom sections only.
    #[must_use]
    pub fn named_by(self, file: PathBuf) -> Program {
        Program { named: Some(file), ..self }
    }

    pub(super) fn named(&self, mut reason: ExitReason) -> ExitReason {
        // A component has several modules, and a frame doesn't say which of them its index is for.
        if let (ExitReason::Trap(trap), Code::Module(_), Some(file)) =
            (&mut reason, &self.code, &self.named)
        {
            // Without the file, frames show indices: better than an error that hides the trap.
            if let Some(module) = fs_err::read(file).or_trace("read names of functions") {
                trap.name(&function_names(&module, trap.frames.iter().map(|frame| frame.index)));
            }
        }
        reason
    }

    pub(super) fn code(&self) -> &Code {
        &self.code
    }

    pub(super) fn refused(&self, source: &wasmtime::Error) -> Error {
        Error::Module { name: self.name.clone(), reason: format!("{source:#}") }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

//! Compilation of modules to programs that can be started.

use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, Module, PoolingAllocationConfig};

use super::{Cache, Error, ExitReason, Identity, Limits};
use crate::image::Digest;
use crate::module::{BuiltModule, Import, Kind, Report, ValidateOptions, function_names, validate};
use crate::text::visible;
use crate::trace::OrTrace;

/// Interval at which a program with a time limit yields, so that its deadline can stop it.
const TICK: Duration = Duration::from_millis(5);

/// Largest number of instances, memories and tables in a pool, over all concurrent runs.
pub(super) const MAX_CONCURRENT: u32 = 1_000;
// No instance that we know of comes near this size, which is in bytes and without memories and tables.
const LARGEST_INSTANCE: usize = 16 << 20;
// A table has one element for each function that is called through a pointer.
const MOST_TABLE_ELEMENTS: usize = 1 << 20;

/// Compiler of programs, with an optional cache of compiled code.
#[derive(Debug)]
pub struct Engine {
    engine: wasmtime::Engine,
    cache: Option<Cache>,
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
    name: String,
    digest: Digest,
    entry: EntryKind,
    code: Code,
    /// Path of a module with the same functions and their names.
    named: Option<PathBuf>,
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
    pub fn new(limits: &Limits, cache: Option<Cache>) -> Result<Engine, Error> {
        let engine =
            wasmtime::Engine::new(&config(limits)).map_err(|e| Error::Engine(format!("{e:#}")))?;
        Ok(Engine::of(engine, limits, cache))
    }

    /// Returns an engine for many short concurrent runs, such as requests. It reserves address space for their memories once
    /// and reuses it: some terabytes, which are not backed by memory. If that fails, each run reserves its own.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn pooled(limits: &Limits, cache: Option<Cache>) -> Result<Engine, Error> {
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
        let mut pooled = config(limits);
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        match wasmtime::Engine::new(&pooled) {
            Ok(engine) => Ok(Engine::of(engine, limits, cache)),
            // A limit such as `ulimit -v` can forbid the reservation.
            Err(error) => {
                tracing::debug!(%error, "can't reserve a pool of memories");
                Engine::new(limits, cache)
            }
        }
    }

    fn of(engine: wasmtime::Engine, limits: &Limits, cache: Option<Cache>) -> Engine {
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
        Engine { engine, cache }
    }

    /// Returns the program that was [remembered](Engine::remember) for `identity`, if its code is in the cache.
    #[must_use]
    pub fn recall(&self, identity: &Identity, name: &str) -> Option<Program> {
        let cache = self.cache.as_ref()?;
        let digest = cache.recall(identity)?;
        let (entry, code) = cache.load(&self.engine, digest)?;
        Some(Program { name: name.to_owned(), digest, entry, code, named: None })
    }

    /// Records in the cache that this identity means this program.
    pub fn remember(&self, identity: &Identity, program: &Program) {
        if let Some(cache) = &self.cache {
            cache.remember(identity, program.digest);
        }
    }

    /// Validates and compiles a module, unless its code is in the cache.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid module, [`Error::Module`] if wasmtime can't compile it.
    pub fn program(
        &self,
        module: BuiltModule,
        options: &ValidateOptions,
    ) -> Result<Program, Error> {
        let digest = Digest::of(module.bytes());
        let name = module.name().to_owned();
        if let Some((entry, code)) =
            self.cache.as_ref().and_then(|cache| cache.load(&self.engine, digest))
        {
            return Ok(Program { name, digest, entry, code, named: None });
        }
        let module = validate(module.unoptimized(), options)?;
        if let Some(reason) = other_host(module.report()) {
            return Err(Error::Module { name, reason });
        }
        let refused = |source: wasmtime::Error| Error::Module {
            name: name.clone(),
            reason: format!("{source:#}"),
        };
        let (entry, code) = match module.report().kind {
            Kind::Component => {
                let component = Component::new(&self.engine, module.bytes()).map_err(refused)?;
                (entry_kind(&self.engine, &component), Code::Component(component))
            }
            kind => {
                let entry =
                    if kind == Kind::Command { EntryKind::Module } else { EntryKind::Library };
                (entry, Code::Module(Module::new(&self.engine, module.bytes()).map_err(refused)?))
            }
        };
        if let Some(cache) = &self.cache {
            cache.store(&self.engine, digest, entry, &code);
        }
        Ok(Program { name, digest, entry, code, named: None })
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }
}

fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
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
    config
}

/// Returns the host that a component needs, if it is known and not ours. Otherwise, only linking would fail, with the name of
/// one interface.
fn other_host(report: &Report) -> Option<String> {
    let imports = report.imports.iter().map(Import::interface);
    let exports = || report.exports.iter().map(|export| export.name.as_str());
    // A component may offer itself to hosts of both versions.
    let is_for_0_2 = exports().any(|name| name.contains("@0.2."));
    let exports = exports().filter(|_| !is_for_0_2);
    let mut names = imports.chain(exports).filter(|_| report.kind.is_component());
    let is_known = |name: &&str| {
        let of_wasi = name.starts_with("wasi:") && name.contains("@0.3.");
        of_wasi || name.starts_with("fermyon:") || name.starts_with("spin:")
    };
    let name = names.find(is_known)?;
    let advice = match name.starts_with("wasi:") {
        true => {
            "it is a component for WASI 0.3, and this command has WASI 0.2: run it with wasmtime 46 or newer, or build it \
             for wasm32-wasip2"
        }
        false => {
            "it is a component of a Spin application: run the application with `spin up`, or in a cluster with Spin's shim"
        }
    };
    Some(format!("{advice} (`{}`)", visible(name)))
}

fn entry_kind(engine: &wasmtime::Engine, component: &Component) -> EntryKind {
    let ty = component.component_type();
    // Any version of an interface counts, because linking checks the version.
    let exports = |interface: &str| ty.exports(engine).any(|(name, _)| name.starts_with(interface));
    match () {
        () if exports("wasi:http/incoming-handler@") => EntryKind::Http,
        () if exports("wasi:cli/run@") => EntryKind::Component,
        () => EntryKind::Library,
    }
}

impl Program {
    /// The name for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the module that it was compiled from.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
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

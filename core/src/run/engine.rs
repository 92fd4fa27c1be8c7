//! From a module to code that can be started.

use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, Module, PoolingAllocationConfig};

use super::{Cache, Error, ExitReason, Identity, Limits};
use crate::image::Digest;
use crate::module::{BuiltModule, Kind, ValidateOptions, function_names, validate};

/// How often a program with a time limit is asked whether its time is up.
const TICK: Duration = Duration::from_millis(5);

/// How many instances, memories and tables there may be in a pool at a time, of all runs together.
pub(super) const MAX_CONCURRENT: u32 = 1_000;
/// What an instance without its memories and tables may take, in bytes. None that we know of comes near.
const LARGEST_INSTANCE: usize = 16 << 20;
/// The elements that a table in a pool may grow to: functions that are called through pointers.
const MOST_TABLE_ELEMENTS: usize = 1 << 20;

/// Compiles programs, or takes code from its cache.
#[derive(Debug)]
pub struct Engine {
    engine: wasmtime::Engine,
    cache: Option<Cache>,
}

/// How a program is started, as its exports say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A core module with `_start`.
    Module,
    /// A component that exports `wasi:cli/run`.
    Component,
    /// A component that exports `wasi:http/incoming-handler`.
    Http,
    /// None of them.
    Library,
}

/// A program, compiled.
#[derive(Clone)]
pub struct Program {
    name: String,
    digest: Digest,
    entry: EntryKind,
    code: Code,
    /// A module with the same functions, and names for them.
    named: Option<PathBuf>,
}

/// Compiled code.
#[derive(Clone)]
pub(super) enum Code {
    Module(Module),
    Component(Component),
}

impl Engine {
    /// An engine whose programs can have such limits: limits of time and fuel change the code.
    ///
    /// # Errors
    /// [`Error::Engine`] when wasmtime has no code generator for this machine.
    pub fn new(limits: &Limits, cache: Option<Cache>) -> Result<Engine, Error> {
        let engine =
            wasmtime::Engine::new(&config(limits)).map_err(|e| Error::Engine(format!("{e:#}")))?;
        Ok(Engine::of(engine, limits, cache))
    }

    /// The same for many short runs beside each other, as requests are: room for their memories is set aside once, and
    /// used again. It takes some terabytes of addresses, none of which are backed by memory; where they can't be had,
    /// each run makes its own room.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn pooled(limits: &Limits, cache: Option<Cache>) -> Result<Engine, Error> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(MAX_CONCURRENT)
            // They are many in a component, and small.
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
            Err(_) => Engine::new(limits, cache),
        }
    }

    fn of(engine: wasmtime::Engine, limits: &Limits, cache: Option<Cache>) -> Engine {
        if limits.timeout.is_some() {
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

    /// The program that was remembered for `identity`, if its code is in the cache.
    #[must_use]
    pub fn recall(&self, identity: &Identity, name: &str) -> Option<Program> {
        let cache = self.cache.as_ref()?;
        let digest = cache.recall(identity)?;
        let (entry, code) = cache.load(&self.engine, digest)?;
        Some(Program { name: name.to_owned(), digest, entry, code, named: None })
    }

    /// Notes that what has this identity is this program.
    pub fn remember(&self, identity: &Identity, program: &Program) {
        if let Some(cache) = &self.cache {
            cache.remember(identity, program.digest);
        }
    }

    /// Validates and compiles a module, unless its code is in the cache.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not a valid module, [`Error::Module`] when wasmtime doesn't compile it.
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

/// What limits change about the code.
fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(limits.timeout.is_some()).consume_fuel(limits.fuel.is_some());
    // wasmtime finds its own way up the stack. Where it may be left out, tables for others would only have to be mapped
    // and registered at each start, and those of a large module are large.
    if !cfg!(windows) {
        config.native_unwind_info(false);
    }
    config
}

/// By what a component exports. The versions of the interfaces don't matter here: linking looks at them.
fn entry_kind(engine: &wasmtime::Engine, component: &Component) -> EntryKind {
    let ty = component.component_type();
    let exports = |interface: &str| ty.exports(engine).any(|(name, _)| name.starts_with(interface));
    match () {
        () if exports("wasi:http/incoming-handler@") => EntryKind::Http,
        () if exports("wasi:cli/run@") => EntryKind::Component,
        () => EntryKind::Library,
    }
}

impl Program {
    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of its module.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How it is started.
    #[must_use]
    pub fn entry_kind(&self) -> EntryKind {
        self.entry
    }

    /// The same program, whose functions have names in the module in `file`, which is read when it is stopped by a trap.
    /// The module has to be the same but for its custom sections.
    #[must_use]
    pub fn named_by(self, file: PathBuf) -> Program {
        Program { named: Some(file), ..self }
    }

    /// An end, with all names that are known.
    pub(super) fn named(&self, mut reason: ExitReason) -> ExitReason {
        // Functions of a component are numbered in each module of it.
        if let (ExitReason::Trap(trap), Code::Module(_), Some(file)) =
            (&mut reason, &self.code, &self.named)
        {
            // Without names it has numbers: no reason to hide the trap behind another error.
            if let Ok(module) = std::fs::read(file) {
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

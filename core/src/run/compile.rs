//! Compilation of modules to programs that can be started, here or on other machines.

use wasmtime::Module;
use wasmtime::component::Component;

use super::engine::{Code, Program, config};
use super::{Cache, Engine, Error, Identity, Limits};
use crate::image::{Architecture, Digest};
use crate::module::{
    BuiltModule, Import, Kind, Report, ValidateOptions, ValidatedModule, validate,
};
use crate::text::visible;

impl Engine {
    /// Returns the engine with a cache of compiled code, if there is one.
    #[must_use]
    pub fn cached(self, cache: Option<Cache>) -> Engine {
        Engine { cache, ..self }
    }

    /// Returns the program that was [remembered](Engine::remember) for `identity`, if its code is in the cache.
    #[must_use]
    pub fn recall(&self, identity: &Identity, name: &str) -> Option<Program> {
        let cache = self.cache.as_ref()?;
        let digest = cache.recall(identity)?;
        let (entry, code) = cache.load(&self.engine, digest)?;
        Some(Program { name: name.to_owned(), digest: Some(digest), entry, code, named: None })
    }

    /// Records in the cache that this identity means this program.
    pub fn remember(&self, identity: &Identity, program: &Program) {
        if let (Some(cache), Some(digest)) = (&self.cache, program.digest) {
            cache.remember(identity, digest);
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
            return Ok(Program { name, digest: Some(digest), entry, code, named: None });
        }
        let module = validate(module.unoptimized(), options)?;
        if let Some(reason) = other_host(module.report()) {
            return Err(Error::Module { name, reason });
        }
        let refused = |source: wasmtime::Error| Error::Module {
            name: name.clone(),
            reason: format!("{source:#}"),
        };
        let code = match module.report().kind {
            Kind::Component => Component::new(&self.engine, module.bytes()).map(Code::Component),
            _ => Module::new(&self.engine, module.bytes()).map(Code::Module),
        };
        let code = code.map_err(refused)?;
        let entry = code.entry(&self.engine);
        if let Some(cache) = &self.cache {
            cache.store(&self.engine, digest, entry, &code);
        }
        Ok(Program { name, digest: Some(digest), entry, code, named: None })
    }
}

/// Compiles a module for the processors of an architecture: the baseline of all, whatever this machine has. The same module
/// gives the same code on every machine, and [`Engine::load`] takes it if the engine has no limits of time and fuel.
///
/// # Errors
/// [`Error::Module`] if wasmtime can't compile the module, or it is for another host.
pub fn precompile(module: &ValidatedModule, architecture: Architecture) -> Result<Vec<u8>, Error> {
    let refused = |reason: String| Error::Module { name: module.name().to_owned(), reason };
    if let Some(reason) = other_host(module.report()) {
        return Err(refused(reason));
    }
    let mut config = config(&Limits::default())?;
    // Naming the target also means that no features of this machine's processor are used.
    config.target(architecture.triple()).map_err(|e| Error::Engine(format!("{e:#}")))?;
    let engine = wasmtime::Engine::new(&config).map_err(|e| Error::Engine(format!("{e:#}")))?;
    let compiled = match module.report().kind {
        Kind::Component => engine.precompile_component(module.bytes()),
        _ => engine.precompile_module(module.bytes()),
    };
    compiled.map_err(|e| refused(format!("{e:#}")))
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

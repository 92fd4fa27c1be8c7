//! A containerd shim that runs Wasm, as small as one can be: what the tests' images are started with.
//!
//! containerd finds it by its name, `containerd-shim-wasmtime-v1`, for the runtime `io.containerd.wasmtime.v1`.
use anyhow::{Result, anyhow};
use containerd_shim_wasm::sandbox::{Sandbox, context::RuntimeContext, context::WasmLayer};
use containerd_shim_wasm::shim::{Cli, Compiler, Shim};
use std::hash::Hash;
use wasmtime::{Config, Engine, Linker, Module, Precompiled, Store, component, component::Component};
use wasmtime_wasi::{DirPerms, FilePerms, I32Exit, WasiCtxBuilder, preview1, preview1::WasiP1Ctx};

mod http;

struct Wasmtime;

impl Shim for Wasmtime {
    type Sandbox = Guest;

    fn name() -> &'static str {
        "wasmtime"
    }

    async fn compiler() -> Option<impl Compiler> {
        Some(Guest::default())
    }
}

struct Guest(Engine);

impl Default for Guest {
    fn default() -> Self {
        Self(Engine::new(Config::new().async_support(true)).expect("this machine can run compiled Wasm"))
    }
}

/// Raw layers are compiled once; containerd keeps the result beside the image.
impl Compiler for Guest {
    fn cache_key(&self) -> impl Hash {
        self.0.precompile_compatibility_hash()
    }

    async fn compile(&self, layers: &[WasmLayer]) -> Result<Vec<Option<Vec<u8>>>> {
        layers.iter().map(|layer| compile(&self.0, &layer.layer).map(Some)).collect()
    }
}

impl Sandbox for Guest {
    async fn run_wasi(&self, container: &impl RuntimeContext) -> Result<i32> {
        let entrypoint = container.entrypoint();
        let mut bytes = entrypoint.source.as_bytes()?.into_owned();
        // By our own word only: code that an image claims to be compiled is not to be run.
        if !entrypoint.source.is_precompiled()? {
            bytes = compile(&self.0, &bytes)?;
        }
        let store = Store::new(&self.0, context(container)?);
        let result = match Engine::detect_precompiled(&bytes) {
            Some(Precompiled::Component) => run_component(store, &bytes, container.envs()).await,
            _ => run_module(store, &bytes, &entrypoint.func).await,
        };
        result.map_or_else(|error| error.downcast::<I32Exit>().map(|exit| exit.0), |()| Ok(0))
    }
}

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>> {
    // In the header of every Wasm binary: 0 for modules, 1 for components.
    if bytes.get(6) == Some(&1) {
        engine.precompile_component(bytes)
    } else {
        engine.precompile_module(bytes)
    }
}

fn context(container: &impl RuntimeContext) -> Result<WasiP1Ctx> {
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(container.args()).inherit_stdio().inherit_network().allow_ip_name_lookup(true);
    for variable in container.envs() {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        wasi.env(name, value);
    }
    Ok(wasi.preopened_dir("/", "/", DirPerms::all(), FilePerms::all())?.build_p1())
}

async fn run_module(mut store: Store<WasiP1Ctx>, bytes: &[u8], export: &str) -> Result<()> {
    let mut linker = Linker::new(store.engine());
    preview1::add_to_linker_async(&mut linker, |wasi| wasi)?;
    // Safe: the bytes are what `compile` returned, here or when the image was first used.
    let module = unsafe { Module::deserialize(store.engine(), bytes) }?;
    let instance = linker.instantiate_async(&mut store, &module).await?;
    instance.get_typed_func::<(), ()>(&mut store, export)?.call_async(&mut store, ()).await
}

async fn run_component(mut store: Store<WasiP1Ctx>, bytes: &[u8], environment: &[String]) -> Result<()> {
    // Safe: as above.
    let component = unsafe { Component::deserialize(store.engine(), bytes) }?;
    if http::answers(store.engine(), &component) {
        return http::serve(store.engine(), &component, environment).await;
    }
    let mut linker = component::Linker::new(store.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    let command =
        wasmtime_wasi::p2::bindings::Command::instantiate_async(&mut store, &component, &linker).await?;
    let outcome = command.wasi_cli_run().call_run(&mut store).await?;
    outcome.map_err(|()| anyhow!(I32Exit(1)))
}

fn main() {
    Wasmtime::run(None);
}

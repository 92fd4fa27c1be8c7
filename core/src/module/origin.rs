//! Origins of modules with imports beyond WASI: the compiler or host that such imports are known from.

use super::{Import, WASI_PREVIEW_0};
use crate::text::visible;

/// Imports by which a compiler or a host is recognized, and what to do.
struct Origin {
    is_one: fn(&Import) -> bool,
    cause: &'static str,
}

fn is_from(import: &Import, module: &str, names: &[&str]) -> bool {
    import.module == module && names.iter().any(|name| import.name.starts_with(name))
}

/// Origins, the most specific first: Emscripten imports `env.abort`, too, and a threaded program imports `env.memory`.
const ORIGINS: &[Origin] = &[
    Origin {
        // `wbg` is the module after the command `wasm-bindgen` has processed it, `__wbindgen_…` before.
        is_one: |it| it.module.starts_with("__wbindgen") || it.module == "wbg",
        cause: "a dependency uses wasm-bindgen, which needs a browser: turn off its `js`, `wasm-bindgen` or `stdweb` \
                feature, or replace it (`cargo tree -i wasm-bindgen` finds it)",
    },
    Origin {
        is_one: |it| is_from(it, "wasi", &["thread-spawn"]),
        cause: "it is a threaded program, built for wasm32-wasip1-threads, and wasi-threads is not part of WASI: build it \
                for wasm32-wasip1, without threads; or, for a runtime that has them, use `--allow-import wasi` and \
                `--allow-import env`",
    },
    Origin {
        is_one: |it| is_from(it, "env", &["proxy_"]),
        cause: "it is a filter for Envoy or another proxy (Proxy-Wasm), which provides these functions: pack it with \
                `--allow-import env`; it can't be run as a program",
    },
    Origin {
        // Written by `-sSTANDALONE_WASM`, which is otherwise WASI.
        is_one: |it| is_from(it, "env", &["emscripten_notify_memory_growth"]),
        cause: "it was built with Emscripten, and tells its host when its memory grows: build it with \
                `-sALLOW_MEMORY_GROWTH=0` and enough `-sINITIAL_MEMORY`, or with wasi-sdk",
    },
    Origin {
        // Emscripten calls functions that may throw or longjmp through `invoke_…`.
        is_one: |it| {
            is_from(
                it,
                "env",
                &["emscripten", "_emscripten", "__emscripten", "invoke_", "_abort_js"],
            )
        },
        cause: "it was built with Emscripten: build it with wasi-sdk, or with `-sSTANDALONE_WASM`",
    },
    Origin {
        is_one: |it| {
            it.module == "env" && ["abort", "trace", "seed", "console.log"].contains(&&*it.name)
        },
        cause: "it was built with AssemblyScript, whose host provides this function: build it with `--use abort=` (a trap \
                instead of a message) or with AssemblyScript's `wasi-shim`; or, for a runtime that has the function, use \
                `--allow-import env`",
    },
    Origin {
        is_one: |it| it.module == "env" && it.name == "memory",
        cause: "it was linked with `--import-memory`: link it without, so that it brings its own",
    },
    Origin {
        is_one: |it| it.module == WASI_PREVIEW_0,
        cause: "it was built for WASI preview 0, of 2019, which hardly any runtime has: build it with a current compiler, \
                for wasm32-wasip1 in Rust",
    },
    Origin {
        // Go renamed `go` to `gojs` in version 1.21.
        is_one: |it| it.module == "go" || it.module == "gojs",
        cause: "Go built it for the browser: build it with `GOOS=wasip1 GOARCH=wasm`",
    },
    Origin {
        is_one: |it| it.module.starts_with("wasi:"),
        cause: "it is the inner module of a component: give the component, or build for wasm32-wasip1",
    },
];

/// Returns the import by which the module's origin is recognized, and what to do.
pub(super) fn usual_cause<'a>(foreign: &[&'a Import]) -> Option<(&'a Import, &'static str)> {
    ORIGINS.iter().find_map(|origin| {
        let found = foreign.iter().find(|import| (origin.is_one)(import))?;
        Some((*found, origin.cause))
    })
}

/// Returns what to do about an import of unknown origin.
pub(super) fn other_cause(import: &Import) -> String {
    let (module, name) = (visible(&import.module), visible(&import.name));
    match import.module.as_str() {
        // LLVM's linker imports undefined symbols from `env`.
        "env" => format!(
            "`{name}` is declared (as by `extern \"C\"`) but was not linked: link the C library that has it, built for \
             wasm32-wasip1; or, if your runtime has it, use `--allow-import env`"
        ),
        _ => format!(
            "if your runtime does, allow it with `--allow-import {module}` or `allow-imports` in the settings"
        ),
    }
}

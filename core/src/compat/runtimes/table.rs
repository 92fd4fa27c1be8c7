//! The table of runtimes. `docs/runtimes.md` is generated from it, and says how to keep it up to date.

use super::{Support, Version};

/// All that runtimes are told apart by, from what every one has to what hardly any does: proposals by the names that a
/// report has them by, then parts of WASI.
pub const NEEDS: [&str; 26] = [
    "mutable-global",
    "sign-extension",
    "saturating-float-to-int",
    "multi-value",
    "bulk-memory-opt",
    "bulk-memory",
    "call-indirect-overlong",
    "reference-types",
    "simd",
    "extended-const",
    "tail-call",
    "relaxed-simd",
    "multi-memory",
    "memory64",
    "threads",
    "exceptions",
    "legacy-exceptions",
    "function-references",
    "gc",
    "wide-arithmetic",
    "custom-page-sizes",
    "stack-switching",
    "component-model",
    "cm-async",
    WASI,
    WASI_THREADS,
];

// Features that every runtime has, in every version in the table; listing them for each would hide the differences.
pub(super) const EVERYWHERE: [&str; 8] = [
    "mutable-global",
    "sign-extension",
    "saturating-float-to-int",
    "multi-value",
    "bulk-memory-opt",
    "bulk-memory",
    "call-indirect-overlong",
    "reference-types",
];

/// The need of a core module that imports from WASI preview 1.
pub(super) const WASI: &str = "wasi-preview-1";
/// The need of a core module that starts threads through
/// [wasi-threads](https://github.com/WebAssembly/wasi-threads).
pub(super) const WASI_THREADS: &str = "wasi-threads";

/// A runtime and its features.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) oldest: Version,
    pub(super) newest: Version,
    // In these versions, `tests/probes` were run. Each probe uses one proposal, and traps if it doesn't work.
    pub(super) measured: &'static [Version],
    /// The documents for the versions that were not measured.
    pub(super) sources: &'static [&'static str],
    /// Its features in addition to those that are [`EVERYWHERE`].
    pub(super) support: &'static [(&'static str, Support)],
}

const fn v(major: u16, minor: u16) -> Version {
    Version::new(major, minor)
}

/// Support in every version in the table.
pub(super) const ALWAYS: Support = from(0, 0);

/// From this version on.
const fn from(major: u16, minor: u16) -> Support {
    Support { from: Some(v(major, minor)), until: None, with: None }
}

/// From this version on; in older ones with an option.
const fn from_or(major: u16, minor: u16, with: &'static str) -> Support {
    Support { from: Some(v(major, minor)), until: None, with: Some(with) }
}

/// Only with an option.
const fn with(with: &'static str) -> Support {
    Support { from: None, until: None, with: Some(with) }
}

impl Support {
    /// Up to the version before this one.
    const fn until(self, major: u16, minor: u16) -> Support {
        Support { until: Some(v(major, minor)), ..self }
    }
}

/// The table that browsers and runtimes keep up to date themselves, at
/// <https://github.com/WebAssembly/website/blob/main/features.json>.
const FEATURE_TABLE: &str = "https://webassembly.org/features/";

// Browsers have no WASI of their own.
const POLYFILL: &str = "a WASI polyfill";

// The option of wasmtime for shared memories has had two names.
const THREADS: &str = "-W shared-memory, before 40 -W threads";

pub(super) const RUNTIMES: &[Known] = &[
    Known {
        // As distributed, with Cranelift: Winch has no tail calls, and a custom build may have less.
        name: "wasmtime",
        oldest: v(24, 0),
        newest: v(50, 0),
        measured: &[
            v(24, 0),
            v(25, 0),
            v(27, 0),
            v(28, 0),
            v(29, 0),
            v(30, 0),
            v(36, 0),
            v(39, 0),
            v(40, 0),
            v(42, 0),
            v(44, 0),
            v(45, 0),
            v(46, 0),
            v(47, 0),
            v(48, 0),
            v(49, 0),
            v(50, 0),
        ],
        sources: &[FEATURE_TABLE, "https://docs.wasmtime.dev/stability-wasm-proposals.html"],
        support: &[
            ("simd", ALWAYS),
            ("extended-const", from_or(25, 0, "-W extended-const")),
            ("tail-call", ALWAYS),
            ("relaxed-simd", ALWAYS),
            ("multi-memory", ALWAYS),
            ("memory64", from_or(30, 0, "-W memory64")),
            // Atomic instructions need no option in any version, but since 40 shared memories do.
            ("threads", from_or(27, 0, THREADS).until(40, 0)),
            ("exceptions", from_or(47, 0, "-W exceptions")),
            ("function-references", from_or(47, 0, "-W function-references")),
            ("gc", from_or(47, 0, "-W gc")),
            ("wide-arithmetic", from_or(49, 0, "-W wide-arithmetic")),
            ("custom-page-sizes", with("-W custom-page-sizes")),
            ("stack-switching", with("-W stack-switching")),
            ("component-model", ALWAYS),
            ("cm-async", from_or(46, 0, "-W component-model-async")),
            (WASI, ALWAYS),
            (WASI_THREADS, with("-S threads").until(47, 0)),
        ],
    },
    Known {
        // No `component-model`: WasmEdge reads components, but doesn't run them.
        name: "wasmedge",
        oldest: v(0, 14),
        newest: v(0, 17),
        measured: &[v(0, 14), v(0, 17)],
        sources: &["https://wasmedge.org/docs/start/wasmedge/extensions/proposals/"],
        support: &[
            ("simd", ALWAYS),
            ("extended-const", from_or(0, 16, "--enable-extended-const")),
            ("tail-call", from_or(0, 16, "--enable-tail-call")),
            ("relaxed-simd", from_or(0, 16, "--enable-relaxed-simd")),
            ("multi-memory", from_or(0, 16, "--enable-multi-memory")),
            ("memory64", from(0, 17)),
            ("threads", with("--enable-threads")),
            // Only in the interpreter.
            ("exceptions", from_or(0, 16, "--enable-exception-handling")),
            ("function-references", from_or(0, 16, "--enable-function-reference")),
            ("gc", from_or(0, 16, "--enable-gc")),
            (WASI, ALWAYS),
        ],
    },
    Known {
        // The features depend on the build; these are the defaults of `iwasm`.
        name: "wamr",
        oldest: v(2, 0),
        newest: v(2, 4),
        measured: &[],
        sources: &[
            "https://github.com/bytecodealliance/wasm-micro-runtime/blob/main/doc/build_wamr.md",
            "https://github.com/bytecodealliance/wasm-micro-runtime/blob/main/build-scripts/config_common.cmake",
        ],
        support: &[
            ("simd", ALWAYS),
            ("extended-const", with("a build with WAMR_BUILD_EXTENDED_CONST_EXPR=1")),
            ("tail-call", with("a build with WAMR_BUILD_TAIL_CALL=1")),
            ("multi-memory", with("a build with WAMR_BUILD_MULTI_MEMORY=1")),
            ("memory64", with("a build with WAMR_BUILD_MEMORY64=1")),
            ("threads", with("a build with WAMR_BUILD_SHARED_MEMORY=1")),
            ("legacy-exceptions", with("a build with WAMR_BUILD_EXCE_HANDLING=1")),
            ("function-references", with("a build with WAMR_BUILD_GC=1")),
            ("gc", with("a build with WAMR_BUILD_GC=1")),
            (WASI, ALWAYS),
            (WASI_THREADS, with("a build with WAMR_BUILD_LIB_WASI_THREADS=1")),
        ],
    },
    Known {
        name: "wasmer",
        oldest: v(4, 0),
        newest: v(7, 4),
        measured: &[],
        sources: &[
            FEATURE_TABLE,
            "https://docs.rs/wasmer-types/7.4.2/wasmer_types/struct.Features.html",
        ],
        support: &[
            ("simd", ALWAYS),
            ("extended-const", from(7, 1)),
            ("tail-call", from(7, 1)),
            ("relaxed-simd", from(7, 1)),
            ("multi-memory", from(7, 4)),
            ("threads", ALWAYS),
            ("exceptions", from(6, 0)),
            ("wide-arithmetic", from(7, 1)),
            (WASI, ALWAYS),
        ],
    },
    Known {
        name: "wasmi",
        oldest: v(1, 0),
        newest: v(2, 0),
        measured: &[v(2, 0)],
        sources: &[FEATURE_TABLE],
        support: &[
            ("simd", from_or(2, 0, "a build with the feature `simd`")),
            ("extended-const", ALWAYS),
            ("tail-call", ALWAYS),
            ("relaxed-simd", from_or(2, 0, "a build with the feature `simd`")),
            ("multi-memory", ALWAYS),
            ("memory64", ALWAYS),
            ("wide-arithmetic", ALWAYS),
            ("custom-page-sizes", ALWAYS),
            (WASI, ALWAYS),
        ],
    },
    Known {
        // Node 18 before 18.17, and Node 19, need `--experimental-wasi-unstable-preview1` for `node:wasi`.
        name: "node",
        oldest: v(18, 0),
        newest: v(26, 10),
        measured: &[
            v(18, 17),
            v(18, 20),
            v(20, 0),
            v(20, 20),
            v(21, 0),
            v(22, 0),
            v(22, 12),
            v(22, 23),
            v(24, 0),
            v(24, 21),
            v(25, 9),
            v(26, 10),
        ],
        sources: &[FEATURE_TABLE, "https://nodejs.org/api/wasi.html"],
        support: &[
            ("simd", ALWAYS),
            ("extended-const", from(21, 0)),
            ("tail-call", from(20, 0)),
            ("relaxed-simd", from(21, 0)),
            ("multi-memory", from(22, 0)),
            ("memory64", from_or(24, 0, "--experimental-wasm-memory64")),
            ("threads", ALWAYS),
            // The line that had it first. Older lines get newer proposals later: 22.22 runs exceptions and memory64.
            ("exceptions", from_or(24, 15, "--experimental-wasm-exnref")),
            ("legacy-exceptions", ALWAYS),
            ("function-references", from(22, 0)),
            ("gc", from(22, 0)),
            (WASI, ALWAYS),
        ],
    },
    Known {
        name: "chrome",
        oldest: v(110, 0),
        newest: v(156, 0),
        measured: &[v(156, 0)],
        sources: &[FEATURE_TABLE],
        support: &[
            ("simd", ALWAYS),
            ("extended-const", from(114, 0)),
            ("tail-call", from(112, 0)),
            ("relaxed-simd", from(114, 0)),
            ("multi-memory", from(120, 0)),
            ("memory64", from(133, 0)),
            ("threads", ALWAYS),
            ("exceptions", from(137, 0)),
            ("legacy-exceptions", ALWAYS),
            ("function-references", from(119, 0)),
            ("gc", from(119, 0)),
            ("wide-arithmetic", with("--js-flags=--wasm-wide-arithmetic")),
            (WASI, with(POLYFILL)),
        ],
    },
    Known {
        name: "firefox",
        oldest: v(115, 0),
        newest: v(159, 0),
        measured: &[v(159, 0)],
        sources: &[FEATURE_TABLE],
        support: &[
            ("simd", ALWAYS),
            ("extended-const", ALWAYS),
            ("tail-call", from(121, 0)),
            ("relaxed-simd", from(145, 0)),
            ("multi-memory", from(125, 0)),
            ("memory64", from(134, 0)),
            ("threads", ALWAYS),
            ("exceptions", from(131, 0)),
            ("legacy-exceptions", ALWAYS),
            ("function-references", from(120, 0)),
            ("gc", from(120, 0)),
            ("wide-arithmetic", from_or(159, 0, "javascript.options.wasm_wide_arithmetic")),
            (WASI, with(POLYFILL)),
        ],
    },
    Known {
        name: "safari",
        oldest: v(16, 0),
        newest: v(26, 2),
        measured: &[],
        sources: &[FEATURE_TABLE],
        support: &[
            ("simd", from(16, 4)),
            ("extended-const", from(17, 4)),
            ("tail-call", from(18, 2)),
            ("relaxed-simd", with("the JavaScriptCore option useWebAssemblyRelaxedSIMD")),
            ("threads", ALWAYS),
            ("exceptions", from(18, 4)),
            ("legacy-exceptions", ALWAYS),
            ("function-references", from(18, 0)),
            ("gc", from(18, 2)),
            ("wide-arithmetic", with("the JavaScriptCore option useWasmWideArithmetic")),
            (WASI, with(POLYFILL)),
        ],
    },
];

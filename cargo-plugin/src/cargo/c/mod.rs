//! C inside crates. Build scripts compile it with the crate [`cc`](https://docs.rs/cc), which needs a compiler for WASI.
//!
//! ```text
//! cargo build ─▶ build script ─cc─▶ wasm32-wasip1-clang ─▶ wasi-sdk, zig or clang
//!                                    a link to this program
//! ```
//!
//! We always give `cc` the same paths, those of the [`shims`]. A shim looks for a real compiler when a build script starts it
//! (see [`compiler_shim`]). So a build without C takes no longer, a crate that depends on `cc` without using it here builds
//! without a compiler, and a compiler that is installed or removed triggers no rebuild.
//!
//! The shims log failures ([`failure_log`]), so that the error at the end of the build names the crates.

pub mod compiler_shim;
pub mod failure_log;
pub mod shims;
pub mod toolchain;

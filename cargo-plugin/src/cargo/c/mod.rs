//! C inside crates: build scripts compile it with the crate [`cc`](https://docs.rs/cc), which has to be told of a
//! compiler for WASI.
//!
//! ```text
//! cargo build ─▶ build script ─cc─▶ wasm32-wasip1-clang ─▶ wasi-sdk, zig or clang
//!                                    a link to this program
//! ```
//!
//! What `cc` is told is always the same: the paths of [`links`]. Only the [`driver`] behind them looks for a
//! compiler, and it is only started where there is C to compile. So that a build without C, or with nothing to do,
//! takes no longer; a crate that has `cc` among its dependencies and does not need it here builds without a compiler;
//! and a compiler that comes or goes makes nothing build again.
//!
//! The driver knows whose build script it works for, and leaves [`notes`] of what failed.

pub mod choice;
pub mod compiler_shim;
pub mod failure_log;
pub mod shims;
pub mod toolchain;

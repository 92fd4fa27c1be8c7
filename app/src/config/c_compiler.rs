//! The setting `c-compiler`.

wasm_oci_core::named_enum! {
    /// The C compilers that `cc` may use for C inside crates.
    #[derive(Default)]
    pub enum Choice: "C compiler" {
        /// The first of the others that is found, in this order.
        #[default]
        Auto = "auto",
        /// <https://github.com/WebAssembly/wasi-sdk>: clang with a C library.
        WasiSdk = "wasi-sdk",
        /// <https://ziglang.org>: clang with a C library, and on PyPI.
        Zig = "zig",
        /// Any clang, with a wasi-libc from elsewhere.
        Clang = "clang",
        /// `cc` keeps its defaults. It reads `CC_wasm32_wasip1`, so other compilers need no setting of ours.
        Off = "off",
    }
}

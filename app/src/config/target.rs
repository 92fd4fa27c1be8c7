//! The setting `target`.

wasm_oci_core::named_enum! {
    /// A target of Rust's with a standard library on top of WASI, by rustc's name.
    #[derive(Default)]
    pub enum WasiTarget: "target" {
        /// Core modules, on WASI preview 1.
        #[default]
        Wasip1 = "wasm32-wasip1",
        /// Components, on WASI 0.2.
        Wasip2 = "wasm32-wasip2",
    }
}

impl WasiTarget {
    /// Returns its `target_env`: no other `cfg` differs between the targets.
    pub fn env(self) -> &'static str {
        match self {
            WasiTarget::Wasip1 => "p1",
            WasiTarget::Wasip2 => "p2",
        }
    }
}

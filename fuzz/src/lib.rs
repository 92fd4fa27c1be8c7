//! Code that the targets share.

pub mod image;

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use wasm_oci_core::module::BuiltModule;
use wasm_smith::{Config, Module};

/// Returns a valid module that uses some of all proposals. (wasm-smith also makes invalid components.)
///
/// # Errors
/// Fails if there are too few `bytes` for all choices.
pub fn valid_module(bytes: &[u8]) -> Result<BuiltModule> {
    let mut choices = Unstructured::new(bytes);
    let config = config(&mut choices)?;
    let bytes = Module::new(config, &mut choices)?.to_bytes();
    Ok(BuiltModule::new("fuzz.wasm", bytes).expect("it starts as a module does"))
}

fn config(choices: &mut Unstructured<'_>) -> Result<Config> {
    let mut config = Config::arbitrary(choices)?;
    config.extended_const_enabled = choices.arbitrary()?;
    config.wide_arithmetic_enabled = choices.arbitrary()?;
    config.custom_page_sizes_enabled = choices.arbitrary()?;
    config.custom_descriptors_enabled = config.gc_enabled && choices.arbitrary()?;
    Ok(config)
}

//! Compatibility: which engines start an image, and which runtimes take a module.

pub mod engines;
pub mod runtimes;

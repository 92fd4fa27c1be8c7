//! Compatibility: which engines start an image, and which runtimes take a module.

pub mod engines;
mod error;
pub mod runtimes;

use serde::Serialize;

pub use error::Error;

/// The degree to which an engine supports an image, or a runtime a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supports {
    /// It needs nothing but the image or module.
    Yes,
    /// The user has to pass an option or prepare something.
    WithOption,
    /// It fails.
    No,
}

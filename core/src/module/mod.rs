//! Modules: reading, optimizing, validating and measuring them.
//!
//! [`BuiltModule`] ─[`optimize`]→ [`OptimizedModule`] ─[`validate`]→ [`ValidatedModule`], which has a
//! [`Report`]. A value exists only if the steps before it succeeded.

#[cfg(feature = "optimize")]
mod binaryen;
mod built;
mod capabilities;
mod complexity;
mod defects;
mod difference;
mod error;
mod features;
mod function_order;
mod notes;
mod optimize;
mod options;
mod origin;
mod report;
mod sections;
mod size;
mod uses;
mod validate;
mod wasm_opt;

pub use built::BuiltModule;
pub use capabilities::Capability;
pub use difference::{Difference, DifferenceKind, first_difference};
pub use error::{OptimizeError, ReadError, ValidateError};
pub use features::Feature;
pub use optimize::{OptimizedModule, optimize, optimized_before};
pub use options::{DebugInfo, Level, OptimizeOptions, Optimizer};
pub use report::{Export, ExternalKind, Import, Kind, Limits, Report, SectionSize};
pub use size::{
    OTHER_LANGUAGES, PREAMBLE, SizeNode, SizeNodeKind, SizeReport, SizedFunction, SizedSection,
    SizedSegment, UNNAMED, function_names, readable_name,
};
pub use uses::{Function, Use};
use validate::WASI_PREVIEW_0;
pub use validate::{ValidateOptions, ValidatedModule, WASI_PREVIEW_1, validate};
pub use wasm_opt::WasmOpt;

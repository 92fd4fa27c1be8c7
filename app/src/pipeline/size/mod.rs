//! Sizes by name, comparable between two builds.

mod diff;
mod totals;

pub use self::diff::{Change, Diff};
pub use self::totals::Totals;

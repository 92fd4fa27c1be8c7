//! From a built module to images at their destinations.

pub mod budget;
pub mod engines;
pub mod gates;
pub mod messages;
pub mod optimize_cache;
pub mod packed;
pub mod size;
pub mod stages;
pub mod standalone;

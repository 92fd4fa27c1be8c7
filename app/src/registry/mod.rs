//! Sources and destinations of images, as users write them.

pub mod connection;
pub mod development;
pub mod read_limits;
pub mod source;

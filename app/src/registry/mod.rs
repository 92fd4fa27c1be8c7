//! Places that images are read from and written to, as users name them.

pub mod connection;
pub mod development;
pub mod read_limits;
pub mod source;

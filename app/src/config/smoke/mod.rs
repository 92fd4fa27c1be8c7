//! Smoke tests as users write them, in settings or in a file.

pub mod case;
pub mod read;

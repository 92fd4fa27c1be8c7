//! Inspection of modules, images and this machine.

pub mod check;
pub mod doctor;
pub mod size;

//! Manifests of Kubernetes and Compose, and the YAML they are written in.

pub mod manifests;
pub mod yaml;

//! Real components that images, modules and pages are given to: a registry, two versions of containerd, Node, a browser.
//!
//! Each is started by the test that needs it, on its own port or socket and in a temporary directory, and is gone
//! when the test ends. A component that is not installed fails the test and says how to get it: a test that was
//! skipped proves nothing.
#![allow(clippy::expect_used, reason = "a harness has nobody to return an error to")]

mod browser;
pub(crate) mod certs;
pub(crate) mod commands;
pub(crate) mod containerd;
pub(crate) mod cri;
pub(crate) mod daemon;
pub(crate) mod foreign;
pub(crate) mod node;
pub(crate) mod podman;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod run;
pub(crate) mod serving;
pub(crate) mod signals;
pub(crate) mod tokens;
pub(crate) mod tools;
pub(crate) mod tunnel;
pub(crate) mod umoci;

pub(crate) use browser::Browser;
pub(crate) use commands::{cargo_wasm_oci, wasm_oci};
pub(crate) use containerd::{Containerd, Version};
pub(crate) use cri::Pod;
pub(crate) use node::Node;
pub(crate) use podman::Podman;
pub(crate) use postgres::Postgres;
pub(crate) use registry::Registry;
pub(crate) use run::Run;
pub(crate) use serving::{Serving, signal};

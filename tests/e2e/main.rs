//! Both commands, from end to end, against real components.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod bad_input;
mod book;
mod c_code;
mod cargo;
mod components;
mod consumers;
mod docs;
mod exec;
mod golden;
mod harness;
mod hostile;
mod layouts;
mod optimizing;
mod real_crates;
mod reference;
mod registry;
mod running;
mod runtimes;
mod scaffolding;
mod serve;
mod size;
mod smoke;
mod templates;
mod watch;

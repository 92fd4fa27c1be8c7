//! Both commands, from end to end, against real components.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod audience;
mod action;
mod bad_input;
mod book;
mod book_commands;
mod c_code;
mod cargo;
mod check;
mod completions;
mod components;
mod compose;
mod consumers;
mod docs;
mod doctor;
mod elsewhere;
mod exec;
mod golden;
mod harness;
mod hostile;
mod hybrid;
mod kubernetes;
mod languages;
mod layouts;
mod optimizing;
mod real_crates;
mod reference;
mod registry;
mod release;
mod running;
mod runtimes;
mod serve;
mod size;
mod smoke;
mod watch;
mod yaml;

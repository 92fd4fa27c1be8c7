//! Operations that commands share.
//!
//! ```text
//! Request ─resolve→ BuildPlan ─compile→ Compiled ─package→ BuiltImages
//! ```

pub mod compile;
pub mod detect;
pub mod manifest_files;
pub mod package;
pub mod pin;
pub mod programs;
pub mod publish;
pub mod record;
pub mod references;
pub mod request;
pub mod resolve;
pub mod smoke_tests;
pub mod workloads;

use std::collections::BTreeSet;
use std::path::Path;

use wasm_oci_app::ui::shell::Shell;

use crate::cargo::env::CargoEnv;
use crate::cargo::git::{PendingRevision, Revision};
use crate::cargo::messages::Event;
use crate::error::Error;
use crate::ops::compile::{Compiled, compile};
use crate::ops::package::{BuiltImages, OptimizedProgram, optimize, package};
use crate::ops::request::Request;

/// Builds every selected program, and packs each into its layout.
pub async fn build(request: &Request, shell: &Shell) -> Result<Vec<BuiltImages>, Error> {
    let env = CargoEnv::from_process()?;
    let mut pending = None;
    // git answers while cargo builds. Two processes that start at once would wait for each other.
    let compiled = compiled(&env, request, shell, &mut || {
        let start = || PendingRevision::start(&env, &request.selection.folder(&env));
        pending.get_or_insert_with(start);
    })?;
    let known = compiled.workspace.target_dir().join("wasm-oci/.commit/commit.json");
    let revision = revision(pending.flatten(), Some(&known), Some(shell));
    package(request, &compiled, revision.as_ref(), shell).await
}

/// Waits for git. A repository that it can't read is a warning.
fn revision(
    pending: Option<PendingRevision>,
    cache: Option<&Path>,
    shell: Option<&Shell>,
) -> Option<Revision> {
    pending?.finish(cache).unwrap_or_else(|unreadable| {
        shell.inspect(|shell| shell.warn(unreadable));
        None
    })
}

/// Builds every selected program, and optimizes and validates its module as planned. Writes no image.
pub fn build_modules(request: &Request, shell: &Shell) -> Result<Vec<OptimizedProgram>, Error> {
    let env = CargoEnv::from_process()?;
    let compiled = compiled(&env, request, shell, &mut || {})?;
    optimize(request, compiled, shell)
}

/// Compiles, and shows progress and cargo's messages. Calls `meanwhile` once cargo has started.
fn compiled(
    env: &CargoEnv,
    request: &Request,
    shell: &Shell,
    meanwhile: &mut dyn FnMut(),
) -> Result<Compiled, Error> {
    let mut printed = Ok(());
    // A build with outdated cached metadata is planned twice.
    let mut said = BTreeSet::new();
    let compiled = compile(env, request, &mut |event| match event {
        Event::InstallingTarget { target, command } => {
            shell.status("Installing", format_args!("{target} ({command})"));
        }
        Event::Warning(text) => {
            if said.insert(text.to_owned()) {
                shell.warn(text);
            }
        }
        Event::Renamed(text) => {
            if said.insert(text.to_owned()) {
                shell.status("Renaming", text);
            }
        }
        Event::Building => meanwhile(),
        // After a failure, such as a closed pipe, cargo still finishes the build.
        Event::CargoMessage(line) if request.json && printed.is_ok() => {
            printed = shell.print_exactly(&format!("{line}\n"))
        }
        Event::CargoMessage(_) => {}
    })?;
    printed?;
    Ok(compiled)
}

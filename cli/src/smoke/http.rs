//! Smoke tests of programs that answer HTTP requests.

use std::path::Path;

use wasm_oci_core::run::{Engine, Program, RunOptions};

use super::case::{Case, Http};
use super::run::Outcome;

/// Starts the program as a server, sends it the request, and holds the answer against what is expected.
///
/// # Errors
/// When there is no telling: here, always, for programs can't be served yet.
pub(super) fn test(
    _engine: &Engine,
    program: &Program,
    _options: &RunOptions,
    _case: &Case,
    request: &Http,
    _root: &Path,
) -> Result<Outcome, String> {
    Err(format!(
        "`{}` would be sent {} {}, but tests with `http` can't be run by this version: take the test out",
        program.name(),
        request.method,
        request.path,
    ))
}

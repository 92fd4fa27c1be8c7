//! Smoke tests: runs a program as its image would run, and compares the results with expectations from settings or a file.
//!
//! ```text
//! smoke = [ … ] ─read→ Case… ─┐
//! image ─Prepared─────────────┴─Suite─test_all→ TestReport ─▶ lines, JSON, JUnit XML
//!                                      └ run: one test in a temporary folder; expect: compares the results
//! ```

mod expect;
mod http;
mod report;
mod run;

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use wasm_oci_core::run::{Engine, Limits};

use crate::config::args::TestArgs;
use crate::error::{Error, UsageError};
use crate::files::write;
use crate::run::run::{Prepared, engine};
use crate::ui::shell::Shell;

pub use crate::config::smoke::case::Case;
pub use expect::Mismatch;
pub use report::{FinishedTest, TestReport};
pub use run::{TestResult, TestStatus};

/// A program and its tests.
#[derive(Debug)]
pub struct Suite {
    /// Cargo package; only `cargo wasm-oci` sets it.
    pub package: Option<String>,
    pub name: String,
    pub program: Prepared,
    /// The unoptimized program. If present, each test runs on it too and fails unless both behave alike.
    pub reference: Option<Prepared>,
    pub cases: Vec<Case>,
}

impl Suite {
    /// Creates a suite named after the module.
    pub fn new(program: Prepared, cases: Vec<Case>) -> Suite {
        // A module that was just compiled has its whole path as its name.
        let name = program.program.name().rsplit(['/', '\\']).next().unwrap_or_default();
        let name = name.strip_suffix(".wasm").unwrap_or(name).to_owned();
        Suite { package: None, name, program, reference: None, cases }
    }
}

/// Returns an engine for smoke tests.
pub fn test_engine(shell: &Shell) -> Result<Engine, Error> {
    // Every smoke test has a time limit, and only code that was compiled for it can be interrupted.
    let limits = Limits { timeout: Some(Duration::MAX), ..Limits::default() };
    engine(&limits, false, shell)
}

/// Runs the tests that match the filters, and writes the reports that `args` and `json` select. Failed tests are not errors.
pub fn test<'a>(
    engine: &Engine,
    suites: &'a [Suite],
    args: &TestArgs,
    json: bool,
    shell: &Shell,
) -> Result<TestReport<'a>, Error> {
    let all: Vec<(&Suite, &Case)> =
        suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case))).collect();
    check_filters(&all, &args.filters)?;
    let is_selected = |case: &Case| {
        args.filters.is_empty()
            || args.filters.iter().any(|filter| case.name.contains(filter.as_str()))
    };
    let selected: Vec<_> = all.iter().copied().filter(|(_, case)| is_selected(case)).collect();
    if !selected.is_empty() {
        shell.status("Testing", format_args!("{} of {} smoke tests", selected.len(), all.len()));
    }
    let start = Instant::now();
    let threads =
        args.test_threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let tested = run_all(engine, &selected, threads, args.fail_fast, shell);
    let report = TestReport { skipped: all.len() - tested.len(), tested, time: start.elapsed() };
    report.show(shell);
    if json {
        report.print_json(shell)?;
    }
    // Also after a run without tests, because a CI system expects the file.
    if let Some(path) = &args.junit {
        let failed = |e| Error::Write { path: path.clone(), source: std::io::Error::other(e) };
        write(path, report.junit().map_err(failed)?.as_bytes())?;
    }
    Ok(report)
}

/// Runs all tests before a push. `suggestion` says how to push without them.
pub fn require(
    engine: &Engine,
    suites: &[Suite],
    suggestion: &'static str,
    json: bool,
    shell: &Shell,
) -> Result<(), Error> {
    let report = test(engine, suites, &TestArgs::default(), json, shell)?;
    match report.failed() {
        0 => Ok(()),
        failed => Err(Error::SmokeTests { failed, run: report.tested.len(), suggestion }),
    }
}

fn check_filters(all: &[(&Suite, &Case)], filters: &[String]) -> Result<(), Error> {
    // A filter that matches no test is probably a typo. Running nothing must not look like success.
    let names: Vec<&str> = all.iter().map(|(_, case)| case.name.as_str()).collect();
    match filters.iter().find(|filter| !names.iter().any(|name| name.contains(filter.as_str()))) {
        Some(filter) => {
            let known = names.iter().map(|&name| name.to_owned()).collect();
            Err(UsageError::NoSuchTest { filter: filter.clone(), known }.into())
        }
        None => Ok(()),
    }
}

/// Runs tests in parallel and reports each one as it ends. Returns the results in the order of the tests.
fn run_all<'a>(
    engine: &Engine,
    selected: &[(&'a Suite, &'a Case)],
    threads: usize,
    fail_fast: bool,
    shell: &Shell,
) -> Vec<FinishedTest<'a>> {
    // `Relaxed` is enough for both: results go through the channel, and no other data depends on them.
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    let mut tested: Vec<(usize, FinishedTest<'a>)> = Vec::new();
    thread::scope(|scope| {
        for _ in 0..threads.min(selected.len()) {
            let sender = sender.clone();
            let (next, stop, runtime) = (&next, &stop, Handle::current());
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Each thread takes the next test instead of a fixed share, because tests take different times.
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&(suite, case)) = selected.get(index) else { break };
                    let result = runtime.block_on(run::test(engine, suite, case));
                    if fail_fast && result.status != TestStatus::Passed {
                        stop.store(true, Ordering::Relaxed);
                    }
                    // The receiver lives until all threads have ended.
                    let _ = sender.send((index, FinishedTest { suite, case, result }));
                }
            });
        }
        // Without this, the loop below would wait for this sender forever.
        drop(sender);
        for (index, test) in receiver {
            test.show(shell);
            tested.push((index, test));
        }
    });
    // Tests end in any order, but reports should be the same each time.
    tested.sort_by_key(|(index, _)| *index);
    tested.into_iter().map(|(_, test)| test).collect()
}

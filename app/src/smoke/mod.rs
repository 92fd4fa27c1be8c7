//! Smoke tests: what a program in its image is to do, in settings or in a file, and whether it does it.
//!
//! ```text
//! smoke = [ … ] ─read→ Case… ─┐
//! image ─Prepared─────────────┴─Suite─test_all→ TestReport ─▶ lines, JSON, JUnit XML
//!                                      └ run: one test, in a temporary folder; expect: holds one against the other
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

use wasm_oci_core::run::{Engine, Limits};

use crate::config::args::TestArgs;
use crate::error::Error;
use crate::files::write;
use crate::run::run::{Prepared, engine};
use crate::ui::shell::Shell;

pub use crate::config::smoke::case::Case;
pub use expect::Mismatch;
pub use report::{FinishedTest, TestReport};
pub use run::{TestResult, TestStatus};

/// A program, and its tests.
#[derive(Debug)]
pub struct Suite {
    /// The package, for `cargo wasm-oci`.
    pub package: Option<String>,
    /// The program's name.
    pub name: String,
    /// The program.
    pub program: Prepared,
    /// The same program as it was built, before it was optimized. If it is there, each test runs on it, too, and fails
    /// unless both do the same.
    pub reference: Option<Prepared>,
    /// Its tests.
    pub cases: Vec<Case>,
}

impl Suite {
    /// The tests of a program in a file or an image.
    #[must_use]
    pub fn new(program: Prepared, cases: Vec<Case>) -> Suite {
        // A module that was just compiled is called by its whole path.
        let name = program.program().name().rsplit(['/', '\\']).next().unwrap_or_default();
        let name = name.strip_suffix(".wasm").unwrap_or(name).to_owned();
        Suite { package: None, name, program, reference: None, cases }
    }
}

/// The engine for programs that are tested: all of them have a limit of time.
///
/// # Errors
/// As [`running::engine`](engine).
pub fn test_engine(shell: &Shell) -> Result<Engine, Error> {
    let limits = Limits { timeout: Some(Duration::MAX), ..Limits::default() };
    engine(&limits, false, shell)
}

/// Runs the tests that are meant, says how each went, and writes what else was asked for.
///
/// # Errors
/// When a filter means no test, or a report can't be written. That tests fail is in the report.
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
    let is_meant = |case: &Case| {
        args.filters.is_empty()
            || args.filters.iter().any(|filter| case.name.contains(filter.as_str()))
    };
    let meant: Vec<_> = all.iter().copied().filter(|(_, case)| is_meant(case)).collect();
    if !meant.is_empty() {
        shell.status("Testing", format_args!("{} of {} smoke tests", meant.len(), all.len()));
    }
    let start = Instant::now();
    let threads =
        args.test_threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let tested = run_all(engine, &meant, threads, args.fail_fast, shell);
    let report = TestReport { skipped: all.len() - tested.len(), tested, time: start.elapsed() };
    report.show(shell);
    if json {
        report.print_json(shell)?;
    }
    if let Some(path) = &args.junit {
        let failed = |e| Error::Write { path: path.clone(), source: std::io::Error::other(e) };
        write(path, report.junit().map_err(failed)?.as_bytes())?;
    }
    Ok(report)
}

/// Runs all tests before a push, which is not to happen when one of them fails, unless by `suggestion`.
///
/// # Errors
/// [`Error::SmokeTests`] then, and as [`test()`].
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

/// A filter that means nothing is a slip, and must not look like success.
fn check_filters(all: &[(&Suite, &Case)], filters: &[String]) -> Result<(), Error> {
    let names: Vec<&str> = all.iter().map(|(_, case)| case.name.as_str()).collect();
    match filters.iter().find(|filter| !names.iter().any(|name| name.contains(filter.as_str()))) {
        Some(filter) if names.is_empty() => {
            Err(Error::Usage(format!("`{filter}` means no smoke test: there are none")))
        }
        Some(filter) => Err(Error::Usage(format!(
            "no smoke test has `{filter}` in its name: there are {}",
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ))),
        None => Ok(()),
    }
}

/// Runs tests in parallel, and tells of each when it ends. They come back in their own order.
fn run_all<'a>(
    engine: &Engine,
    meant: &[(&'a Suite, &'a Case)],
    threads: usize,
    fail_fast: bool,
    shell: &Shell,
) -> Vec<FinishedTest<'a>> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    let mut tested: Vec<(usize, FinishedTest<'a>)> = Vec::new();
    thread::scope(|scope| {
        for _ in 0..threads.min(meant.len()) {
            let sender = sender.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&(suite, case)) = meant.get(index) else { break };
                    let result = run::test(engine, suite, case);
                    if fail_fast && result.status != TestStatus::Passed {
                        stop.store(true, Ordering::Relaxed);
                    }
                    let _ = sender.send((index, FinishedTest { suite, case, result }));
                }
            });
        }
        drop(sender);
        for (index, test) in receiver {
            test.show(shell);
            tested.push((index, test));
        }
    });
    tested.sort_by_key(|(index, _)| *index);
    tested.into_iter().map(|(_, test)| test).collect()
}

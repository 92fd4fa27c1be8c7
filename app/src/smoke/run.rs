//! One smoke test.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use wasm_oci_core::error_chain;
use wasm_oci_core::fs::TemporaryFolder;
use wasm_oci_core::image::IncludedFile;
use wasm_oci_core::run::{Dir, Engine, Limits, RunOptions, Stdin, Streams, run};

use super::expect::{Expectation, Mismatch, Observed, differences};
use super::{Suite, http};
use crate::config::smoke::case::{Case, Expected, guest_path};
use crate::run::root::write_root;
use crate::run::run::{Prepared, exit_status};

/// Time limit of a test that sets no other.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Limit for the output of a test that sets no other, in bytes.
pub(super) const DEFAULT_OUTPUT: u64 = 16 << 20;

#[derive(Debug, Clone, Default)]
pub struct TestResult {
    pub status: TestStatus,
    /// Elapsed time of the program.
    pub time: Duration,
    /// Exit code that `run` would have; `None` for a program that did not start or that serves HTTP.
    pub exit_code: Option<u8>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TestStatus {
    #[default]
    Passed,
    Failed(Vec<Mismatch>),
    /// The test could not run: one of its files is missing, or the program can't be started.
    Error(String),
}

pub(super) fn limits(case: &Case) -> Limits {
    Limits {
        timeout: Some(case.timeout.unwrap_or(DEFAULT_TIMEOUT)),
        memory: case.memory,
        output: Some(case.max_output.unwrap_or(DEFAULT_OUTPUT)),
        ..Limits::default()
    }
}

pub(super) async fn test(engine: &Engine, suite: &Suite, case: &Case) -> TestResult {
    let attempt = async {
        // Reading the files that a program leaves takes time, so only a comparison does it.
        let compared = suite.reference.is_some();
        let (result, observed) = attempt(engine, &suite.program, case, compared).await?;
        let Some(reference) = &suite.reference else { return Ok(result) };
        compare(result, &observed, attempt(engine, reference, case, compared).await?.1)
    };
    attempt.await.unwrap_or_else(|reason| TestResult {
        status: TestStatus::Error(reason),
        ..TestResult::default()
    })
}

/// Adds the differences from the reference program to a result.
fn compare(
    result: TestResult,
    observed: &Observed,
    reference: Observed,
) -> Result<TestResult, String> {
    let mut mismatches = match result.status {
        TestStatus::Passed => Vec::new(),
        TestStatus::Failed(mismatches) => mismatches,
        TestStatus::Error(reason) => return Err(reason),
    };
    mismatches.extend(differences(&reference, observed));
    Ok(TestResult { status: status_of(mismatches), ..result })
}

/// Runs a program. Collects observations only if they will be `compared`.
async fn attempt(
    engine: &Engine,
    prepared: &Prepared,
    case: &Case,
    compared: bool,
) -> Result<(TestResult, Observed), String> {
    let root = root(prepared, case)?;
    let options = options(prepared, case, root.path())?;
    if let Some(request) = &case.http {
        let (result, mut observed) =
            http::test(engine, &prepared.program, &options, case, request, root.path()).await?;
        if compared {
            observe_files(root.path(), root.path(), case, &mut observed)?;
        }
        return Ok((result, observed));
    }
    // Read expected files first, so that a missing one is reported before the program runs.
    let stdout = case.stdout.as_ref().map(|expected| expectation(expected, case)).transpose()?;
    let stderr = case.stderr.as_ref().map(|expected| expectation(expected, case)).transpose()?;
    let start = Instant::now();
    let result = run(engine, &prepared.program, &options).await.map_err(|e| error_chain(&e))?;
    let time = start.elapsed();

    let mut mismatches = Vec::new();
    let (code, stopped) = exit_status(&result.exit_reason);
    let expected = case.exit_code.unwrap_or(0);
    if code != expected {
        mismatches.push(Mismatch::new(
            "exit-code",
            match stopped {
                Some(reason) => format!("the program was stopped: {reason}"),
                None => format!("the exit code is {code}, not {expected}"),
            },
        ));
    }
    for (what, expectation, actual) in
        [("stdout", stdout, &result.stdout), ("stderr", stderr, &result.stderr)]
    {
        mismatches.extend(expectation.into_iter().flat_map(|it| it.mismatches(what, actual)));
    }
    mismatches.extend(files_after(case, root.path())?);
    let mut observed = Observed::new();
    if compared {
        observed.insert("the exit code".to_owned(), code.to_string().into_bytes());
        for (what, expected, actual) in
            [("stdout", &case.stdout, &result.stdout), ("stderr", &case.stderr, &result.stderr)]
        {
            if !is_partial(expected.as_ref()) {
                observed.insert(what.to_owned(), actual.clone());
            }
        }
        observe_files(root.path(), root.path(), case, &mut observed)?;
    }
    let result = TestResult {
        status: status_of(mismatches),
        time,
        exit_code: Some(code),
        stdout: result.stdout,
        stderr: result.stderr,
    };
    Ok((result, observed))
}

// `--verify-behaviour` must not compare a value that changes with every run, such as a time. Users describe such a value by its
// parts, with `contains` or `matches`.
pub(super) fn is_partial(expected: Option<&Expected>) -> bool {
    expected.is_some_and(Expected::is_partial)
}

/// Adds the files in a folder of the program's `/` to the observations.
fn observe_files(
    folder: &Path,
    root: &Path,
    case: &Case,
    observed: &mut Observed,
) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("can't read a file that the program wrote: {e}");
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // A link that the program made may lead anywhere on this machine, so links are not followed.
        let metadata = path.symlink_metadata().map_err(failed)?;
        if metadata.is_dir() {
            observe_files(&path, root, case, observed)?;
        } else if metadata.is_file() {
            let name = path.strip_prefix(root).unwrap_or(&path);
            let expected = case
                .files_after
                .iter()
                .find(|(path, _)| guest_path(path).is_some_and(|it| Path::new(&it) == name));
            if !is_partial(expected.map(|(_, expected)| expected)) {
                let what = format!("the file `{}`", name.display());
                observed.insert(what, fs::read(&path).map_err(failed)?);
            }
        }
    }
    Ok(())
}

pub(super) fn status_of(mismatches: Vec<Mismatch>) -> TestStatus {
    if mismatches.is_empty() { TestStatus::Passed } else { TestStatus::Failed(mismatches) }
}

pub(super) fn expectation<'a>(
    expected: &'a Expected,
    case: &Case,
) -> Result<Expectation<'a>, String> {
    let Expected { contains, matches, .. } = expected;
    Ok(Expectation { whole: expected.whole(&case.folder)?, contains, matches })
}

/// Creates the folder that the program sees as `/`: the files of the image, overlaid with those of the test.
fn root(prepared: &Prepared, case: &Case) -> Result<TemporaryFolder, String> {
    let folder =
        TemporaryFolder::new().map_err(|e| format!("can't make a temporary folder: {e}"))?;
    // On top of the image's files, as another layer, so that links in the image lead nowhere else.
    let mut tree = prepared.files.clone();
    for (path, content) in &case.files {
        let files = match &content.from {
            Some(from) => IncludedFile::read(&case.folder.join(from), path),
            None => IncludedFile::new(path, content.bytes(&case.folder)?).map(|file| vec![file]),
        };
        files.map_err(|e| error_chain(&e))?.into_iter().for_each(|file| tree.put(file));
    }
    write_root(&tree, folder.path()).map_err(|e| error_chain(&e))?;
    Ok(folder)
}

fn options(prepared: &Prepared, case: &Case, root: &Path) -> Result<RunOptions, String> {
    // Writable, because the folder belongs to this test and is removed after it.
    let root = Dir { host: root.to_owned(), guest: "/".to_owned(), read_only: false };
    let own = case.env.iter().map(|(name, value)| (name.clone(), value.clone()));
    let stdin = case.stdin.as_ref().map(|content| content.bytes(&case.folder)).transpose()?;
    Ok(RunOptions {
        args: prepared.command(case.args.as_deref()),
        export: prepared.export.clone(),
        env: prepared.env.iter().cloned().chain(own).collect(),
        dirs: [root].into_iter().chain(case.dirs()?).collect(),
        // Never our own standard input: a test must not wait for somebody to type.
        stdin: Stdin::Bytes(stdin.unwrap_or_default()),
        streams: Streams::Capture,
        network: false,
        limits: limits(case),
    })
}

/// Returns every unmet expectation about files in the program's `/`.
pub(super) fn files_after(case: &Case, root: &Path) -> Result<Vec<Mismatch>, String> {
    let mut mismatches = Vec::new();
    for (path, expected) in &case.files_after {
        // Reading the settings checked the path.
        let host = root.join(guest_path(path).unwrap_or_default());
        let what = format!("the file `{path}`");
        match (read_inside(&host, root), expected.absent) {
            (Ok(bytes), false) => {
                mismatches.extend(expectation(expected, case)?.mismatches(&what, &bytes))
            }
            (Err(e), true) if e.kind() == ErrorKind::NotFound => {}
            (Err(e), false) if e.kind() == ErrorKind::NotFound => {
                mismatches.push(Mismatch::new(&what, format!("{what} is missing")));
            }
            (Ok(_), true) => mismatches.push(Mismatch::new(&what, format!("{what} exists"))),
            (Err(e), _) => {
                mismatches.push(Mismatch::new(&what, format!("{what} can't be read: {e}")))
            }
        }
    }
    Ok(mismatches)
}

/// Reads a file that is inside a folder.
fn read_inside(path: &Path, root: &Path) -> std::io::Result<Vec<u8>> {
    // The program may have made a link to any file of this machine, and a diff would show its content.
    let actual = fs::canonicalize(path)?;
    if !actual.starts_with(fs::canonicalize(root)?) {
        return Err(std::io::Error::other("it is a link to a file outside the program's folder"));
    }
    fs::read(actual)
}

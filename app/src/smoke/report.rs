//! Results of smoke tests: as text, as JSON, and as JUnit XML for CI systems.

use std::fmt::Write;
use std::time::Duration;

use anstyle::AnsiColor;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use wasm_oci_core::text::{barred, escaped};

use super::expect::{Mismatch, shortened};
use super::{Case, Suite, TestResult, TestStatus};
use crate::error::Error;
use crate::ui::shell::Shell;

/// Begins the lines of a program, which could otherwise be taken for ours.
const BAR: &str = "| ";

/// A test with its result.
#[derive(Debug)]
pub struct FinishedTest<'a> {
    pub suite: &'a Suite,
    pub case: &'a Case,
    pub result: TestResult,
}

/// The results of all tests.
#[derive(Debug)]
pub struct TestReport<'a> {
    /// Tests that ran, in their own order.
    pub tested: Vec<FinishedTest<'a>>,
    /// Number of tests that did not run.
    pub skipped: usize,
    pub time: Duration,
}

impl FinishedTest<'_> {
    fn passed(&self) -> bool {
        self.result.status == TestStatus::Passed
    }

    /// Prints the status line of the test.
    pub(super) fn show(&self, shell: &Shell) {
        let FinishedTest { suite, case, result } = self;
        let time = result.time.as_secs_f64();
        let line = format_args!("[{time:>8.3}s] {} {}", suite.name, case.name).to_string();
        match result.status {
            TestStatus::Passed => shell.status("PASS", line),
            TestStatus::Failed(_) => shell.failed("FAIL", line),
            TestStatus::Error(_) => shell.failed("ERROR", line),
        }
    }

    /// Returns all mismatches, one or more lines each.
    fn problems(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        match &self.result.status {
            TestStatus::Passed => {}
            TestStatus::Error(reason) => drop(writeln!(text, "{}", barred(reason))),
            TestStatus::Failed(mismatches) => {
                for Mismatch { message, detail, shows_actual, .. } in mismatches {
                    let _ = writeln!(text, "{message}");
                    // The lines of a diff have signs.
                    let bar = if *shows_actual { "" } else { BAR };
                    for line in detail.iter().flat_map(|detail| detail.lines()) {
                        let _ = writeln!(text, "    {bar}{line}");
                    }
                }
            }
        }
        text
    }

    /// Returns the output of the program that no diff shows.
    fn output(&self) -> String {
        let mut text = String::new();
        for (what, bytes) in [("stdout", &self.result.stdout), ("stderr", &self.result.stderr)] {
            // The diff of this stream already contains the actual text.
            let shown = matches!(&self.result.status, TestStatus::Failed(mismatches)
                if mismatches.iter().any(|it| it.what == what && it.shows_actual));
            if shown || bytes.is_empty() {
                continue;
            }
            // Writing to a String can't fail.
            let _ = writeln!(text, "{what}:");
            for line in shortened(&escaped(&String::from_utf8_lossy(bytes))).lines() {
                let _ = writeln!(text, "    {BAR}{line}");
            }
        }
        text
    }

    fn show_failure(&self, shell: &Shell) {
        let FinishedTest { suite, case, .. } = self;
        let color = |line: &str| match line.strip_prefix("    ").and_then(|it| it.chars().next()) {
            Some('-') => Some(AnsiColor::Red),
            Some('+') => Some(AnsiColor::Green),
            _ => None,
        };
        let (problems, output) = (self.problems(), self.output());
        let lines = problems.lines().chain(output.lines()).map(|line| (color(line), line));
        let message = format_args!("the smoke test `{}` of `{}` failed:", case.name, suite.name);
        shell.error_with(message, lines);
    }

    fn junit(&self) -> TestCase {
        let status = match &self.result.status {
            TestStatus::Passed => TestCaseStatus::success(),
            TestStatus::Failed(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            TestStatus::Error(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        let mut case = TestCase::new(self.case.name.as_str(), status);
        case.set_classname(self.suite.name.as_str()).set_time(self.result.time);
        if !self.passed() {
            let problems = self.problems();
            // CI systems show the message as a title; the description has the rest.
            case.status
                .set_message(problems.lines().next().unwrap_or_default().trim_end_matches(':'));
            case.status.set_type("smoke test").set_description(problems);
            case.set_system_out_lossy(&self.result.stdout)
                .set_system_err_lossy(&self.result.stderr);
        }
        case
    }

    fn message(&self) -> TestMessage<'_> {
        let FinishedTest { suite, case, result } = self;
        let (status, mismatches, error) = match &result.status {
            TestStatus::Passed => ("passed", None, None),
            TestStatus::Failed(mismatches) => ("failed", Some(mismatches.as_slice()), None),
            TestStatus::Error(reason) => ("error", None, Some(reason.as_str())),
        };
        let written = |bytes| (!self.passed()).then(|| String::from_utf8_lossy(bytes).into_owned());
        TestMessage {
            reason: "wasm-oci-test",
            package: suite.package.as_deref(),
            program: &suite.name,
            name: &case.name,
            outcome: status,
            seconds: result.time.as_secs_f64(),
            exit_code: result.exit_code,
            mismatches,
            error,
            stdout: written(&result.stdout),
            stderr: written(&result.stderr),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct TestMessage<'a> {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<&'a str>,
    program: &'a str,
    name: &'a str,
    outcome: &'static str,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatches: Option<&'a [Mismatch]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
}

#[derive(Serialize)]
struct SummaryMessage {
    reason: &'static str,
    run: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
    seconds: f64,
}

impl TestReport<'_> {
    pub fn failed(&self) -> usize {
        self.tested.iter().filter(|test| !test.passed()).count()
    }

    /// Prints the reasons of all failures and a summary.
    pub(super) fn show(&self, shell: &Shell) {
        if self.tested.is_empty() {
            return;
        }
        for test in self.tested.iter().filter(|test| !test.passed()) {
            test.show_failure(shell);
        }
        let (run, failed) = (self.tested.len(), self.failed());
        let tests = if run == 1 { "test" } else { "tests" };
        let mut line = format!(
            "[{:>8.3}s] {run} {tests} run: {} passed",
            self.time.as_secs_f64(),
            run - failed
        );
        for (count, what) in [(failed, "failed"), (self.skipped, "skipped")] {
            if count > 0 {
                // Writing to a String can't fail.
                let _ = write!(line, ", {count} {what}");
            }
        }
        if failed > 0 {
            shell.failed("Summary", line);
        } else {
            shell.status("Summary", line);
        }
    }

    /// Prints a line of JSON for each test and one for the summary.
    pub(super) fn print_json(&self, shell: &Shell) -> Result<(), Error> {
        for test in &self.tested {
            shell.print_json(&test.message())?;
        }
        let (run, failed) = (self.tested.len(), self.failed());
        shell.print_json(&SummaryMessage {
            reason: "wasm-oci-test-summary",
            run,
            passed: run - failed,
            failed,
            skipped: self.skipped,
            seconds: self.time.as_secs_f64(),
        })
    }

    /// Returns JUnit XML with a suite for each program.
    pub(super) fn junit(&self) -> Result<String, quick_junit::SerializeError> {
        let mut report = quick_junit::Report::new("wasm-oci");
        report.set_time(self.time);
        let mut tests = self.tested.iter().peekable();
        while let Some(first) = tests.next() {
            let mut suite = TestSuite::new(first.suite.name.as_str());
            let mut time = first.result.time;
            suite.add_test_case(first.junit());
            // By address, because programs of two packages may have the same name.
            while let Some(test) = tests.next_if(|test| std::ptr::eq(test.suite, first.suite)) {
                time += test.result.time;
                suite.add_test_case(test.junit());
            }
            suite.set_time(time);
            report.add_test_suite(suite);
        }
        // Jenkins' schema, the closest thing to a JUnit standard, does not allow `skipped` on the root element.
        Ok(report.to_string()?.replacen(" skipped=\"0\"", "", 1))
    }
}

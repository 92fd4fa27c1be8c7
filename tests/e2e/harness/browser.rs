//! Debian's Chromium without a window, for pages that are files or on this machine.

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;

use super::run::Run;
use super::tools;

/// Opens pages.
pub(crate) struct Browser;

impl Browser {
    /// Opens the page in a file, or at an address of `http`, and does what `script` says, the body of an asynchronous
    /// function. It has `page`, see `browser.mjs`. What it returns is the answer.
    #[track_caller]
    pub(crate) fn run(place: impl AsRef<OsStr>, script: &str) -> Value {
        let profile = tempfile::tempdir().expect("a temporary directory can be made");
        let mut command = Command::new(tools::program("node"));
        command.args(["--input-type=module", "--eval", include_str!("browser.mjs"), "--"]);
        command.args([tools::program("chromedriver"), tools::program("chromium")]);
        command.arg(profile.path()).arg(place).arg(script);
        let answer = Run::of(&mut command).success().stdout;
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

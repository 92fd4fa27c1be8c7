//! The types of smoke tests. Their comments are the descriptions in the [`schema`], too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use wasm_oci_core::run::Dir;

use crate::config::schema;

/// A smoke test: one run of a program and its expected results. Keys have hyphens, as in TOML.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub struct Case {
    /// Name of the test, unique among the tests of a program.
    pub name: String,
    /// Arguments, replacing those of the image.
    pub args: Option<Vec<String>>,
    /// Environment variables, added to those of the image.
    pub env: BTreeMap<String, String>,
    /// Standard input (default: empty).
    #[schemars(schema_with = "schema::content")]
    pub stdin: Option<Content>,
    /// Read-only folders for the program, in the form `HOST::GUEST`.
    pub dirs: Vec<String>,
    /// Files to create in the program's `/` before the test.
    #[schemars(schema_with = "schema::contents")]
    pub files: BTreeMap<String, Content>,
    /// Time limit for the program.
    #[serde(deserialize_with = "time")]
    #[schemars(with = "String", extend("examples" = ["5s", "500ms"]))]
    pub timeout: Option<Duration>,
    /// Memory limit for the program, in bytes.
    #[serde(deserialize_with = "size")]
    #[schemars(with = "String", extend("examples" = ["64MiB", "1000000"]))]
    pub memory: Option<u64>,
    /// Limit for standard output and standard error together, in bytes.
    #[serde(deserialize_with = "size")]
    #[schemars(with = "String", extend("examples" = ["64MiB", "1000000"]))]
    pub max_output: Option<u64>,
    /// Expected exit code, the one that `run` would have (default: 0).
    pub exit_code: Option<u8>,
    /// Expected standard output.
    #[schemars(schema_with = "schema::expected")]
    pub stdout: Option<Expected>,
    /// Expected standard error.
    #[schemars(schema_with = "schema::expected")]
    pub stderr: Option<Expected>,
    /// Expected files in the program's `/` after the test.
    #[schemars(schema_with = "schema::all_expected")]
    pub files_after: BTreeMap<String, Expected>,
    /// HTTP request to send to a program that serves HTTP, and the expected response.
    pub http: Option<Http>,
    /// Folder that relative paths start from.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Input for a program: a text, or the bytes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Content {
    /// Text.
    pub text: Option<String>,
    /// Path of a file; in `files`, also of a folder.
    pub from: Option<PathBuf>,
}

/// Expectations about an output or a file. All of them must hold; without any, everything passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Expected {
    /// Exact text.
    pub equals: Option<String>,
    /// Path of a file with the exact content.
    pub from: Option<PathBuf>,
    /// Texts that must all occur.
    #[schemars(schema_with = "schema::texts")]
    pub contains: Vec<String>,
    /// Regular expressions that must all match somewhere.
    #[schemars(schema_with = "schema::texts")]
    pub matches: Vec<String>,
    /// The file or header must not exist.
    pub absent: bool,
}

impl Expected {
    /// Returns true if only parts are fixed, so that the rest may differ from run to run.
    pub(crate) fn is_partial(&self) -> bool {
        // Without `..`, so that a new key does not compile until somebody decides what it means here.
        let Expected { equals, from, contains, matches, absent: _ } = self;
        equals.is_none() && from.is_none() && !(contains.is_empty() && matches.is_empty())
    }
}

/// An HTTP request and its expected response.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Http {
    /// Method.
    pub method: String,
    /// Path, with the query if there is one.
    pub path: String,
    /// Request headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[schemars(schema_with = "schema::content")]
    pub body: Option<Content>,
    /// Expected response.
    pub answer: Answer,
}

/// The expected response to an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Answer {
    /// Expected status code.
    pub status: u16,
    /// Expected headers.
    #[schemars(schema_with = "schema::all_expected")]
    pub headers: BTreeMap<String, Expected>,
    /// The body.
    #[schemars(schema_with = "schema::expected")]
    pub body: Option<Expected>,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            body: None,
            answer: Answer::default(),
        }
    }
}

impl Default for Answer {
    fn default() -> Answer {
        Answer { status: 200, headers: BTreeMap::new(), body: None }
    }
}

impl Case {
    pub fn dirs(&self) -> Result<Vec<Dir>, String> {
        let dir = |text: &String| {
            let dir: Dir = text.parse().map_err(|e| format!("the folder `{text}`: {e}"))?;
            if dir.guest.trim_end_matches('/').is_empty() {
                return Err("`/` is the test's own folder; to add files to it, use `files = { \"/\" = { from = \
                            \"FOLDER\" } }`"
                    .to_owned());
            }
            // Read-only, because these folders are the user's own, and tests run in parallel.
            Ok(Dir { host: self.folder.join(dir.host), read_only: true, ..dir })
        };
        self.dirs.iter().map(dir).collect()
    }

    /// Checks everything that the types don't rule out.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.name.contains(char::is_control) {
            return Err("a smoke test needs a `name` on one line".to_owned());
        }
        self.dirs()?;
        for (path, content) in &self.files {
            // A folder may be mounted as `/` itself; a file may not.
            let is_folder = content.from.is_some();
            guest_path(path)
                .filter(|path| is_folder || !path.is_empty())
                .ok_or_else(|| no_path(path))?;
            content.check(path)?;
        }
        if let Some(stdin) = &self.stdin {
            stdin.check("stdin")?;
        }
        for (path, expected) in &self.files_after {
            guest_path(path).filter(|path| !path.is_empty()).ok_or_else(|| no_path(path))?;
            expected.check(path, true)?;
        }
        for (key, expected) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            expected.as_ref().map_or(Ok(()), |expected| expected.check(key, false))?;
        }
        // A server has no arguments, streams or exit code for each request.
        let Some(http) = &self.http else { return Ok(()) };
        let of_commands = self.args.is_some() || self.stdin.is_some() || self.exit_code.is_some();
        if of_commands || self.stdout.is_some() || self.stderr.is_some() {
            return Err(
                "`http` can't be combined with `args`, `stdin`, `exit-code`, `stdout` or `stderr`"
                    .to_owned(),
            );
        }
        if !http.path.starts_with('/') {
            return Err(format!("the path `{}` doesn't start with `/`", http.path));
        }
        // A response may lack a header, but always has a body.
        http.body.as_ref().map_or(Ok(()), |body| body.check("body"))?;
        http.answer.body.as_ref().map_or(Ok(()), |body| body.check("body", false))?;
        http.answer.headers.iter().try_for_each(|(name, expected)| expected.check(name, true))
    }
}

impl Content {
    fn check(&self, key: &str) -> Result<(), String> {
        match (&self.text, &self.from) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err(format!("`{key}` needs either `text` or `from`")),
        }
    }

    pub fn bytes(&self, folder: &Path) -> Result<Vec<u8>, String> {
        match &self.from {
            Some(path) => read(&folder.join(path)),
            None => Ok(self.text.clone().unwrap_or_default().into_bytes()),
        }
    }
}

impl Expected {
    fn check(&self, key: &str, may_be_absent: bool) -> Result<(), String> {
        let else_than_absent = Expected { absent: false, ..self.clone() } != Expected::default();
        if self.absent && !may_be_absent {
            return Err(format!("`absent` can't be used for `{key}`, which always exists"));
        }
        if self.absent && else_than_absent {
            return Err(format!("`{key}` can't have other expectations next to `absent`"));
        }
        if self.equals.is_some() && self.from.is_some() {
            return Err(format!("`{key}` can have `equals` or `from`, not both"));
        }
        // Every build reads the settings, and parsing a pattern takes much less time than compiling it.
        let invalid = |pattern: &String| {
            let error = regex_syntax::parse(pattern).err()?;
            Some(format!("`{key}`: `{pattern}` is not a valid regular expression: {error}"))
        };
        self.matches.iter().find_map(invalid).map_or(Ok(()), Err)
    }

    /// Returns the exact content, if that is expected.
    pub fn whole(&self, folder: &Path) -> Result<Option<Vec<u8>>, String> {
        match (&self.equals, &self.from) {
            (Some(text), _) => Ok(Some(text.clone().into_bytes())),
            (None, Some(path)) => read(&folder.join(path)).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// Returns a path relative to the program's `/`, or `None` if it leads outside.
pub(crate) fn guest_path(path: &str) -> Option<String> {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    // Windows reads `\` as a separator, too, and no system has a NUL in a path.
    (!parts.contains(&"..") && !path.contains(['\0', '\\'])).then(|| parts.join("/"))
}

fn no_path(path: &str) -> String {
    format!("`{path}` is not the path of a file in the program's `/`")
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("can't read `{}`: {e}", path.display()))
}

/// Reads a duration such as `5s` or `500ms`.
fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let invalid = |e| {
        let reason = format!("`{text}` is not a duration ({e}); write it as `5s` or `500ms`");
        serde::de::Error::custom(reason)
    };
    humantime::parse_duration(&text).map(Some).map_err(invalid)
}

/// Reads a size such as `64MiB` or `1000000`.
fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(from)?;
    let invalid = |e| {
        let reason = format!("`{text}` is not a size ({e}); write it as `64MiB` or `1000000`");
        serde::de::Error::custom(reason)
    };
    text.parse::<ByteSize>().map(|size| Some(size.as_u64())).map_err(invalid)
}

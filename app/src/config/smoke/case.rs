//! What a smoke test is, as it stands in settings or in a file of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasm_oci_core::run::Dir;

use crate::config::schema;

/// One run of a program, and what is expected of it. As in TOML, names have hyphens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub struct Case {
    /// What it is called; no other test of the program is called so.
    pub name: String,
    /// The arguments, instead of the image's own.
    pub args: Option<Vec<String>>,
    /// Environment variables, added to the image's.
    pub env: BTreeMap<String, String>,
    /// Standard input; nothing if not given.
    #[schemars(schema_with = "schema::content")]
    pub stdin: Option<Content>,
    /// Folders that the program sees, as `HOST::GUEST`. It can't change them.
    pub dirs: Vec<String>,
    /// Files that are there before, in the folder that the program sees as `/`.
    #[schemars(schema_with = "schema::contents")]
    pub files: BTreeMap<String, Content>,
    /// The time that the program may take.
    #[serde(with = "time")]
    #[schemars(with = "String", extend("examples" = ["5s", "500ms"]))]
    pub timeout: Option<Duration>,
    /// The memory that it may use, in bytes.
    #[serde(with = "size")]
    #[schemars(with = "String", extend("examples" = ["64MiB", "1000000"]))]
    pub memory: Option<u64>,
    /// What it may write to standard output and error, in bytes.
    #[serde(with = "size")]
    #[schemars(with = "String", extend("examples" = ["64MiB", "1000000"]))]
    pub max_output: Option<u64>,
    /// How it has to end: the code that `run` would end with. 0 if not given.
    pub exit_code: Option<u8>,
    /// What is expected on standard output.
    #[schemars(schema_with = "schema::expected")]
    pub stdout: Option<Expected>,
    /// What is expected on standard error.
    #[schemars(schema_with = "schema::expected")]
    pub stderr: Option<Expected>,
    /// What is expected of files in the program's `/`, afterwards.
    #[schemars(schema_with = "schema::all_expected")]
    pub files_after: BTreeMap<String, Expected>,
    /// A request to a program that answers HTTP, and the answer that is expected.
    pub http: Option<Http>,
    /// The folder that its paths start at.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What is given to a program: a text, or the bytes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Content {
    /// The text itself.
    pub text: Option<String>,
    /// The file that holds it; in `files` also a folder.
    pub from: Option<PathBuf>,
}

/// What is expected of an output or a file. All of it has to be so; nothing at all is anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Expected {
    /// It is this text.
    pub equals: Option<String>,
    /// It is what is in this file.
    pub from: Option<PathBuf>,
    /// Each of these is in it.
    #[schemars(schema_with = "schema::texts")]
    pub contains: Vec<String>,
    /// Each of these regular expressions matches somewhere in it.
    #[schemars(schema_with = "schema::texts")]
    pub matches: Vec<String>,
    /// It is not there.
    pub absent: bool,
}

impl Expected {
    /// Whether only some of it is known beforehand: the rest may be another each time.
    pub(crate) fn is_partial(&self) -> bool {
        let Expected { equals, from, contains, matches, absent: _ } = self;
        equals.is_none() && from.is_none() && !(contains.is_empty() && matches.is_empty())
    }
}

/// An HTTP request, and the answer that is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Http {
    /// The method.
    pub method: String,
    /// The path, with the query if there is one.
    pub path: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[schemars(schema_with = "schema::content")]
    pub body: Option<Content>,
    /// What is expected.
    pub answer: Answer,
}

/// The answer that is expected to an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers.
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
    /// The folders that the program sees.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn dirs(&self) -> Result<Vec<Dir>, String> {
        let dir = |text: &String| {
            let dir: Dir = text.parse().map_err(|e| format!("the folder `{text}`: {e}"))?;
            if dir.guest.trim_end_matches('/').is_empty() {
                return Err("`/` is the test's own folder: put into it what is wanted there, as `files = { \"/\" = { \
                            from = \"FOLDER\" } }`"
                    .to_owned());
            }
            Ok(Dir { host: self.folder.join(dir.host), read_only: true, ..dir })
        };
        self.dirs.iter().map(dir).collect()
    }

    /// What makes no sense in it.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.name.trim().is_empty() || self.name.contains(char::is_control) {
            return Err("it needs a name, of one line".to_owned());
        }
        self.dirs()?;
        for (path, content) in &self.files {
            // A folder may be all there is.
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
        let Some(http) = &self.http else { return Ok(()) };
        let of_commands = self.args.is_some() || self.stdin.is_some() || self.exit_code.is_some();
        if of_commands || self.stdout.is_some() || self.stderr.is_some() {
            return Err("a program that answers HTTP takes no `args` and `stdin`, and has no `exit-code`, `stdout` and \
                        `stderr` to look at"
                .to_owned());
        }
        if !http.path.starts_with('/') {
            return Err(format!("the path `{}` doesn't start with `/`", http.path));
        }
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

    /// The bytes.
    ///
    /// # Errors
    /// When they are in a file that can't be read.
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
            return Err(format!("`{key}` is always there: `absent` makes no sense for it"));
        }
        if self.absent && else_than_absent {
            return Err(format!("of `{key}`, which is to be absent, nothing else can be expected"));
        }
        if self.equals.is_some() && self.from.is_some() {
            return Err(format!("`{key}` can equal one thing: `equals` or `from`"));
        }
        let invalid = |pattern: &String| {
            let error = regex_syntax::parse(pattern).err()?;
            Some(format!("`{key}`: `{pattern}` is no regular expression: {error}"))
        };
        self.matches.iter().find_map(invalid).map_or(Ok(()), Err)
    }

    /// What it has to be as a whole, if that is expected.
    ///
    /// # Errors
    /// When that is in a file that can't be read.
    pub fn whole(&self, folder: &Path) -> Result<Option<Vec<u8>>, String> {
        match (&self.equals, &self.from) {
            (Some(text), _) => Ok(Some(text.clone().into_bytes())),
            (None, Some(path)) => read(&folder.join(path)).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// A path in the program's `/`, relative to that, unless it leads out of it.
pub(crate) fn guest_path(path: &str) -> Option<String> {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    (!parts.contains(&"..") && !path.contains(['\0', '\\'])).then(|| parts.join("/"))
}

fn no_path(path: &str) -> String {
    format!("`{path}` is no path of a file in the program's `/`")
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("can't read `{}`: {e}", path.display()))
}

/// `5s`, `500ms`.
mod time {
    use super::*;

    pub(super) fn deserialize<'de, D>(from: D) -> Result<Option<Duration>, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        let text = String::deserialize(from)?;
        let invalid = |e| serde::de::Error::custom(format!("`{text}` is no time, as `5s` is: {e}"));
        humantime::parse_duration(&text).map(Some).map_err(invalid)
    }

    pub(super) fn serialize<S>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        time.map(|time| humantime::format_duration(time).to_string()).serialize(to)
    }
}

/// `64MiB`, `1000000`.
mod size {
    use super::*;

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<u64>, D::Error> {
        let text = String::deserialize(from)?;
        let invalid =
            |e| serde::de::Error::custom(format!("`{text}` is no size, as `64MiB` is: {e}"));
        text.parse::<ByteSize>().map(|size| Some(size.as_u64())).map_err(invalid)
    }

    pub(super) fn serialize<S: serde::Serializer>(
        size: &Option<u64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        size.map(|size| size.to_string()).serialize(to)
    }
}

//! What a program is given.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::Limits;

/// What a program is given. Nothing else of the host is visible to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The arguments, the program's name first.
    pub args: Vec<String>,
    /// The function of a core module to call instead of its entry point; it takes and returns nothing. One of a library
    /// is called after `_initialize`, if that is there.
    pub export: Option<String>,
    /// The environment variables; a later one replaces an earlier one of the same name.
    pub env: Vec<(String, String)>,
    /// The folders.
    pub dirs: Vec<Dir>,
    /// Where standard input comes from.
    pub stdin: Stdin,
    /// Where standard output and standard error go.
    pub streams: Streams,
    /// Components may open connections, listen, look names up, and send HTTP requests.
    pub network: bool,
    /// What the program may use up.
    pub limits: Limits,
}

/// Where a program's standard input comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stdin {
    /// This process's own.
    #[default]
    Inherit,
    /// A file.
    File(PathBuf),
    /// These bytes, and then the end.
    Bytes(Vec<u8>),
}

/// Where a program's standard output and standard error go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Streams {
    /// To this process's own.
    #[default]
    Inherit,
    /// Into the [`Outcome`](super::Outcome).
    Capture,
}

/// A folder of the host that a program sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir {
    /// Where it is.
    pub host: PathBuf,
    /// Where the program sees it.
    pub guest: String,
    /// The program may read but not change it.
    pub read_only: bool,
}

impl fmt::Display for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read_only = if self.read_only { ":ro" } else { "" };
        write!(f, "{}::{}{read_only}", self.host.display(), self.guest)
    }
}

impl FromStr for Dir {
    type Err = String;

    /// `HOST[::GUEST][:ro]`; without a guest's path, it has the host's.
    fn from_str(text: &str) -> Result<Dir, String> {
        let (text, read_only) = text.strip_suffix(":ro").map_or((text, false), |text| (text, true));
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        if host.is_empty() || guest.is_empty() {
            return Err("write HOST, HOST::GUEST or HOST::GUEST:ro".to_owned());
        }
        Ok(Dir { host: host.into(), guest: guest.to_owned(), read_only })
    }
}

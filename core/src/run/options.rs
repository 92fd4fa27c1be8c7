//! Options of a run.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::Limits;

/// Options of a run. The program can see nothing else of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Arguments, beginning with the program's name.
    pub args: Vec<String>,
    /// Function of a core module to call instead of its entry point. It has no parameters and no results. If the module
    /// exports `_initialize`, that is called first.
    pub export: Option<String>,
    /// Environment variables. Of two with the same name, the later one counts.
    pub env: Vec<(String, String)>,
    /// Folders of the host that the program can see.
    pub dirs: Vec<Dir>,
    /// Source of standard input.
    pub stdin: Stdin,
    /// Destination of standard output and standard error.
    pub streams: Streams,
    /// True if a component may open connections, listen, resolve names and send HTTP requests.
    pub network: bool,
    /// Limits of the program.
    pub limits: Limits,
}

/// Source of a program's standard input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Standard input of this process.
    #[default]
    Inherit,
    /// A file, pipe or device.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Destination of a program's standard output and standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Streams {
    /// The streams of this process.
    #[default]
    Inherit,
    /// The [`Outcome`](super::Outcome).
    Capture,
}

/// Folder of the host that a program can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir {
    /// Path on the host.
    pub host: PathBuf,
    /// Path inside the sandbox.
    pub guest: String,
    /// True if the program may not change the folder.
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

    /// Parses `HOST[::GUEST][:ro]`. GUEST defaults to HOST.
    fn from_str(text: &str) -> Result<Dir, String> {
        let (text, read_only) = text.strip_suffix(":ro").map_or((text, false), |text| (text, true));
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        if host.is_empty() || guest.is_empty() {
            return Err("use HOST, HOST::GUEST or HOST::GUEST:ro".to_owned());
        }
        Ok(Dir { host: host.into(), guest: guest.to_owned(), read_only })
    }
}

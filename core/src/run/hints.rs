//! Hints about permissions that a failed program seems to have missed.
//!
//! WASI reports a missing permission with an ordinary error code, and the program decides how to handle it. So we can only
//! search its standard error for the messages of Rust's standard library and of wasi-libc.

use std::fmt;

use super::{Dir, EntryKind, ExitReason, RunOptions};

/// Permission that a program seems to have missed. Its text names the option that grants it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// Access to this path, which is in none of the program's folders.
    Folder(Option<String>),
    /// A write to a read-only folder.
    ReadOnly,
    /// An environment variable.
    Variable,
    /// The network, for a component: connections or HTTP requests.
    Network,
    /// Threads, processes or new connections, which WASI preview 1 doesn't have.
    Unsupported,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::Folder(Some(path)) => {
                let folder = match path.rsplit_once('/') {
                    Some(("", _)) => "/",
                    Some((folder, _)) => folder,
                    None => ".",
                };
                write!(
                    f,
                    "`{path}` is outside the folders that the program can see; add one with --dir {folder}"
                )
            }
            Hint::Folder(None) => {
                write!(
                    f,
                    "the program can see only the folders that you give it; add one with --dir FOLDER"
                )
            }
            Hint::ReadOnly => {
                write!(
                    f,
                    "the program may only read its folders; omit `:ro` from --dir to let it write"
                )
            }
            Hint::Variable => {
                write!(
                    f,
                    "the program can see only the environment variables that you give it; add one with --env NAME[=VALUE]"
                )
            }
            Hint::Network => {
                write!(f, "the program has no access to the network; grant it with --net")
            }
            Hint::Unsupported => write!(
                f,
                "WASI preview 1 has no threads, processes or new connections; a component (wasm32-wasip2) can open \
                 connections"
            ),
        }
    }
}

/// Returns hints for a failed program. `refused_request` is true if it tried to send an HTTP request.
pub(super) fn hints(
    exit_reason: &ExitReason,
    entry: EntryKind,
    stderr: &[u8],
    refused_request: bool,
    options: &RunOptions,
) -> Vec<Hint> {
    // A limit is the whole reason: the program did not miss a permission.
    if matches!(exit_reason, ExitReason::Exit(0) | ExitReason::Limit(_)) {
        return Vec::new();
    }
    let words = String::from_utf8_lossy(stderr);
    let says = |sentence: &str| words.contains(sentence);
    // Rust's `Display` and `Debug` of an `io::Error`. The numbers are those of WASI preview 1's `errno`
    // (https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md#errno): 44 is `noent`, 58 `notsup`,
    // 63 `perm`, 69 `rofs`, 76 `notcapable`.
    let has_number = |number: u32| {
        says(&format!("(os error {number})")) || says(&format!("Os {{ code: {number},"))
    };
    let mut hints = Vec::new();
    let outside = has_number(76) || says("Capabilities insufficient");
    let refused = has_number(63)
        || has_number(69)
        || says("Operation not permitted")
        || says("Read-only file system");
    if let Some(path) =
        between(&words, "pre-opened file descriptor through which \"", "\" could be opened")
    {
        hints.push(Hint::Folder(Some(path.to_owned())));
    } else if has_number(44) || says("No such file or directory") {
        // A missing file is about permissions only if it can't be in one of the program's folders.
        let path = path_outside(&words, &options.dirs);
        if path.is_some() || options.dirs.is_empty() {
            hints.push(Hint::Folder(path));
        }
    } else if refused && options.dirs.iter().any(|dir| dir.read_only) {
        hints.push(Hint::ReadOnly);
    } else if outside || (refused && entry == EntryKind::Module) {
        hints.push(Hint::Folder(None));
    }
    let unset = ["not set", "must be set", "missing", "required", "undefined"];
    let asks_for_variable = |line: &str| {
        line.contains("environment variable") && unset.iter().any(|it| line.contains(it))
    };
    if says("NotPresent")
        || says("environment variable not found")
        || words.lines().any(asks_for_variable)
    {
        hints.push(Hint::Variable);
    }
    let denied = ["access-denied", "AccessDenied", "Permission denied", "PermissionDenied"];
    // Preview 1 has no functions to connect with, so `--net` would not help a core module.
    let may_connect = options.network || entry != EntryKind::Component;
    // A denied file can have the same message. It has its hint already.
    let is_denied = denied.into_iter().any(says) && hints.is_empty();
    if refused_request || (!may_connect && is_denied) {
        hints.push(Hint::Network);
    }
    if has_number(58) || says("not supported on this platform") {
        hints.push(Hint::Unsupported);
    }
    hints
}

/// Returns an absolute path in the text that is in none of the program's folders.
fn path_outside(words: &str, dirs: &[Dir]) -> Option<String> {
    // A panic names a source file of the machine on which the program was built.
    let lines = words.lines().filter(|line| !line.contains("panicked at"));
    let words = lines.flat_map(str::split_whitespace);
    let mut paths = words.map(|word| word.trim_matches(|c: char| "\"'`:,;.()<>[]".contains(c)));
    let is_in = |path: &str, dir: &Dir| {
        let guest = dir.guest.trim_end_matches('/');
        path.strip_prefix(guest).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // A relative path looks like any other word.
    let path = paths.find(|path| {
        path.len() > 1 && path.starts_with('/') && !dirs.iter().any(|dir| is_in(path, dir))
    })?;
    Some(path.to_owned())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

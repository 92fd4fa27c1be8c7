//! What a program that failed seems to have missed, and which option gives it.
//!
//! A program that was not given something gets an error code as any other, and what it makes of it is up to it. So its
//! own last words are all there is to go by: those of Rust's standard library and of wasi-libc.

use std::fmt;

use super::{End, RunOptions};

/// Something that a program was not given, and the option that gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// A path in none of its folders.
    Folder(Option<String>),
    /// A change in a folder that it may only read.
    ReadOnly,
    /// An environment variable.
    Variable,
    /// Connections, for a component.
    Network,
    /// Threads or sockets, which preview 1 doesn't have.
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
                    "`{path}` is in no folder that the program was given: give it one with --dir {folder}"
                )
            }
            Hint::Folder(None) => {
                write!(f, "the program sees only the folders that it is given: give it one with --dir FOLDER")
            }
            Hint::ReadOnly => {
                write!(
                    f,
                    "the program may only read its folders: leave `:ro` away from --dir to let it write"
                )
            }
            Hint::Variable => {
                write!(
                    f,
                    "the program sees no environment variable but those that it is given: --env NAME[=VALUE]"
                )
            }
            Hint::Network => write!(f, "the program was not given the network: --net gives it"),
            Hint::Unsupported => write!(
                f,
                "WASI preview 1 has no threads, processes or new connections; a component (wasm32-wasip2) can open \
                 connections"
            ),
        }
    }
}

pub(super) fn hints(end: &End, stderr: &[u8], options: &RunOptions) -> Vec<Hint> {
    if matches!(end, End::Exit(0) | End::Limit(_)) {
        return Vec::new();
    }
    let words = String::from_utf8_lossy(stderr);
    let says = |sentence: &str| words.contains(sentence);
    let mut hints = Vec::new();
    let unopened = between(&words, "pre-opened file descriptor through which \"", "\" could be opened");
    if let Some(path) = unopened {
        hints.push(Hint::Folder(Some(path.to_owned())));
    } else if says("(os error 76)") || says("Capabilities insufficient") {
        hints.push(Hint::Folder(None));
    } else if options.dirs.is_empty() && (says("(os error 44)") || says("No such file or directory")) {
        hints.push(Hint::Folder(None));
    }
    let refused = ["(os error 63)", "(os error 69)", "Operation not permitted", "Read-only file system"];
    if options.dirs.iter().any(|dir| dir.read_only) && refused.into_iter().any(says) {
        hints.push(Hint::ReadOnly);
    }
    if ["NotPresent", "environment variable not found"].into_iter().any(says) {
        hints.push(Hint::Variable);
    }
    let denied = ["access-denied", "AccessDenied", "Permission denied", "PermissionDenied"];
    if !options.network && denied.into_iter().any(says) && hints.is_empty() {
        hints.push(Hint::Network);
    }
    let unsupported =
        ["(os error 58)", "operation not supported on this platform", "not supported on this platform"];
    if unsupported.into_iter().any(says) {
        hints.push(Hint::Unsupported);
    }
    hints
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

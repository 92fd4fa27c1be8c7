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
    // As an error is displayed, and as `unwrap` shows it.
    let has_code = |code: u16| says(&format!("(os error {code})")) || says(&format!("Os {{ code: {code},"));
    let is_read_only = options.dirs.iter().any(|dir| dir.read_only);
    let mut hints = Vec::new();
    let unopened = between(&words, "pre-opened file descriptor through which \"", "\" could be opened");
    if let Some(path) = unopened {
        hints.push(Hint::Folder(Some(path.to_owned())));
    } else if has_code(76) || says("Capabilities insufficient") {
        hints.push(Hint::Folder(None));
    } else if options.dirs.is_empty() && (has_code(44) || says("No such file or directory")) {
        hints.push(Hint::Folder(None));
    } else if has_code(63) && !is_read_only {
        // A path that leads out of a folder, by `..` or a symbolic link.
        hints.push(Hint::Folder(None));
    }
    let refused = ["Operation not permitted", "Read-only file system"];
    if is_read_only && (has_code(63) || has_code(69) || refused.into_iter().any(says)) {
        hints.push(Hint::ReadOnly);
    }
    if ["NotPresent", "environment variable not found"].into_iter().any(says) {
        hints.push(Hint::Variable);
    }
    let denied = ["access-denied", "AccessDenied", "Permission denied", "PermissionDenied"];
    if !options.network && denied.into_iter().any(says) && hints.is_empty() {
        hints.push(Hint::Network);
    }
    if has_code(58) || says("not supported on this platform") {
        hints.push(Hint::Unsupported);
    }
    hints
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

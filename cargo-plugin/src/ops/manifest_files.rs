//! YAML files that the user names, as `kubectl -f` takes them.

use std::fs::{DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use wasm_oci_app::deploy::yaml::{self, MAX_BYTES, Stream};
use wasm_oci_app::error::{Error, UsageError};

/// Extensions of the files that are read from a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads the arguments of `-f` in order. `-` is standard input. A folder stands for its files with a known extension, by name, and
/// with `recursive` also for those in its folders.
pub fn read_all(paths: &[PathBuf], recursive: bool) -> Result<Vec<Stream>, Error> {
    let mut streams = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            if streams.iter().any(|stream: &Stream| stream.name == STDIN) {
                return Err(UsageError::Combination(
                    "standard input can be read once; use `-f -` once",
                )
                .into());
            }
            streams.push(read(STDIN, io::stdin().lock())?);
        } else if path.is_dir() {
            let files = files_in(path, recursive)?;
            if files.is_empty() {
                return Err(UsageError::NoManifests { path: path.clone(), recursive }.into());
            }
            for file in files {
                streams.push(read_file(&file)?);
            }
        } else {
            streams.push(read_file(path)?);
        }
    }
    Ok(streams)
}

/// Name in messages.
const STDIN: &str = "standard input";

fn read_file(path: &Path) -> Result<Stream, Error> {
    let name = path.display().to_string();
    let file =
        File::open(path).map_err(|source| yaml::Error::Read { name: name.clone(), source })?;
    read(&name, file)
}

fn read(name: &str, from: impl Read) -> Result<Stream, Error> {
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that `Stream::read` notices a file that is too large.
    let most = MAX_BYTES as u64 + 1;
    let read = from.take(most).read_to_end(&mut bytes);
    read.map_err(|source| yaml::Error::Read { name: name.to_owned(), source })?;
    Ok(Stream::read(name, bytes)?)
}

/// Returns the files in a folder, by name.
fn files_in(folder: &Path, recursive: bool) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| yaml::Error::Read { name: folder.display().to_string(), source };
    let entries: io::Result<Vec<DirEntry>> = folder.read_dir().map_err(unreadable)?.collect();
    let mut entries = entries.map_err(unreadable)?;
    // `read_dir` has no order, but the output needs one.
    entries.sort_by_key(DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.path();
        // The type of the entry itself: links to folders could form a cycle.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if recursive {
                files.extend(files_in(&path, true)?);
            }
        } else if path.is_file() && is_yaml(&path) {
            files.push(path);
        }
    }
    Ok(files)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|it| ending.eq_ignore_ascii_case(it)))
}

/// Joins YAML texts into one, with `---` between them where it is missing.
pub fn joined(texts: &[(&Stream, String)]) -> String {
    let mut all = String::new();
    for (n, (stream, text)) in texts.iter().enumerate() {
        if n == 0 {
            all.push_str(text);
            continue;
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !all.is_empty() && !all.ends_with(['\n', '\r']) {
            all.push('\n');
        }
        // Directives are only allowed after the end of the previous document (`...`).
        if text.lines().any(|line| line.starts_with('%')) && stream.begins_explicitly {
            all.push_str("...\n");
        } else if !stream.begins_explicitly {
            all.push_str("---\n");
        }
        all.push_str(text);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_joined_as_documents() {
        let stream = |text: &str| Stream::read("a", text.as_bytes().to_vec()).unwrap();
        let all = |texts: &[&str]| {
            let streams: Vec<Stream> = texts.iter().map(|text| stream(text)).collect();
            let pairs: Vec<_> =
                streams.iter().map(|stream| (stream, stream.text.clone())).collect();
            joined(&pairs)
        };
        assert_eq!(all(&["a: 1"]), "a: 1");
        assert_eq!(all(&["a: 1", "b: 2\n"]), "a: 1\n---\nb: 2\n");
        assert_eq!(
            all(&["a: 1\n", "# c\n---\nb: 2\n", "\u{feff}c: 3"]),
            "a: 1\n# c\n---\nb: 2\n---\nc: 3"
        );
        let directives = all(&["a: 1\n", "%YAML 1.2\n---\nb: 2\n"]);
        assert_eq!(directives, "a: 1\n...\n%YAML 1.2\n---\nb: 2\n");
        assert_eq!(stream(&directives).documents().len(), 2);
    }
}

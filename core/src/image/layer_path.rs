//! Paths of files in layers, which strangers choose.

use std::path::{Path, PathBuf};

/// Names of devices on Windows, in every folder and with every extension
/// ([Naming Files](https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file#naming-conventions)).
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// The beginnings of those that end with a digit.
const NUMBERED_DEVICES: [&str; 2] = ["COM", "LPT"];
/// Windows takes these for 1, 2 and 3.
const SUPERSCRIPTS: [char; 3] = ['¹', '²', '³'];

/// Returns a path relative to the image's root, of normal names with `/` between them, or why it is refused. Archivers
/// write `./a`, `/a` and `a` for the same file.
///
/// Names that lead out of a folder on Windows, or to a device, are refused on every system: an image must not be harmless here
/// and an attack there. Names that Windows only spells differently are refused there alone, because packages have such files.
pub(crate) fn layer_path(path: &str) -> Result<String, &'static str> {
    let names: Vec<&str> =
        path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    if names.is_empty() {
        return Err("it needs a file name");
    }
    // The whole path, because an empty part of it may be the start of `//server/share`, which is harmless only here.
    names.iter().try_for_each(|name| check_name(name))?;
    if names.first().is_some_and(|name| has_drive(name)) {
        return Err("it begins with a drive of Windows");
    }
    if cfg!(windows) {
        names.iter().try_for_each(|name| check_on_windows(name))?;
    }
    Ok(names.join("/"))
}

/// Returns where a path that [`layer_path`] has returned is below a folder of this machine.
pub(crate) fn below(folder: &Path, path: &str) -> PathBuf {
    // Name by name: joining an absolute path, or one with a drive, would replace the folder.
    path.split('/').fold(folder.to_owned(), |folder, name| folder.join(name))
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name == ".." {
        return Err("`..` leads out of the image");
    }
    // A tar header ends a path at its first NUL.
    if name.contains('\0') {
        return Err("it has a NUL in it");
    }
    if name.contains('\\') {
        return Err("it has a backslash in it, which separates folders on Windows");
    }
    if is_device(name) {
        return Err("it has the name of a device on Windows");
    }
    Ok(())
}

/// Refuses names that mean something else on Windows than elsewhere.
fn check_on_windows(name: &str) -> Result<(), &'static str> {
    if name.contains(':') {
        return Err(
            "it has a colon in it, which follows a drive or a file's name on Windows; use the image on Linux, or in WSL",
        );
    }
    if name.ends_with(['.', ' ']) {
        return Err(
            "it has a name that ends with a dot or a space, which Windows leaves out; use the image on Linux, or in WSL",
        );
    }
    Ok(())
}

fn has_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    let mut letters = stem.chars();
    let last = letters.next_back();
    let is_numbered = last
        .is_some_and(|last| last.is_ascii_digit() || SUPERSCRIPTS.contains(&last))
        && NUMBERED_DEVICES.iter().any(|device| letters.as_str().eq_ignore_ascii_case(device));
    is_numbered || DEVICES.iter().any(|device| is(device))
}

/// Returns the file name in the path of a module, otherwise `module.wasm`.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("module.wasm")
}

/// Returns an absolute path without `.`, `..` and repeated slashes, relative to the root.
pub(crate) fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths that lead out of a folder on Windows, or to a device.
    const OF_WINDOWS: [&str; 15] = [
        r"..\..\evil.txt",
        r"\\server\share\x",
        r"C:\x",
        "C:x",
        "Z:/x",
        "a/..\\b",
        r"\\?\C:\x",
        "CON",
        "nul",
        "a/COM1.txt",
        "lpt9.tar.gz",
        "aux .txt",
        "com¹",
        "conin$",
        "a/prn/b",
    ];

    #[test]
    fn a_path_has_one_form() {
        for (path, expected) in [
            ("a", "a"),
            ("/etc//app/./a.toml", "etc/app/a.toml"),
            ("./a/b/", "a/b"),
            ("//server/share", "server/share"),
            ("...a/.hidden/..b", "...a/.hidden/..b"),
            ("console/com/com10/nul-1/comx.txt", "console/com/com10/nul-1/comx.txt"),
            ("größe/日本", "größe/日本"),
        ] {
            assert_eq!(layer_path(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_leads_out_of_a_folder_is_refused() {
        for path in ["", "/", ".", "../x", "a/../../x", "a\0b"].into_iter().chain(OF_WINDOWS) {
            assert!(layer_path(path).is_err(), "{path}");
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn names_that_windows_spells_differently_are_ordinary_here() {
        for path in ["usr/App::Cpan.3pm", "x.", "a/c:/x", "file:stream", "a./b", "b "] {
            assert_eq!(layer_path(path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn names_that_windows_takes_for_others_are_found() {
        let check = |path: &str| {
            path.split('/').try_for_each(|name| check_name(name).and(check_on_windows(name)))
        };
        for path in ["a", "...a/.hidden/..b", "console/com/com10/nul-1/comx.txt", "größe/日本"]
        {
            assert_eq!(check(path), Ok(()), "{path}");
        }
        let spelled = ["a/c:/x", "file:stream", "a./b", "b ", "...", ".. ", ".. /x"];
        for path in OF_WINDOWS.into_iter().chain(spelled) {
            assert!(check(path).is_err(), "{path}");
        }
    }

    #[test]
    fn files_are_below_their_folder() {
        let folder = Path::new("root");
        assert_eq!(below(folder, "a/b"), folder.join("a").join("b"));
    }
}

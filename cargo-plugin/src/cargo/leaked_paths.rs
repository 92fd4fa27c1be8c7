//! Paths of this machine that a module contains.

use std::collections::BTreeSet;
use std::path::Path;

/// Returns the paths below `folders` that occur in a module, sorted. `--remap-path-prefix` does not reach all of them, such as
/// those from `env!("CARGO_MANIFEST_DIR")` or from `__FILE__` in C.
pub fn leaked_paths(bytes: &[u8], folders: &[&Path]) -> Vec<String> {
    // A root folder would match everywhere.
    let folders: Vec<_> = folders
        .iter()
        .map(|it| it.as_os_str().as_encoded_bytes())
        .filter(|it| it.len() > 1)
        .collect();
    // Modules are large, and most bytes begin no folder: a table skips them quickly.
    let begins = |byte: &u8| folders.iter().any(|folder| folder[0] == *byte);
    let begins: [bool; 256] = std::array::from_fn(|byte| begins(&(byte as u8)));
    let mut found = BTreeSet::new();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| begins[usize::from(**byte)]) {
        let rest = &bytes[at..];
        if folders.iter().any(|folder| rest.starts_with(folder) && is_end(rest.get(folder.len()))) {
            let end = rest.iter().position(|byte| !is_path_byte(*byte)).unwrap_or(rest.len());
            found.insert(String::from_utf8_lossy(&rest[..end]).into_owned());
        }
    }
    found.into_iter().collect()
}

/// Returns true if the name of a folder ends here: `/home/me` is not part of `/home/melissa`.
fn is_end(next: Option<&u8>) -> bool {
    next.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'.'))
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/\\-_.+@~:%".contains(&byte) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaks_are_found_once_each_and_only_below_the_folder() {
        let bytes = b"\0\x0b/home/me/src/main.rs\0/home/melissa/x /home/me/src/main.rs\"/home/me\0";
        assert_eq!(
            leaked_paths(bytes, &[Path::new("/home/me"), Path::new("/")]),
            ["/home/me", "/home/me/src/main.rs"]
        );
        assert_eq!(leaked_paths(bytes, &[]), [""; 0]);
    }
}

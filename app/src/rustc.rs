//! Facts about rustc and rustup that builds of crates and of runners share.

use std::path::{Path, PathBuf};

use fs_err as fs;
use wasm_oci_core::trace::OrTrace;

/// Variable with flags for rustc, which comes before all others (The Cargo Book, build.rustflags).
pub const RUSTFLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";
/// Separator of flags in [`RUSTFLAGS`].
pub const SEPARATOR: &str = "\x1f";

/// Start of rustc's flag for a [`Remap`].
pub const REMAP_FLAG: &str = "--remap-path-prefix=";

/// A folder, and the name that the compiler writes instead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remap {
    pub from: PathBuf,
    pub to: String,
}

impl Remap {
    pub fn new(from: impl Into<PathBuf>, to: impl Into<String>) -> Remap {
        Remap { from: from.into(), to: to.into() }
    }
}

pub fn remap_flags(remaps: &[Remap]) -> Vec<String> {
    let mut all: Vec<_> = remaps.iter().flat_map(spellings).collect();
    // The last flag that matches a path wins, so longer paths come later.
    all.sort_by_key(|remap| (remap.from.as_os_str().len(), remap.clone()));
    all.dedup();
    all.iter()
        .filter_map(|Remap { from, to }| Some(format!("{REMAP_FLAG}{}={to}", from.to_str()?)))
        .collect()
}

fn spellings(remap: &Remap) -> Vec<Remap> {
    // rustc may see a path as it was written, or without symbolic links.
    let real = fs::canonicalize(&remap.from)
        .or_trace("resolve links in a path")
        .filter(|real| *real != remap.from);
    let real = real.map(|from| Remap { from, to: remap.to.clone() });
    [Some(remap.clone()), real].into_iter().flatten().collect()
}

/// Returns true if the standard library for the target is installed.
pub fn has_target(sysroot: &Path, target: &str) -> bool {
    sysroot.join("lib/rustlib").join(target).join("lib").is_dir()
}

/// Returns the name of a toolchain that rustup manages.
pub fn rustup_name(sysroot: &Path) -> Option<&str> {
    // rustup keeps each toolchain in `$RUSTUP_HOME/toolchains/NAME`.
    let is_rustups = sysroot.parent()?.file_name()? == "toolchains";
    sysroot.file_name()?.to_str().filter(|_| is_rustups)
}

/// Returns the commit that rustc was built from, from the output of `rustc -vV`.
pub fn commit(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("commit-hash: "))
}

/// Returns the message that a tool wrote to standard error, without its `error: `.
pub fn error_message(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    // Our own message already begins with `error:`.
    text.strip_prefix("error: ").unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_folders_come_after_outer_ones() {
        let flags = remap_flags(&[
            Remap::new("/no/ws/.cargo", "/cargo"),
            Remap::new("/no/ws", "/workspace"),
        ]);
        assert_eq!(
            flags,
            ["--remap-path-prefix=/no/ws=/workspace", "--remap-path-prefix=/no/ws/.cargo=/cargo"]
        );
    }
}

//! Lists the templates' files, so that they can be embedded: a constant for each template.
#![allow(clippy::expect_used, reason = "cargo shows what a build script panics with")]

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut code = String::new();
    for name in ["cli", "filter", "http", "function", "image", "workspace", "library", "init"] {
        println!("cargo::rerun-if-changed={name}");
        let root = folder.join(name);
        let mut paths = files(&root);
        paths.sort();
        writeln!(code, "const {}: &[File] = &[", name.to_uppercase())
            .expect("a text can be written to");
        for path in paths {
            let inside: Vec<_> = path.strip_prefix(&root).expect("it lies there").iter().collect();
            let inside = inside.join("/".as_ref());
            writeln!(code, "    ({inside:?}, include_bytes!({path:?})),")
                .expect("a text can be written to");
        }
        code += "];\n";
    }
    fs::write(out.join("files.rs"), code).expect("cargo's folder can be written to");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the templates are here");
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

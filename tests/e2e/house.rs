//! The direction of imports: each folder of a package imports only from those before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::harness::commands::root;

/// The top-level modules of each package, in the order in which they may import from each other.
const ORDER: [(&str, &[&str]); 4] = [
    (
        "core",
        &[
            "error",
            "named",
            "text",
            "trace",
            "gzip",
            "limits",
            "fs",
            "connections",
            "module",
            "image",
            "compat",
            "store",
            "run",
        ],
    ),
    (
        "app",
        &[
            "exit_code",
            "units",
            "error",
            "files",
            "signals",
            "rustc",
            "runtime",
            "config",
            "ui",
            "runner",
            "registry",
            "pipeline",
            "run",
            "smoke",
            "inspect",
            "deploy",
            "commands",
        ],
    ),
    ("cli", &["commands"]),
    ("cargo-plugin", &["cargo", "args", "scaffold", "error", "ops", "commands"]),
];

#[test]
fn imports_go_one_way() {
    let mut upward = Vec::new();
    for (package, order) in ORDER {
        let src = root().join(package).join("src");
        for file in rust_files(&src) {
            let own = top_module(file.strip_prefix(&src).unwrap());
            if ["lib", "main"].contains(&own.as_str()) {
                continue;
            }
            let rank = |module: &str| {
                let found = order.iter().position(|it| *it == module);
                found
                    .unwrap_or_else(|| panic!("{package} has a module `{module}` that ORDER lacks"))
            };
            for imported in imports(&code(&std::fs::read_to_string(&file).unwrap())) {
                if rank(&imported) > rank(&own) {
                    upward.push(format!("{} imports `{imported}`", file.display()));
                }
            }
        }
    }
    assert!(upward.is_empty(), "imports against the order:\n{}", upward.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|it| it == "rs")).collect()
}

fn top_module(file: &Path) -> String {
    let first = file.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.strip_suffix(".rs").map_or(first.clone(), str::to_owned)
}

/// The text without comments and without unit tests, which may look at what they like.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The top-level modules that `crate::…` names, alone or in a group.
fn imports(code: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => modules.extend(first_names(group)),
            None => modules.extend(identifier(rest)),
        }
    }
    modules
}

/// The name that each item of a `use` group begins with.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut item, mut names) = (0, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => names.extend(identifier(&std::mem::take(&mut item))),
            _ => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                item.push(letter);
            }
        }
    }
    names.extend(identifier(&item));
    names
}

/// The module that a path begins with; nothing for a type or function of the crate's root.
fn identifier(path: &str) -> Option<String> {
    let path = path.trim_start();
    let end = path.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
    let name = &path[..end.unwrap_or(path.len())];
    (!name.is_empty()).then(|| name.to_owned())
}

#[test]
fn imports_are_read_in_every_form() {
    let text = "use crate::a::b;\nuse crate::{c, d::{e, f}, g::*};\nlet x = crate::h::i();";
    assert_eq!(imports(text).into_iter().collect::<Vec<_>>(), ["a", "c", "d", "g", "h"]);
    assert_eq!(imports(&code("// crate::a\n#[cfg(test)]\nmod tests { use crate::b; }")).len(), 0);
}

//! Every command in the README and the book is run, or known not to be, and why.
//!
//! A block of `sh` is run, page by page, in the folder of an ordinary crate (`book_commands/crate.rs`), with a registry of
//! the test's own in place of `ghcr.io` (`book_commands/session.rs` has all that is read otherwise than it is written). A
//! block of `console` shows what other machines print; what it says after `$ ` of our own commands has to be understood by
//! them, and so has what the text says in backticks.

mod crate_folder;
mod pages;
mod session;

use std::fs;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use regex::Regex;

use crate::harness::commands::root;
use pages::{Page, pages};
use session::Session;

/// Commands of `sh` blocks that are not run, and why. They stand here as they stand on the pages.
const NOT_RUN: &[(&str, &str)] = &[
    ("tests/run", "it is what runs this test"),
    (
        "cargo install --locked --path cargo-plugin",
        "it builds Binaryen and wasmtime once more: 15 minutes",
    ),
    ("cargo install --locked --path cli", "the same"),
    (
        "cargo run --locked -p cargo-wasm-oci -- wasm-oci run --manifest-path examples/hello/Cargo.toml -- --name Ferris",
        "`cargo run` would wait for the tests to end, or build with other features: tests of examples/hello do the same",
    ),
    (
        "cargo run -p wasm-oci-tests --example probe",
        "it looks for runtimes on the machine, for minutes",
    ),
    ("cargo install cargo-fuzz", "it installs for the user"),
    (
        "RUSTC_BOOTSTRAP=1 cargo fuzz run read fuzz/corpus/read fuzz/seeds/read -- -max_total_time=3600 -timeout=20 \
         -rss_limit_mb=1024",
        "it takes an hour",
    ),
    ("pip install ziglang", "it installs for the user: tests/setup installs the same"),
];

/// Why a command is not run, if it is not.
fn reason_not_to_run(command: &str) -> Option<&'static str> {
    NOT_RUN.iter().find(|(known, _)| *known == command).map(|(_, why)| *why)
}

#[test]
fn every_command_can_be_run() {
    let session = Session::new();
    let pages = pages();
    let failures: Vec<String> = pages
        .iter()
        .filter(|page| page.has_commands())
        .flat_map(|page| session.run(page))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

#[test]
fn what_is_not_run_is_on_a_page_and_leads_somewhere() {
    let pages = pages();
    let commands: Vec<String> =
        pages.iter().flat_map(Page::commands).map(|(_, command)| command).collect();
    for (command, _) in NOT_RUN {
        assert!(
            commands.iter().any(|it| it == command),
            "`{command}` is on no page: it goes from NOT_RUN"
        );
        let words = shlex::split(command).unwrap();
        for (index, word) in words.iter().enumerate() {
            let names_a_folder = index > 0 && words[index - 1].ends_with("-path");
            if names_a_folder || (word.contains('/') && !word.starts_with('-')) {
                // Findings of fuzzing are not in the repository.
                let there = root().join(word).exists() || word.starts_with("fuzz/corpus");
                assert!(there, "`{command}` names {word}, which is not there");
            }
        }
        // Arguments after `cargo run … --` belong to our own command.
        if let Some((_, ours)) = command.split_once(" -- wasm-oci ") {
            assert_eq!(misunderstood(&format!("cargo wasm-oci {ours}"), true), None);
        }
    }
}

#[test]
fn what_is_shown_of_our_commands_is_understood() {
    let mut wrong = Vec::new();
    for page in pages().iter().chain(&pages::readmes_of_examples()) {
        let shown = page.shown().into_iter().map(|(line, command)| (line, command, true));
        let mentioned = page.mentioned().into_iter().map(|(line, command)| (line, command, false));
        for (line, command, whole) in shown.chain(mentioned) {
            let why = misunderstood(&command, whole);
            wrong.extend(why.map(|why| format!("{}:{line}: `{command}`: {why}", page.path)));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn all_blocks_say_what_they_are() {
    let known = [
        "sh",
        "console",
        "toml",
        "json",
        "yaml",
        "text",
        "rust",
        "js",
        "html",
        "c",
        "zig",
        "go",
        "ts",
        "diff",
        "dockerfile",
        "capnp",
    ];
    for page in pages() {
        for block in page.blocks() {
            let language = block.language;
            assert!(
                known.contains(&language),
                "{}:{}: a block of `{language}`",
                page.path,
                block.line
            );
        }
    }
}

/// Between `<!-- FILE -->` and `<!-- end of FILE -->`, a page shows a file of `examples/` as it is.
#[test]
fn files_of_examples_are_shown_as_they_are() {
    for page in pages() {
        let parts: Vec<_> =
            page.shown_files().into_iter().map(|file| (file.clone(), file_block(&file))).collect();
        let parts: Vec<_> =
            parts.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        crate::docs::assert_parts_generated(&page.path, &parts);
    }
}

fn file_block(path: &str) -> String {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let ending = path.rsplit('.').next().unwrap();
    let language = if ending == "mjs" { "js" } else { ending };
    format!("\n```{language}\n{text}```\n\n")
}

/// Returns the parse error of a command line, or `None` for a valid line or another command. A line that is not `whole` may
/// lack required arguments.
fn misunderstood(line: &str, whole: bool) -> Option<String> {
    let Some(words) = shlex::split(line) else { return Some("its quotes don't match".to_owned()) };
    let until = words
        .iter()
        .position(|word| matches!(word.as_str(), "|" | ">" | ">>" | "<" | "&&" | "&" | ";" | "||"));
    let mut words = words[..until.unwrap_or(words.len())].to_vec();
    let variable = Regex::new("^[A-Z_]+=").unwrap();
    while words.first().is_some_and(|word| variable.is_match(word)) {
        words.remove(0);
    }
    let error = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["cargo", "wasm-oci", ..] => cargo_wasm_oci::commands::Cargo::try_parse_from(&words).err(),
        ["wasm-oci", ..] => wasm_oci::commands::Cli::try_parse_from(&words).err(),
        _ => None,
    }?;
    let fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => !whole,
        // A flag whose value was left out.
        ErrorKind::InvalidValue => {
            !whole
                && error.get(ContextKind::InvalidValue)
                    == Some(&ContextValue::String(String::new()))
        }
        _ => false,
    };
    (!fine).then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

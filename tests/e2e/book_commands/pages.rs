//! The pages, and what of them are commands.

use std::fs;
use std::sync::LazyLock;

use regex::Regex;

use super::reason_not_to_run;
use crate::harness::commands::root;

/// A file in Markdown.
pub(super) struct Page {
    /// Below the checkout.
    pub(super) path: String,
    text: String,
}

/// A fenced block.
pub(super) struct Block<'a> {
    /// Info string of the first fence.
    pub(super) language: &'a str,
    /// The number of the line with the first fence, from 1.
    pub(super) line: usize,
    lines: Vec<&'a str>,
}

/// The README and the pages of the book.
pub(super) fn pages() -> Vec<Page> {
    let mut paths = vec!["README.md".to_owned()];
    for folder in ["docs", "docs/decisions", "docs/reference"] {
        let entries =
            fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let names = entries.map(|name| format!("{folder}/{}", name.into_string().unwrap()));
        paths.extend(names.filter(|path| path.ends_with(".md")));
    }
    paths.sort();
    paths.into_iter().map(Page::read).collect()
}

/// Those of the examples, whose commands are for their own folders.
pub(super) fn readmes_of_examples() -> Vec<Page> {
    let entries =
        fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().file_name());
    let paths = entries.map(|name| format!("examples/{}/README.md", name.into_string().unwrap()));
    paths.filter(|path| root().join(path).exists()).map(Page::read).collect()
}

impl Page {
    fn read(path: String) -> Page {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        Page { path, text }
    }

    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_open = false;
        for (index, line) in self.text.lines().enumerate() {
            match line.trim_start().strip_prefix("```") {
                Some(_) if is_open => is_open = false,
                Some(language) => {
                    is_open = true;
                    blocks.push(Block {
                        language: language.trim(),
                        line: index + 1,
                        lines: Vec::new(),
                    });
                }
                None if is_open => blocks.last_mut().unwrap().lines.push(line.trim_end()),
                None => {}
            }
        }
        blocks
    }

    /// The lines of `sh` blocks, with their numbers.
    fn shell_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.blocks().into_iter().filter(|block| block.language == "sh").flat_map(Block::numbered)
    }

    /// The commands of `sh` blocks, each in one line and without a comment, and where they begin.
    pub(super) fn commands(&self) -> Vec<(usize, String)> {
        joined(self.shell_lines()).into_iter().filter(|(_, command)| !command.is_empty()).collect()
    }

    pub(super) fn has_commands(&self) -> bool {
        self.commands().iter().any(|(_, command)| reason_not_to_run(command).is_none())
    }

    /// A line of the page as it stands there.
    pub(super) fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number - 1).unwrap_or_default().trim()
    }

    /// The page as a script: what is not run is empty, so that the numbers of lines are the same.
    pub(super) fn script(&self, rewrite: impl Fn(&str) -> String) -> String {
        let mut lines = vec![String::new(); self.text.lines().count() + 1];
        for (number, line) in self.shell_lines() {
            lines[number - 1] = rewrite(line);
        }
        for (number, command) in self.commands() {
            if reason_not_to_run(&command).is_some() {
                // All lines that it goes over.
                let mut at = number - 1;
                while std::mem::take(&mut lines[at]).ends_with('\\') {
                    at += 1;
                }
            }
        }
        lines.join("\n")
    }

    /// Commands after `$ ` in `console` blocks.
    pub(super) fn shown(&self) -> Vec<(usize, String)> {
        let blocks = self.blocks().into_iter().filter(|block| block.language == "console");
        let mut goes_on = false;
        let lines = blocks.flat_map(Block::numbered).filter_map(|(number, line)| {
            let command = if goes_on {
                Some(line)
            } else {
                line.strip_prefix("$ ").or(line.strip_prefix("# "))
            };
            goes_on = command.is_some_and(|command| command.ends_with('\\'));
            Some((number, command?))
        });
        joined(lines).into_iter().map(|(number, command)| (number, filled_in(&command))).collect()
    }

    /// Our commands in the text, in backticks.
    pub(super) fn mentioned(&self) -> Vec<(usize, String)> {
        static OURS: LazyLock<Regex> =
            LazyLock::new(|| Regex::new("`((?:cargo )?wasm-oci [a-z][^`]*)`").unwrap());
        let mut is_open = false;
        let mut mentioned = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            is_open ^= line.trim_start().starts_with("```");
            let found = OURS.captures_iter(line).filter(|_| !is_open);
            mentioned.extend(found.map(|found| (index + 1, filled_in(&found[1]))));
        }
        mentioned
    }

    /// The files of examples that the page shows.
    pub(super) fn shown_files(&self) -> Vec<String> {
        static SHOWN: LazyLock<Regex> =
            LazyLock::new(|| Regex::new("(?m)^<!-- (examples/\\S+) -->$").unwrap());
        SHOWN.captures_iter(&self.text).map(|found| found[1].to_owned()).collect()
    }
}

impl<'a> Block<'a> {
    fn numbered(self) -> impl Iterator<Item = (usize, &'a str)> {
        self.lines.into_iter().enumerate().map(move |(index, line)| (self.line + 1 + index, line))
    }
}

/// Lines that end with `\` joined with those that follow, without the comments at their ends.
fn joined<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<(usize, String)> {
    static COMMENT: LazyLock<Regex> = LazyLock::new(|| Regex::new("(^|\\s+)#\\s.*$").unwrap());
    let mut commands: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in lines {
        let (text, more) = line.strip_suffix('\\').map_or((line, false), |text| (text, true));
        let text = COMMENT.replace(text.trim(), "");
        match commands.last_mut().filter(|_| goes_on) {
            Some((_, command)) => *command = format!("{command} {text}"),
            None => commands.push((number, text.into_owned())),
        }
        goes_on = more;
    }
    commands
}

/// With something in the places that a page leaves open.
fn filled_in(command: &str) -> String {
    static PLACE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(?:REF|REFERENCE|IMAGE|SOURCE)\b").unwrap());
    static REGISTRY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\b(log(?:in|out)) HOST\b").unwrap());
    let digest = format!("sha256:{}", "0".repeat(64));
    // In tables, a `|` is written so.
    let command = command.replace("\\|", "|").replace("sha256:…", &digest);
    let command = REGISTRY.replace_all(&command, "$1 ghcr.io");
    PLACE.replace_all(&command, "ghcr.io/me/app:1.0").replace(" … ", " ").replace(" …", "")
}

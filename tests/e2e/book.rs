//! The book in `docs/`: it builds without a warning, and all that links lead to is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::harness::commands::root;
use crate::harness::{Run, tools};

#[test]
fn it_builds_without_a_warning_and_its_links_lead_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut build = tools::mdbook();
    build.arg("build").arg(root().join("docs")).arg("--dest-dir").arg(folder.path());
    let run = Run::of(&mut build).success();
    let said = run.stdout + &run.stderr;
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    let pages = pages(folder.path());
    assert!(pages.len() > 20, "{:?}", pages.keys());
    let wrong: Vec<String> =
        pages.iter().flat_map(|(path, page)| dead_links(path, page, &pages)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_book() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_page = name.ends_with(".md") && name != "SUMMARY.md";
        assert!(
            !is_page || summary.contains(&format!("({name})")),
            "docs/{name} is not in SUMMARY.md"
        );
    }
}

#[test]
fn the_readmes_links_lead_somewhere() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (_, [to]) in link().captures_iter(&readme).map(|found| found.extract()) {
        let file = to.split('#').next().unwrap();
        assert!(is_elsewhere(to) || root().join(file).exists(), "README.md leads to {to}");
    }
}

#[test]
fn what_we_are_said_to_say_is_what_we_say() {
    let source: String = ["core/src", "app/src", "cli/src", "cargo-plugin/src"]
        .into_iter()
        .flat_map(|folder| files(&root().join(folder)))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    // A text over several lines is one.
    let source = Regex::new(r"\\\n\s*").unwrap().replace_all(&source, "").into_owned();
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let quoted = Regex::new("`([^`]+)`").unwrap();
    let (mut is_ours, mut count) = (false, 0);
    for line in page.lines() {
        let Some(cell) = line.strip_prefix("| ").and_then(|row| row.split(" | ").next()) else {
            continue;
        };
        if cell.ends_with("message") {
            is_ours = cell == "our message";
            continue;
        }
        for (_, [text]) in quoted.captures_iter(cell).filter(|_| is_ours).map(|it| it.extract()) {
            count += 1;
            for part in text
                .split('…')
                .map(|part| part.trim_matches([' ', ',']))
                .filter(|part| !part.is_empty())
            {
                assert!(
                    source.contains(part),
                    "docs/troubleshooting.md has us say `{text}`, and nothing says `{part}`"
                );
            }
        }
    }
    assert!(count > 20, "{count} texts of ours in docs/troubleshooting.md");
}

/// A link in Markdown.
fn link() -> Regex {
    Regex::new(r"\]\(([^)\s]+)\)").unwrap()
}

/// The links and anchors of a page.
struct Page {
    leads_to: Vec<String>,
    anchors: BTreeSet<String>,
}

/// The pages below a folder, by their paths in it.
fn pages(folder: &Path) -> BTreeMap<PathBuf, Page> {
    let attribute = Regex::new(r#" (href|src|id)="([^"]*)""#).unwrap();
    let mut pages = BTreeMap::new();
    for path in files(folder) {
        let mut page = Page { leads_to: Vec::new(), anchors: BTreeSet::new() };
        if path.extension().is_some_and(|ending| ending == "html") {
            let html = fs::read_to_string(&path).unwrap();
            for (_, [name, value]) in attribute.captures_iter(&html).map(|found| found.extract()) {
                match name {
                    "id" => drop(page.anchors.insert(value.to_owned())),
                    _ => page.leads_to.push(value.replace("&amp;", "&")),
                }
            }
        }
        pages.insert(path.strip_prefix(folder).unwrap().to_owned(), page);
    }
    pages
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn dead_links(path: &Path, page: &Page, pages: &BTreeMap<PathBuf, Page>) -> Vec<String> {
    // The list of all pages is on each of them and made for none in particular; the last page is for what isn't there.
    let counts = |to: &&String| !is_elsewhere(to) && path != Path::new("404.html");
    let leads_nowhere = |to: &&String| {
        let (file, anchor) = to.split_once('#').unwrap_or((to, ""));
        let target = match file {
            "" => path.to_owned(),
            file => plain(&path.parent().unwrap().join(file)),
        };
        match pages.get(&target) {
            None => true,
            Some(target) => !anchor.is_empty() && !target.anchors.contains(anchor),
        }
    };
    let dead = page.leads_to.iter().filter(counts).filter(leads_nowhere);
    dead.map(|to| format!("{} leads to {to}", path.display())).collect()
}

/// On the network, which is not looked at.
fn is_elsewhere(to: &str) -> bool {
    to.contains("://") || to.starts_with("mailto:") || to.starts_with("data:")
}

/// Without `..` and `.`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

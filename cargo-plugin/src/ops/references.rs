//! References of the form `wasm-oci://PACKAGE[/BIN]`, which manifests use for programs of a workspace before they are images.

use wasm_oci_app::config::settings::closest;
use wasm_oci_app::deploy::manifests::SCHEME;
use wasm_oci_app::deploy::yaml::{NodeId, Stream};

use crate::cargo::project::{Project, TargetKind};
use crate::error::Error;

/// A reference in a YAML text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub node: NodeId,
    /// The reference without a line break at the end.
    pub text: String,
}

/// Returns all scalars that are references, and the places of scalars that contain one within other text.
pub fn find(stream: &Stream) -> (Vec<Found>, Vec<String>) {
    let mut found = Vec::new();
    let mut among_others = Vec::new();
    // An alias (`*b`) is skipped: it gets the new value from its anchor.
    for node in stream.nodes().filter(|&node| stream.resolved(node) == node) {
        let Some(text) = stream.scalar(node) else { continue };
        // A block scalar (`|`) ends with a line break.
        let text = text.trim_end_matches('\n');
        if text.starts_with(SCHEME) && !text.contains(char::is_whitespace) {
            found.push(Found { node, text: text.to_owned() });
        } else if text.contains(SCHEME) {
            among_others.push(stream.place(node));
        }
    }
    (found, among_others)
}

/// Returns the program that a reference means. A package alone means its only program, its `default-run`, or the program with the
/// name of the package.
pub fn program<'a>(
    all: &'a [Project],
    stream: &Stream,
    found: &Found,
) -> Result<&'a Project, Error> {
    meant(all, &found.text).map_err(|reason| Error::Reference {
        place: stream.place(found.node),
        text: found.text.clone(),
        reason,
    })
}

fn meant<'a>(all: &'a [Project], text: &str) -> Result<&'a Project, String> {
    let name = text.strip_prefix(SCHEME).unwrap_or(text);
    let (package, bin) =
        name.split_once('/').map_or((name, None), |(package, bin)| (package, Some(bin)));
    // cargo allows only these letters in the names of packages and programs.
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !is_name(package) || !bin.is_none_or(is_name) {
        let hint = if name.contains([':', '@']) { "; its tag is that of the settings" } else { "" };
        return Err(format!(
            "names no program: write {SCHEME}PACKAGE or {SCHEME}PACKAGE/BIN{hint}"
        ));
    }
    let of_package = of_package(all, package);
    if of_package.is_empty() {
        let packages = || all.iter().map(|project| project.package.as_str());
        return Err(format!(
            "names no package of this workspace with a program{}",
            hint(package, packages)
        ));
    }
    let Some(bin) = bin else {
        return alone(&of_package).ok_or_else(|| {
            let names: Vec<String> =
                of_package.iter().map(|project| full_name(&of_package, project)).collect();
            format!("could be any of {}", names.join(", "))
        });
    };
    let names: Vec<String> =
        of_package.iter().map(|project| name_in_package(&of_package, project)).collect();
    let found = names.iter().position(|name| name == bin);
    found.map(|found| of_package[found]).ok_or_else(|| {
        let names = || names.iter().map(String::as_str);
        format!("names no program of `{package}`{}", hint(bin, names))
    })
}

/// Returns the programs of a package, those with `main` first: the name of the package means them rather than a library.
fn of_package<'a>(all: &'a [Project], package: &str) -> Vec<&'a Project> {
    let mut found: Vec<&Project> =
        all.iter().filter(|project| project.package == package).collect();
    found.sort_by_key(|project| project.kind == TargetKind::Cdylib);
    found
}

/// Returns the name of a program in references. A library may have the name of a program, and is `NAME.lib` then.
fn name_in_package(of_package: &[&Project], project: &Project) -> String {
    let is_program =
        |other: &&Project| other.target == project.target && other.kind != TargetKind::Cdylib;
    match project.kind == TargetKind::Cdylib && of_package.iter().any(is_program) {
        true => format!("{}.lib", project.target),
        false => project.target.clone(),
    }
}

/// Returns a hint: the closest name, or all names.
fn hint<'a, I: Iterator<Item = &'a str>>(given: &str, known: impl Fn() -> I) -> String {
    match closest(given, known()) {
        Some(name) => format!(": did you mean `{name}`?"),
        None => {
            let mut names: Vec<&str> = known().collect();
            // A package has one entry for each of its programs.
            names.dedup();
            format!("; there is {}", names.join(", "))
        }
    }
}

/// Returns the program that the name of its package means.
fn alone<'a>(of_package: &[&'a Project]) -> Option<&'a Project> {
    match of_package {
        [only] => Some(only),
        several => {
            // `cargo run` follows `default-run`, too.
            let default = several.iter().find(|project| project.is_default_run);
            default
                .or_else(|| several.iter().find(|project| project.target == project.package))
                .copied()
        }
    }
}

/// Returns the shortest reference to a program.
pub fn name(all: &[Project], project: &Project) -> String {
    let of_package = of_package(all, &project.package);
    match alone(&of_package) {
        Some(alone) if alone == project => format!("{SCHEME}{}", project.package),
        _ => full_name(&of_package, project),
    }
}

fn full_name(of_package: &[&Project], project: &Project) -> String {
    format!("{SCHEME}{}/{}", project.package, name_in_package(of_package, project))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(package: &str, target: &str) -> Project {
        Project {
            package_id: String::new(),
            package: package.to_owned(),
            target: target.to_owned(),
            kind: TargetKind::Bin,
            file: String::new(),
            is_library: false,
            required_features: Vec::new(),
            is_default_run: target == "main",
            version: String::new(),
            manifest_path: std::path::PathBuf::new(),
            authors: Vec::new(),
            description: None,
            license: None,
            documentation: None,
            homepage: None,
            repository: None,
            metadata: None,
        }
    }

    #[test]
    fn a_reference_means_one_program() {
        let all = [
            project("one", "only"),
            project("own", "other"),
            project("own", "own"),
            project("run", "a"),
            project("run", "main"),
            project("two", "a"),
            project("two", "b"),
        ];
        let target = |text: &str| meant(&all, text).map(|project| project.target.as_str());
        assert_eq!(target("wasm-oci://one"), Ok("only"));
        assert_eq!(target("wasm-oci://own"), Ok("own"));
        assert_eq!(target("wasm-oci://run"), Ok("main"));
        assert_eq!(target("wasm-oci://two/b"), Ok("b"));
        for (text, part) in [
            ("wasm-oci://two", "wasm-oci://two/a, wasm-oci://two/b"),
            ("wasm-oci://two/c", "; there is a, b"),
            ("wasm-oci://own/othr", "did you mean `other`?"),
            ("wasm-oci://onee", "did you mean `one`?"),
            ("wasm-oci://zzz", "; there is one, own, run, two"),
            ("wasm-oci://", "names no program"),
            ("wasm-oci://a/b/c", "names no program"),
            ("wasm-oci://one:1.0", "its tag is that of the settings"),
            ("wasm-oci://../x", "names no p"),
        ] {
            let error = target(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        for project in &all {
            assert_eq!(meant(&all, &name(&all, project)), Ok(project));
        }
        let library = Project { kind: TargetKind::Cdylib, ..project("own", "own") };
        let all_and_library = [&[library][..], &all].concat();
        for project in &all_and_library {
            let name = name(&all_and_library, project);
            assert_eq!(meant(&all_and_library, &name), Ok(project), "{name}");
        }
        assert_eq!(name(&all_and_library, &all_and_library[0]), "wasm-oci://own/own.lib");
        assert_eq!(name(&all, &all[0]), "wasm-oci://one");
        assert_eq!(name(&all, &all[1]), "wasm-oci://own/other");
    }

    #[test]
    fn only_whole_scalars_are_references() {
        let text = "a: wasm-oci://x # wasm-oci://no\nb: &b [\"wasm-oci://y\", see wasm-oci://z]\nc: *b\nd: |\n  wasm-oci://v\n";
        let stream = Stream::read("a.yaml", text.as_bytes().to_vec()).unwrap();
        let (found, among_others) = find(&stream);
        let texts: Vec<&str> = found.iter().map(|found| found.text.as_str()).collect();
        assert_eq!(texts, ["wasm-oci://x", "wasm-oci://y", "wasm-oci://v"]);
        assert_eq!(among_others, ["a.yaml:2:24"]);
    }
}

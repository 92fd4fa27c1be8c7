use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use toml::{Table, Value as Toml};

use super::*;

fn values(name: &str) -> Values {
    Values {
        name: name.to_owned(),
        description: "Does \"this\"".to_owned(),
        registry: "ghcr.io/me".to_owned(),
        authors: "Jane Doe <jane@example.com>".to_owned(),
    }
}

fn text(file: &Rendered) -> &str {
    str::from_utf8(&file.content).unwrap()
}

fn file<'a>(files: &'a [Rendered], path: &str) -> &'a str {
    let found = files.iter().find(|file| file.path == Path::new(path));
    text(found.unwrap_or_else(|| panic!("there is no {path}")))
}

/// Returns the tables `package` or `workspace.package` of all manifests.
fn packages(files: &[Rendered]) -> Vec<Table> {
    let manifests = files.iter().filter(|file| file.path.ends_with("Cargo.toml"));
    manifests
        .map(|file| {
            let manifest: Table = text(file).parse().unwrap();
            let workspace = manifest.get("workspace").and_then(|it| it.get("package"));
            manifest.get("package").or(workspace).unwrap().as_table().unwrap().clone()
        })
        .collect()
}

#[test]
fn every_template_has_what_a_project_needs() {
    for template in all() {
        let files = template.render(&values("my-app")).unwrap();
        for path in [
            "Cargo.toml",
            "README.md",
            "rust-toolchain.toml",
            ".gitignore",
            ".github/workflows/ci.yml",
            "deploy/kubernetes.yaml",
            "deploy/compose.yaml",
        ] {
            assert!(!file(&files, path).is_empty());
        }
        assert!(files.iter().all(|file| file.path != Path::new(QUESTIONS)), "{}", template.name);
        let manifests = files.iter().filter(|file| file.path.ends_with("Cargo.toml")).map(text);
        assert!(
            manifests.clone().any(|it| it.contains("metadata.wasm-oci.smoke]]")),
            "{}",
            template.name
        );
        assert!(manifests.clone().any(|it| it.contains("repository = \"ghcr.io/me/{bin}\"")));
        for file in &files {
            let Ok(text) = str::from_utf8(&file.content) else { continue };
            let rest = text.replace("${{", "");
            let path = file.path.display();
            assert!(
                !rest.contains("{{") && !rest.contains("{%"),
                "{} {path}: {text}",
                template.name
            );
            assert!(
                text.ends_with('\n') && !text.ends_with("\n\n"),
                "{} {path} ends badly",
                template.name
            );
        }
    }
}

#[test]
fn names_are_where_they_belong() {
    let files = all()[0].render(&values("my_app")).unwrap();
    assert_eq!(packages(&files)[0]["name"].as_str(), Some("my_app"));
    let kubernetes = file(&files, "deploy/kubernetes.yaml");
    assert!(kubernetes.contains("  name: my-app\n"), "{kubernetes}");
    assert!(kubernetes.contains("image: wasm-oci://my_app\n"), "{kubernetes}");
    let library =
        all().iter().find(|it| it.name == "library").unwrap().render(&values("my-app")).unwrap();
    assert!(file(&library, "Cargo.toml").contains("entrypoint = [\"/my_app.wasm#run\"]"));
}

#[test]
fn nobody_in_particular_is_not_written_down() {
    for template in all() {
        let files = template.render(&Values { authors: String::new(), ..values("a") }).unwrap();
        assert!(
            packages(&files).iter().all(|package| !package.contains_key("authors")),
            "{}",
            template.name
        );
    }
}

/// Text values are never interpreted.
#[test]
fn hostile_texts_stay_data() {
    let hostile =
        "a \"b\" 'c' \\d\n[e]\r\nf = 1\t# g\u{7f} {{ project_name }} {% raw %} ${{ h }} \u{1f980}";
    let values =
        Values { description: hostile.to_owned(), authors: hostile.to_owned(), ..values("a") };
    for template in all() {
        let files = template.render(&values).unwrap();
        for package in packages(&files) {
            if let Some(Toml::String(description)) = package.get("description") {
                assert_eq!(description, hostile, "{}", template.name);
            }
            if let Some(Toml::Array(authors)) = package.get("authors") {
                assert_eq!(authors, &[Toml::from(hostile)], "{}", template.name);
            }
        }
        let elsewhere = |file: &&Rendered| {
            !file.path.ends_with("Cargo.toml") && file.path != Path::new("README.md")
        };
        for file in files.iter().filter(elsewhere) {
            let found = String::from_utf8_lossy(&file.content).contains("[e]");
            assert!(!found, "{} {}", template.name, file.path.display());
        }
        let readme = file(&files, "README.md");
        assert!(readme.contains("\na \"b\" 'c' \\d [e] f = 1 # g"), "{readme}");
    }
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// cargo-generate asks for the same values, with the same defaults, and copies binary files unchanged.
#[test]
fn cargo_generate_asks_for_the_same() {
    let questions: Table = fs::read_to_string(folder().join(QUESTIONS)).unwrap().parse().unwrap();
    let offered: Vec<&str> = questions["template"]["sub_templates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(offered, all().iter().map(|template| template.name).collect::<Vec<_>>());
    let original = fs::read_to_string(folder().join("cli").join(QUESTIONS)).unwrap();
    for template in all() {
        let text = fs::read_to_string(folder().join(template.name).join(QUESTIONS)).unwrap();
        let mut questions: Table = text.parse().unwrap();
        let others: Vec<Toml> = template
            .files
            .iter()
            .filter(|(_, content)| str::from_utf8(content).is_err())
            .map(|(path, _)| Toml::from(*path))
            .collect();
        let excluded = questions["template"].as_table_mut().unwrap().remove("exclude");
        assert_eq!(
            excluded.unwrap_or(Toml::Array(Vec::new())),
            Toml::Array(others),
            "{}",
            template.name
        );
        let description = &mut questions["placeholders"]["description"]["default"];
        assert_eq!(description.as_str(), Some(template.about));
        *description = all()[0].about.into();
        assert_eq!(
            questions,
            original.parse().unwrap(),
            "{} asks for something else",
            template.name
        );
    }
}

/// Files that templates share have their original in `cli`. cargo-generate reads only one folder, so each template needs a
/// copy. `TRYCMD=overwrite` copies them again.
#[test]
fn copies_are_copies() {
    let shared = [".gitignore.liquid", ".github/workflows/ci.yml.liquid", "rust-toolchain.toml"];
    for template in all() {
        for path in
            shared.iter().filter(|path| !(template.name == "http" && path.starts_with("rust")))
        {
            let original = fs::read_to_string(folder().join("cli").join(path)).unwrap();
            let copy = folder().join(template.name).join(path);
            if env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
                fs::write(&copy, &original).unwrap();
            }
            let same = fs::read_to_string(&copy).unwrap() == original;
            assert!(same, "{} is not that of `cli`: TRYCMD=overwrite copies it", copy.display());
        }
    }
}

#[test]
fn the_package_has_all_files() {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap());
    let listed = cargo
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .current_dir(folder())
        .output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let listed: BTreeSet<&str> = listed.lines().collect();
    for template in all() {
        for (path, _) in template.files {
            let path = format!("{}/{path}", template.name);
            assert!(listed.contains(path.as_str()), "cargo leaves {path} out: {listed:?}");
        }
    }
    assert!(listed.contains("cargo-generate.toml"), "{listed:?}");
}

#[test]
fn an_existing_package_gets_what_its_programs_need() {
    let program = |name: &str, serves| {
        let (package, name) = ("tools".to_owned(), name.to_owned());
        Program { package, name, serves, needs_shim: false }
    };
    let programs = [program("a_b", false), program("c", true)];
    let files = render_init(&values("tools"), &programs).unwrap();
    let paths: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
    assert_eq!(
        paths,
        [
            ".github/workflows/ci.yml",
            "rust-toolchain.toml",
            "deploy/compose.yaml",
            "deploy/kubernetes.yaml"
        ]
    );
    let kubernetes = file(&files, "deploy/kubernetes.yaml");
    assert!(kubernetes.contains("image: wasm-oci://tools/a_b\n"), "{kubernetes}");
    assert!(kubernetes.contains("kind: Job\nmetadata:\n  name: a-b\n"), "{kubernetes}");
    assert!(kubernetes.contains("kind: Deployment\nmetadata:\n  name: c\n"), "{kubernetes}");
    assert!(
        file(&files, "deploy/compose.yaml").contains("  a_b:\n    image: ghcr.io/me/a_b:latest\n")
    );
    assert!(file(&files, "rust-toolchain.toml").contains("wasm32-wasip2"));
    let shim = |path: &str, programs: &[Program]| {
        let files = render_init(&values("tools"), programs).unwrap();
        let text = file(&files, path);
        let key = if path.contains("compose") { "    runtime: " } else { " runtimeClassName: " };
        (text.matches(key).count(), text.matches("kind: RuntimeClass\n").count())
    };
    let [job, service] = programs;
    let job = Program { needs_shim: true, ..job };
    let (none, one) = ([service.clone()], [job, service]);
    assert_eq!(shim("deploy/kubernetes.yaml", &none), (0, 0));
    assert_eq!(shim("deploy/compose.yaml", &none), (0, 0));
    // Only the program whose image needs a shim has one.
    assert_eq!(shim("deploy/kubernetes.yaml", &one), (1, 1));
    assert_eq!(shim("deploy/compose.yaml", &one), (1, 0));
    let alone = render_init(&values("tools"), &[program("c", false)]).unwrap();
    assert!(file(&alone, "deploy/kubernetes.yaml").contains("image: wasm-oci://tools\n"));
}

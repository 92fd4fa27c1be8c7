//! `size`, of both commands, and `size-budget`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::commands::{example, lasting};
use crate::harness::{Browser, Registry, Run, cargo_wasm_oci, wasm_oci};
use crate::standalone::platform;

/// Names as rustc mangles them, one that would end a script, and one that is no text of HTML.
const MODULE: &str = r#"(module $app
    (memory (export "memory") 1)
    (func $_RNvNtCsdHhIpgkcIfN_4core6result13unwrap_failed nop nop nop nop nop nop nop nop nop nop nop nop nop nop)
    (func $_ZN7globset7GlobSet3new17h05bca2507848ec3fE nop nop nop nop nop nop nop nop nop nop nop nop nop nop nop)
    (func $_ZN7globset4glob5parse17h05bca2507848ec3fE nop nop nop nop nop nop nop nop nop nop)
    (func $"</script><img src=x onerror=\"document.title='run'\"><!--<T>" nop nop nop nop nop nop nop nop nop nop nop)
    (func (export "_start") nop nop nop)
    (data $.rodata (i32.const 8) "some constants that are long enough to be seen in a picture of all parts"))"#;

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn module(&self, name: &str, wat: &str) -> &Folder {
        fs::write(self.path(name), wat::parse_str(wat).unwrap()).unwrap();
        self
    }

    fn wasm_oci(&self, args: &[&str]) -> Run {
        Run::of(wasm_oci().args(args).current_dir(self.0.path()))
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.wasm_oci(args).success().stdout).unwrap()
    }

    fn cargo(&self, args: &[&str]) -> Run {
        Run::of(cargo_wasm_oci().arg("wasm-oci").args(args).current_dir(self.0.path()))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn a_standalone_image_has_a_runner_and_code_next_to_its_module() {
    let folder = Folder::new();
    let platform = platform();
    let pack = ["pack", "app.wasm", "--format=standalone", "--linux-platform", &platform];
    let _packed = folder.module("app.wasm", MODULE).wasm_oci(&pack).success();
    let sizes = folder.json(&["size", "oci:app.oci", "--json"]);
    let layers: Vec<_> = sizes["layers"].as_array().unwrap().iter().collect();
    let of = |layer: &&Value| (layer["content"].clone(), layer["platforms"].clone());
    let native = json!([platform]);
    let expected = [
        (json!("module"), json!(["wasi/wasm", platform])),
        (json!("runner"), native.clone()),
        (json!("code"), native),
    ];
    assert_eq!(layers.iter().map(of).collect::<Vec<_>>(), expected);
    // What the layout holds.
    for layer in layers {
        let hex = layer["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let blob = fs::metadata(folder.path(&format!("app.oci/blobs/sha256/{hex}"))).unwrap();
        assert_eq!(layer["size"], blob.len());
    }
    let text = folder.wasm_oci(&["size", "oci:app.oci"]).success().stdout;
    assert!(text.contains("layers of the image, compressed: "), "{text}");
    assert!(text.contains(&format!("module for wasi/wasm, {platform}\n")), "{text}");
    let module = folder.json(&["size", "app.wasm", "--json"]);
    assert_eq!(module["layers"], Value::Null);
}

#[track_caller]
fn assert_refused(run: &Run, code: i32, words: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
    let errors: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors.as_slice() else { panic!("not one line of error: {run:?}") };
    for word in words {
        assert!(error.contains(word), "no {word:?} in {error:?}");
    }
}

fn sum(items: &Value) -> u64 {
    items
        .as_array()
        .map_or(0, |items| items.iter().map(|item| item["size"].as_u64().unwrap()).sum())
}

/// All that must add up, does.
fn assert_whole(report: &Value) {
    assert_eq!(sum(&report["sections"]), report["total"].as_u64().unwrap());
    for section in report["sections"].as_array().unwrap() {
        let size = section["size"].as_u64().unwrap();
        for items in ["functions", "segments"] {
            // Id, length, number.
            let header = size - sum(&section[items]);
            assert!(
                section[items].is_null() || (3..=11).contains(&header),
                "{header} of {}",
                section["name"]
            );
        }
        if section["module"].is_object() {
            assert!((2..=6).contains(&(size - section["module"]["total"].as_u64().unwrap())));
            assert_whole(&section["module"]);
        }
    }
}

/// The bytes of code by crate, of all modules.
fn crates(report: &Value, sums: &mut BTreeMap<String, u64>) {
    for section in report["sections"].as_array().unwrap() {
        for function in section["functions"].as_array().into_iter().flatten() {
            *sums.entry(function["crate"].as_str().unwrap().to_owned()).or_default() +=
                function["size"].as_u64().unwrap();
        }
        if section["module"].is_object() {
            crates(&section["module"], sums);
        }
    }
}

#[test]
fn the_size_of_a_crate_is_that_of_what_is_shipped() {
    for target in ["wasm32-wasip1", "wasm32-wasip2"] {
        let run = |command: &str, args: &[&str]| {
            let mut cargo = cargo_wasm_oci();
            cargo.args(["wasm-oci", command, "--quiet", "--target", target, "--manifest-path"]);
            cargo.arg(example("hello")).arg("--target-dir").arg(lasting("hello-run"));
            Run::of(cargo.args(args)).success().stdout
        };
        let report: Value = serde_json::from_str(&run("size", &["--json"])).unwrap();
        assert_whole(&report);
        assert_eq!(report["name"], "hello");
        let layout = tempfile::tempdir().unwrap();
        let built = run("build", &["--oci-layout-path", layout.path().to_str().unwrap()]);
        let shipped = Run::of(wasm_oci().args(["size", "--json", built.trim()])).success();
        let shipped: Value = serde_json::from_str(&shipped.stdout).unwrap();
        assert_whole(&shipped);
        assert_eq!(shipped["total"], report["total"]);
        assert_eq!((&shipped["has_names"], &report["has_names"]), (&false.into(), &true.into()));

        let mut sums = BTreeMap::new();
        crates(&report, &mut sums);
        for name in ["hello", "core", "alloc", "std", "(C or other)"] {
            assert!(sums[name] > 100, "{name} of {sums:?}");
        }
        assert!(!sums.contains_key("(unnamed)"), "{sums:?}");
    }
}

#[test]
fn a_table_has_the_largest_and_the_rest() {
    let folder = Folder::new();
    folder.module("app.wasm", MODULE);
    let text = folder.wasm_oci(&["size", "app.wasm", "--limit", "1"]).success().stdout;
    let total = fs::metadata(folder.path("app.wasm")).unwrap().len();
    assert!(text.starts_with(&format!("{total:>7} B  100.0%  app.wasm\n")), "{text}");
    for row in [
        "code by crates: 68 B",
        "globset\n",
        "(2 more)\n",
        "(4 more)\n",
        "  globset::GlobSet::new\n",
    ] {
        assert!(text.contains(row), "no {row:?} in:\n{text}");
    }
    let bare = folder.module("bare.wasm", "(module (func (export \"f\")) (func nop))");
    let text = bare.wasm_oci(&["size", "bare.wasm"]).success().stdout;
    assert!(
        text.contains("no function names")
            && text.contains("  f\n")
            && text.contains("  func[1]\n"),
        "{text}"
    );
}

#[test]
fn a_difference_has_both_directions() {
    let folder = Folder::new();
    let changed = MODULE
        .replace("glob5parse", "glob5other")
        .replace("(export \"_start\") nop", "(export \"_start\")");
    folder.module("old.wasm", MODULE).module("new.wasm", &changed);
    let _packed =
        folder.wasm_oci(&["pack", "old.wasm", "-O", "off", "--tarball", "old.tar"]).success();
    let _packed = folder.wasm_oci(&["pack", "old.wasm", "-O", "off"]).success();
    let diff = folder.json(&["size", "new.wasm", "--diff", "old.wasm", "--json"]);
    assert_eq!(diff["total"]["change"], -1);
    let functions: Vec<_> = diff["functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["name"], &it["change"]))
        .collect();
    let expected = [("globset::glob::other", 13), ("globset::glob::parse", -13), ("_start", -1)]
        .map(|(name, change)| (Value::from(name), Value::from(change)));
    assert_eq!(functions, expected.iter().map(|(name, change)| (name, change)).collect::<Vec<_>>());
    for old in ["oci:old.oci", "oci-archive:old.tar"] {
        assert_eq!(folder.json(&["size", "new.wasm", "--diff", old, "--json"]), diff);
    }
    let text = folder.wasm_oci(&["size", "old.wasm", "--diff", "new.wasm"]).success().stdout;
    assert!(text.starts_with("     +1 B  ") && text.contains("globset::glob::parse\n"), "{text}");
    let same = folder.wasm_oci(&["size", "old.wasm", "--diff", "old.wasm"]).success().stdout;
    assert!(same.starts_with("      0 B") && same.lines().count() == 1, "{same}");

    let _optimized = folder.wasm_oci(&["optimize", "old.wasm", "-O0", "-o", "bare.wasm"]).success();
    let run = folder.wasm_oci(&["size", "new.wasm", "--diff", "bare.wasm"]).success();
    assert!(
        run.stderr.contains("`bare.wasm` has no function names") && !run.stdout.contains("globset"),
        "{run:?}"
    );
}

#[test]
fn a_difference_to_what_a_registry_has() {
    let (folder, registry) = (Folder::new(), Registry::start());
    let reference = format!("{}/app:1", registry.host());
    folder.module("app.wasm", MODULE);
    let _pushed = folder.wasm_oci(&["push", "app.wasm", &reference, "-O", "off"]).success();
    let diff = folder.json(&["size", "app.wasm", "--diff", &reference, "--json"]);
    assert_eq!((&diff["total"]["change"], &diff["has_names"]), (&0.into(), &true.into()));
}

#[test]
fn what_can_not_be_shown() {
    let folder = Folder::new();
    fs::write(folder.path("text.wasm"), "(module)").unwrap();
    folder.module("app.wasm", MODULE);
    let whole = fs::read(folder.path("app.wasm")).unwrap();
    fs::write(folder.path("cut.wasm"), &whole[..40]).unwrap();
    let before = folder.names();
    for (args, code, words) in [
        (vec!["text.wasm"], 3, ["`text.wasm`", "text format"]),
        (vec!["none.wasm"], 1, ["can't read", "`none.wasm`"]),
        (vec!["cut.wasm"], 3, ["`cut.wasm`", "at byte"]),
        (vec!["app.wasm", "--diff", "text.wasm"], 3, ["`text.wasm`", "text format"]),
        (vec!["app.wasm", "--diff", "oci:none"], 1, ["`none`", "oci-layout"]),
        (vec!["app.wasm", "--html", "none/size.html"], 1, ["can't write", "`none/size.html`"]),
        (vec!["app.wasm", "--html", "."], 1, ["can't write", "`.`"]),
    ] {
        assert_refused(&folder.wasm_oci(&[&["size"], args.as_slice()].concat()), code, &words);
    }
    assert_eq!(folder.names(), before);
}

#[test]
fn a_treemap_is_zoomed_by_mouse_and_keys() {
    let folder = Folder::new();
    folder.module("app.wasm", MODULE);
    let report = folder.json(&["size", "app.wasm", "--html", "size.html", "--json"]);
    let script = r#"
        const named = (name) => `[...document.querySelectorAll(".cell")].find((it) => it.node.name === "${name}")`;
        const state = () => page.value(`({
            title: document.title,
            size: Number(document.querySelector("nav [aria-current]").dataset.size),
            path: [...document.querySelectorAll("nav button")].map((it) => it.textContent),
            children: [...document.querySelectorAll('.cell[data-depth="1"]')].map((it) =>
                [it.node.full_name ?? it.node.name, Number(it.dataset.size)]),
            labels: [...document.querySelectorAll(".cell span")].map((it) => it.textContent),
        })`);
        const at = (name) => page.until(`document.querySelector("nav [aria-current]")?.textContent === "${name}"`);
        const states = [];
        await at("app.wasm");
        await page.until('document.querySelector(".cell")');
        states.push(await state());
        for (const name of ["code", "globset"]) {
            await page.click(named(name));
            await at(name);
            states.push(await state());
        }
        await page.keys("\uE00C");
        await at("code");
        await page.keys("/", ..."<t>");
        await page.until('document.querySelector("output").textContent.startsWith("1 found")');
        const found = await page.value('[...document.querySelectorAll(".found")].map((it) => it.title)');
        return { states, found };"#;
    let seen = Browser::run(folder.path("size.html"), script);
    let [whole, code, globset] = seen["states"].as_array().unwrap().as_slice() else {
        panic!("{seen}")
    };
    let total = report["total"].as_u64().unwrap();
    assert_eq!(
        (&whole["size"], total),
        (&total.into(), fs::metadata(folder.path("app.wasm")).unwrap().len())
    );
    assert_eq!(whole["title"], format!("app.wasm: {total} B"));

    let mut sums = BTreeMap::new();
    crates(&report, &mut sums);
    for child in code["children"].as_array().unwrap() {
        let name = child[0].as_str().unwrap();
        assert!(name == "(header)" || child[1] == sums[name], "{child} of {sums:?}");
    }
    assert!(code["children"].as_array().unwrap().len() > sums.len() / 2, "{code}");
    assert_eq!(globset["size"], sums["globset"]);
    assert_eq!(globset["path"], serde_json::json!(["app.wasm", "code", "globset"]));
    let children: Vec<&Value> =
        globset["children"].as_array().unwrap().iter().map(|it| &it[0]).collect();
    assert_eq!(children, ["GlobSet", "glob"]);
    assert!(globset["labels"].as_array().unwrap().contains(&"new".into()), "{globset}");
    // A name is a text, whatever is in it.
    let [found] = seen["found"].as_array().unwrap().as_slice() else { panic!("{seen}") };
    assert!(found.as_str().unwrap().starts_with("</script><img src=x onerror="), "{found}");
}

#[test]
fn what_is_over_its_budget_is_neither_packed_nor_pushed() {
    let (folder, registry) = (Folder::new(), Registry::start());
    let reference = format!("{}/app:1", registry.host());
    folder.module("app.wasm", MODULE);
    let exact = fs::metadata(folder.path("app.wasm")).unwrap().len().to_string();
    let within = ["push", "app.wasm", &reference, "-O", "off", "--size-budget", &exact];
    let _pushed = folder.wasm_oci(&within).success();
    let digest = folder.json(&["inspect", &reference, "--json"])["digest"].clone();
    let words = ["`app`", "over its size budget", "100 B", "its largest crate is `globset`"];
    for args in [
        vec!["pack", "app.wasm", "-O", "off", "--size-budget", "100B"],
        vec![
            "push",
            "app.wasm",
            &reference,
            "-O",
            "off",
            "--size-budget",
            "100B",
            "--label",
            "a=b",
        ],
        vec!["push", &reference, &reference, "--size-budget", "100B"],
    ] {
        assert_refused(&folder.wasm_oci(&args), 6, &words);
    }
    let optimize = ["optimize", "app.wasm", "-O0", "-o", "small.wasm", "--size-budget", "50B"];
    assert_refused(&folder.wasm_oci(&optimize), 6, &["over its size budget", "50 B"]);
    assert_eq!(folder.names(), ["app.wasm"]);
    assert_eq!(folder.json(&["inspect", &reference, "--json"])["digest"], digest);
    let nonsense = folder.wasm_oci(&["pack", "app.wasm", "--size-budget", "much"]);
    assert_eq!(
        (nonsense.code, nonsense.stderr.contains("write it as 600kB")),
        (2, true),
        "{nonsense:?}"
    );
}

#[test]
fn a_crate_that_grows_over_its_budget_is_told_by_what() {
    let folder = Folder::new();
    let manifest = |budget: &str| {
        let text = format!(
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n\
             [package.metadata.wasm-oci]\nsize-budget = {budget}\n"
        );
        fs::write(folder.path("Cargo.toml"), text).unwrap();
    };
    let main = |text: &str| fs::write(folder.path("src/main.rs"), text).unwrap();
    let index = || fs::read(folder.path("target/wasm-oci/app/index.json")).unwrap();
    fs::create_dir(folder.path("src")).unwrap();
    manifest("\"10 MB\"");
    main("fn main() { println!(\"hello\") }");
    let _built = folder.cargo(&["build"]).success();
    let before = index();

    // Nothing is to be done, but to look at the budget.
    let fresh = folder.cargo(&["build"]).success();
    assert!(fresh.stderr.contains("Fresh app"), "{}", fresh.stderr);
    manifest("{ image = \"1 kB\" }");
    assert_refused(
        &folder.cargo(&["build"]),
        6,
        &["compressed", "1.00 kB", "its largest crate is"],
    );
    assert!(folder.cargo(&["run"]).success().stdout.contains("hello"));

    manifest("\"40 kB\"");
    main(
        "fn main() {\n    let all: std::collections::BTreeMap<String, f64> = std::env::args().map(|it| (it.clone(), it.parse().unwrap_or(0.5))).collect();\n    println!(\"{all:?}\")\n}",
    );
    let grown = folder.cargo(&["build"]);
    assert_refused(
        &grown,
        6,
        &["its module has", "largest increase since the last build within budget", "function `"],
    );
    assert_eq!(index(), before);

    fs::write(folder.path("target/wasm-oci/.sizes/app.json"), "{").unwrap();
    assert_refused(&folder.cargo(&["build"]), 6, &["its largest crate is"]);

    // `size` shows programs of any size, all that are selected.
    fs::create_dir(folder.path("src/bin")).unwrap();
    fs::write(folder.path("src/bin/other.rs"), "fn main() {}").unwrap();
    let both = folder.cargo(&["size", "--json", "-O", "0"]).success().stdout;
    let reports = both.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names: Vec<_> =
        reports.inspect(assert_whole).map(|report| report["name"].clone()).collect();
    assert_eq!(names, ["app", "other"]);
    let html = ["size", "-O", "0", "--html", "size.html"];
    assert_refused(&folder.cargo(&html), 2, &["--bin"]);
    let one = folder.cargo(&[&html[..], &["--bin", "other", "--json"]].concat()).success().stdout;
    assert_eq!(one.lines().next(), both.lines().nth(1));
    assert!(fs::read_to_string(folder.path("size.html")).unwrap().contains("\"name\":\"other\""));
}

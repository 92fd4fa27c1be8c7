//! Whether cargo is started when it has to be, whatever has changed; and left alone when nothing has.

use std::{path::Path, time::SystemTime};

use fs_err as fs;

use super::{Sandbox, built_names, manifest};
use crate::cargo::{
    build::{Built, Event},
    error::Error,
    selection::Selection,
};

/// Builds, and tells whether cargo was started for it.
fn build(sandbox: &Sandbox, selection: &Selection) -> (Result<Built<()>, Error>, bool) {
    let mut started = false;
    let profile = selection.profile.clone().or(Some("dev".into()));
    let selection = Selection { profile, ..selection.clone() };
    let built = sandbox.build_with("w/app", selection, &mut |event| {
        started |= matches!(event, Event::CargoMessage(_));
    });
    (built, started)
}

fn starts_cargo(sandbox: &Sandbox) -> bool {
    let (built, started) = build(sandbox, &Selection::default());
    built.expect("built");
    started
}

/// Builds until cargo is left alone: it has to build, and then to say that there is nothing to do.
fn rest(sandbox: &Sandbox) {
    let starts = (0..3).take_while(|_| {
        sandbox.settle();
        starts_cargo(sandbox)
    });
    assert!(starts.count() < 3, "cargo is started each time");
}

fn never_rests(sandbox: &Sandbox) {
    for _ in 0..4 {
        sandbox.settle();
        assert!(starts_cargo(sandbox));
    }
}

/// Changes a file, and makes it look as if it had been changed when it last was.
fn change_secretly(path: &Path, from: &str, to: &str) {
    let modified = fs::metadata(path).expect("there").modified().expect("a time");
    let text = fs::read_to_string(path).expect("text");
    assert!(text.contains(from) && from.len() == to.len());
    fs::write(path, text.replace(from, to)).expect("writable");
    set_modified(path, modified);
}

fn set_modified(path: &Path, time: SystemTime) {
    fs::File::options()
        .append(true)
        .open(path)
        .expect("there")
        .set_modified(time)
        .expect("writable");
}

const WORKSPACE: &str = "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"members/*\"]\n";

/// An `app` with a bit of everything: a build script, a text, a macro, a dependency outside its workspace, and another
/// member that it has nothing to do with.
fn app() -> Sandbox {
    let app = manifest("app")
        + "[features]\nextra = []\n[dependencies]\noutside = { path = \"../../outside\" }\nderive = { path = \"derive\" }\n";
    let outside = "[workspace]\n".to_owned() + &manifest("outside");
    Sandbox::new(&[
        ("w/Cargo.toml", WORKSPACE),
        ("w/app/Cargo.toml", &app),
        (
            "w/app/src/main.rs",
            "mod more;\nfn main() {\n    println!(\"{} {} {} {}\", include_str!(\"../text.txt\"), env!(\"BUILT\"), \
             outside::NAME, derive::one!());\n    more::more();\n}\n",
        ),
        ("w/app/src/more.rs", "pub fn more() { println!(\"more\"); }\n"),
        ("w/app/src/bin/second/note.txt", ""),
        ("w/app/examples/third", ""),
        ("w/app/text.txt", "text"),
        ("w/app/data/one.txt", "1"),
        (
            "w/app/build.rs",
            "fn main() {\n    let files = std::fs::read_dir(\"data\").unwrap().count();\n    println!(\"cargo::rustc-env=BUILT={files} \
             files\");\n    println!(\"cargo::rerun-if-changed=data\");\n}\n",
        ),
        ("w/app/derive/Cargo.toml", &(manifest("derive") + "[lib]\nproc-macro = true\n")),
        (
            "w/app/derive/src/lib.rs",
            "#[proc_macro]\npub fn one(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"1\".parse().unwrap() }\n",
        ),
        ("w/members/idle/Cargo.toml", &manifest("idle")),
        ("w/members/idle/src/lib.rs", ""),
        ("outside/Cargo.toml", &outside),
        ("outside/src/lib.rs", "pub const NAME: &str = \"outside\";\n"),
    ])
}

impl Sandbox {
    /// The sandbox itself is no place for a workspace: one further up is looked for.
    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root().join(path)
    }
}

#[test]
fn whatever_changes_is_noticed() {
    let sandbox = app();
    let write = |path: &'static str, text: &'static str| move |it: &Sandbox| it.write(path, text);
    let append = |path: &'static str| {
        move |it: &Sandbox| {
            let text = fs::read_to_string(it.path(path)).expect("text");
            it.write(path, &(text + "\n"));
        }
    };
    let module = "w/target/wasm32-wasip1/debug/app.wasm";
    type Change<'a> = (&'a str, Box<dyn Fn(&Sandbox)>);
    let changes: Vec<Change<'_>> = vec![
        (
            "a source that looks as old as before",
            Box::new(|it| change_secretly(&it.path("w/app/src/more.rs"), "\"more\"", "\"MORE\"")),
        ),
        (
            "an included text",
            Box::new(|it| change_secretly(&it.path("w/app/text.txt"), "text", "TEXT")),
        ),
        (
            "a macro",
            Box::new(|it| change_secretly(&it.path("w/app/derive/src/lib.rs"), "\"1\"", "\"2\"")),
        ),
        (
            "a dependency outside",
            Box::new(|it| {
                change_secretly(&it.path("outside/src/lib.rs"), "\"outside\"", "\"OUTSIDE\"")
            }),
        ),
        ("its manifest", Box::new(append("outside/Cargo.toml"))),
        ("a build script", Box::new(append("w/app/build.rs"))),
        (
            "what a build script reads",
            Box::new(|it| change_secretly(&it.path("w/app/data/one.txt"), "1", "2")),
        ),
        ("a new file among that", Box::new(write("w/app/data/two.txt", ""))),
        ("a new program", Box::new(write("w/app/src/bin/first.rs", "fn main() {}"))),
        (
            "a new program in a folder",
            Box::new(write("w/app/src/bin/second/main.rs", "fn main() {}")),
        ),
        (
            "a folder where there was a file",
            Box::new(|it| {
                fs::remove_file(it.path("w/app/examples/third")).expect("removed");
                it.write("w/app/examples/third/main.rs", "fn main() {}");
            }),
        ),
        (
            "a program that is gone",
            Box::new(|it| fs::remove_file(it.path("w/app/src/bin/first.rs")).expect("removed")),
        ),
        (
            "a file that only looks like a build script",
            Box::new(write("w/members/idle/build.rs", "fn main() {}")),
        ),
        (
            "a member that becomes a program",
            Box::new(write("w/members/idle/src/main.rs", "fn main() {}")),
        ),
        ("the manifest", Box::new(append("w/app/Cargo.toml"))),
        ("the workspace's manifest", Box::new(append("w/Cargo.toml"))),
        ("the lock", Box::new(append("w/Cargo.lock"))),
        ("configuration", Box::new(write("w/.cargo/config.toml", "build.jobs = 2\n"))),
        ("configuration further up", Box::new(write(".cargo/config.toml", ""))),
        ("a lost module", Box::new(move |it| fs::remove_file(it.path(module)).expect("removed"))),
        (
            "a module that somebody else has written",
            Box::new(move |it| {
                let modified =
                    fs::metadata(it.path(module)).expect("there").modified().expect("a time");
                let mut bytes = fs::read(it.path(module)).expect("a module");
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                fs::remove_file(it.path(module)).expect("removed");
                fs::write(it.path(module), bytes).expect("writable");
                set_modified(&it.path(module), modified);
            }),
        ),
        (
            "a lost library",
            Box::new(|it| {
                let deps =
                    fs::read_dir(it.path("w/target/wasm32-wasip1/debug/deps")).expect("a folder");
                let mut paths = deps.map(|entry| entry.expect("an entry").path());
                let library = paths.find(|path| path.extension().is_some_and(|it| it == "rlib"));
                fs::remove_file(library.expect("one")).expect("removed");
            }),
        ),
    ];
    for (what, change) in changes {
        rest(&sandbox);
        sandbox.settle();
        change(&sandbox);
        assert!(starts_cargo(&sandbox), "{what}");
    }
    rest(&sandbox);
    let built = build(&sandbox, &Selection::default());
    assert_eq!(built_names(&built.0.expect("built")), ["app/app", "app/second"]);
    assert!(!built.1);
}

#[test]
fn what_is_built_meanwhile_is_what_cargo_would_have_built() {
    let sandbox = app();
    let module = |sandbox: &Sandbox| {
        let built = build(sandbox, &Selection::default()).0.expect("built");
        let project = built.projects.into_iter().next().expect("one");
        (project.fresh, fs::read(project.wasm).expect("a module"))
    };
    rest(&sandbox);
    let (fresh, one) = module(&sandbox);
    assert!(fresh);
    let more = sandbox.path("w/app/src/more.rs");
    change_secretly(&more, "\"more\"", "\"MORE\"");
    // cargo believes the time, and so takes the file as unchanged. It is not for us to know better.
    assert!(module(&sandbox).0);
    set_modified(&more, SystemTime::now());
    let (fresh, two) = module(&sandbox);
    assert!(!fresh && one != two);
    rest(&sandbox);
    assert_eq!(module(&sandbox), (true, two));
}

#[test]
fn another_request_is_another_matter() {
    let mut sandbox = app();
    rest(&sandbox);
    let features = Selection { features: vec!["extra".into()], ..Selection::default() };
    assert!(build(&sandbox, &features).1);
    assert!(
        build(&sandbox, &Selection { profile: Some("release".into()), ..Selection::default() }).1
    );
    assert!(build(&sandbox, &Selection { locked: true, ..Selection::default() }).1);
    assert!(build(&sandbox, &Selection { verbose: 1, ..Selection::default() }).1);
    // Those have written the same module, which is not what it was.
    rest(&sandbox);
    sandbox.set("ANYTHING", "new");
    assert!(starts_cargo(&sandbox));
    rest(&sandbox);
    sandbox.set("ANYTHING", "newer");
    assert!(starts_cargo(&sandbox));
}

#[test]
fn a_member_that_is_new_or_gone_is_noticed() {
    let sandbox = app();
    rest(&sandbox);
    sandbox.write("w/members/new/Cargo.toml", &manifest("new"));
    sandbox.write("w/members/new/src/main.rs", "fn main() {}");
    assert!(starts_cargo(&sandbox));
    rest(&sandbox);
    fs::remove_dir_all(sandbox.path("w/members/new")).expect("removed");
    assert!(starts_cargo(&sandbox));
}

#[test]
fn a_workspace_that_cargo_looks_for_in_vain_counts_once_it_is_there() {
    let sandbox = Sandbox::new(&[
        ("w/app/Cargo.toml", &manifest("app")),
        ("w/app/src/main.rs", "fn main() {}"),
    ]);
    rest(&sandbox);
    sandbox.write("w/Cargo.toml", "[workspace]\nmembers = [\"app\"]\nresolver = \"3\"\n");
    let (built, started) = build(&sandbox, &Selection::default());
    assert!(started && built.expect("built").workspace.root() == sandbox.path("w"));
}

#[test]
fn what_was_just_written_is_built_by_cargo() {
    let sandbox = app();
    rest(&sandbox);
    for n in 0..3 {
        // So soon after a change, the clock may not tell whether there was another.
        sandbox.write("w/app/text.txt", &n.to_string());
        assert!(starts_cargo(&sandbox));
        assert!(starts_cargo(&sandbox));
    }
}

#[test]
fn warnings_are_shown_each_time() {
    let sandbox = app();
    sandbox.write("w/app/src/more.rs", "pub fn more() { let unused = 1; }\n");
    never_rests(&sandbox);
    sandbox.write("w/app/src/more.rs", "pub fn more() {}\n");
    rest(&sandbox);
    let script = "fn main() {\n    println!(\"cargo::rustc-env=BUILT=\");\n    println!(\"cargo::rerun-if-changed=data\");\n    \
                  println!(\"cargo::warning=mind this\");\n}\n";
    sandbox.write("w/app/build.rs", script);
    never_rests(&sandbox);
}

#[test]
fn a_build_that_fails_fails_again() {
    let sandbox = app();
    rest(&sandbox);
    sandbox.write("w/app/src/more.rs", "no\n");
    for _ in 0..3 {
        sandbox.settle();
        let (built, _) = build(&sandbox, &Selection::default());
        assert!(matches!(built, Err(Error::CargoBuildFailed { .. })));
    }
}

#[test]
fn what_is_not_certain_is_left_to_cargo() {
    // It goes by all files of its package, but for those that git ignores.
    let sandbox = app();
    sandbox.write("w/app/build.rs", "fn main() { println!(\"cargo::rustc-env=BUILT=\"); }\n");
    never_rests(&sandbox);
    for (name, value) in [("RUSTC_WRAPPER", "env"), ("CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "env")]
    {
        let mut sandbox = app();
        sandbox.set(name, value);
        never_rests(&sandbox);
    }
    let sandbox = app();
    sandbox.write("w/Cargo.toml", &format!("{WORKSPACE}[patch.crates-io]\n"));
    never_rests(&sandbox);
    // A pattern that only cargo understands.
    let sandbox = app();
    sandbox.write("w/Cargo.toml", &WORKSPACE.replace("members/*", "member?/*"));
    never_rests(&sandbox);
}

#[test]
#[cfg(unix)]
fn another_compiler_further_ahead_is_noticed() {
    use std::os::unix::fs::PermissionsExt;

    let mut sandbox = app();
    let path = std::env::var_os("PATH").expect("set");
    let bin = sandbox.path("bin");
    fs::create_dir(&bin).expect("writable");
    let all = [bin.clone()].into_iter().chain(std::env::split_paths(&path));
    sandbox.set("PATH", std::env::join_paths(all).expect("a path"));
    rest(&sandbox);
    sandbox.write("bin/rustc", "#!/bin/sh\nexec rustc-of-another-day \"$@\"\n");
    fs::set_permissions(bin.join("rustc"), std::fs::Permissions::from_mode(0o755))
        .expect("writable");
    let (built, _) = build(&sandbox, &Selection::default());
    assert!(matches!(built, Err(Error::CargoBuildFailed { .. })));
}

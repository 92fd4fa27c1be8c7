//! `completions` and `man` of both commands, as shells and readers of manual pages take them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::commands::{program, rustup_home};
use crate::harness::{Run, cargo_wasm_oci, tools, wasm_oci};

/// The script for a shell, in a file of a folder.
fn script(folder: &Path, name: &str, shell: &str) -> PathBuf {
    let mut command = match name {
        "wasm-oci" => wasm_oci(),
        _ => {
            let mut command = cargo_wasm_oci();
            command.arg("wasm-oci");
            command
        }
    };
    let run = Run::of(command.args(["completions", shell])).success();
    let path =
        folder.join(if shell == "zsh" { format!("_{name}") } else { format!("{name}.{shell}") });
    fs::write(&path, run.stdout).unwrap();
    path
}

/// Returns bash's completions of the last of `words` after `setup`.
fn in_bash(setup: &str, words: &[&str]) -> Vec<String> {
    // As readline calls what `complete` has registered.
    let drive = r#"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMPREPLY=()
        [[ $(complete -p "$1") =~ \ -F\ ([^ ]+) ]] || exit 9
        "${BASH_REMATCH[1]}" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-c", &format!("{setup}\n{drive}"), "bash"]).args(words);
    let run = Run::of(&mut bash).success();
    assert_eq!(run.stderr, "");
    run.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let own = format!("source {}", script(folder.path(), "wasm-oci", "bash").display());
    assert_eq!(in_bash(&own, &["wasm-oci", "insp"]), ["inspect"]);
    assert_eq!(in_bash(&own, &["wasm-oci", "pack", "--oci"]), ["--oci-layout-path"]);
    assert_eq!(in_bash(&own, &["wasm-oci", "completions", "po"]), ["powershell"]);
    assert_eq!(in_bash(&own, &["wasm-oci", "registry", "ser"]), ["serve"]);

    let plugin = format!("source {}", script(folder.path(), "cargo-wasm-oci", "bash").display());
    for start in
        [&["cargo-wasm-oci"][..], &["cargo", "wasm-oci"], &["cargo", "+nightly", "wasm-oci"]]
    {
        let complete = |words: &[&str]| in_bash(&plugin, &[start, words].concat());
        assert_eq!(complete(&["verify"]), ["verify-rebuild"], "{start:?}");
        assert_eq!(complete(&["push", "--no-t"]), ["--no-test"], "{start:?}");
        assert_eq!(
            complete(&["build", "--target", "wasm32-wasip2"]),
            ["wasm32-wasip2"],
            "{start:?}"
        );
    }
}

/// Completions of cargo itself don't change, no matter if they are loaded before ours, on demand, or never.
#[test]
fn bash_completes_everything_else_of_cargo_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = format!("source {}", script(folder.path(), "cargo-wasm-oci", "bash").display());
    let cargos =
        "_cargo() { COMPREPLY=(\"cargos $1 $2 $3\"); }; complete -o nosort -F _cargo cargo";
    let before = format!("{cargos}\n{plugin}\n{plugin}");
    assert_eq!(in_bash(&before, &["cargo", "bui"]), ["cargos cargo bui cargo"]);
    assert_eq!(in_bash(&before, &["cargo", "build", "wasm-oci"]), ["cargos cargo wasm-oci build"]);
    assert_eq!(in_bash(&before, &["cargo", "wasm-oci", "verify"]), ["verify-rebuild"]);
    let options =
        Run::of(Command::new("bash").args(["-c", &format!("{before}\ncomplete -p cargo")]))
            .success();
    assert_eq!(options.stdout, "complete -o nosort -F _cargo_wasm_oci_after_cargo cargo\n");
    let loaded = format!("_completion_loader() {{ {cargos}; return 124; }}\n{plugin}");
    assert_eq!(in_bash(&loaded, &["cargo", "bui"]), ["cargos cargo bui cargo"]);
    let missing: [&str; 0] = [];
    assert_eq!(in_bash(&plugin, &["cargo", "bui"]), missing);
    // A completion that is not a function can't be wrapped, so it stays unchanged.
    let words = format!("complete -W 'build bench' cargo\n{plugin}\ncomplete -p cargo");
    let words = Run::of(Command::new("bash").args(["-c", &words])).success();
    assert_eq!(words.stdout, "complete -W 'build bench' cargo\n");
}

/// The completion that rustup brings with cargo.
#[test]
fn bash_completes_with_cargos_own_script() {
    let folder = tempfile::tempdir().unwrap();
    let sysroot = Run::of(Command::new("rustc").args(["--print", "sysroot"])).success().stdout;
    let cargos = Path::new(sysroot.trim()).join("etc/bash_completion.d/cargo");
    // Of bash-completion, which it is written for, it uses one function here.
    let setup = format!(
        "_get_comp_words_by_ref() {{ cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} \
         cword=$COMP_CWORD words=(\"${{COMP_WORDS[@]}}\"); }}\nsource {}\nsource {}",
        cargos.display(),
        script(folder.path(), "cargo-wasm-oci", "bash").display()
    );
    assert!(in_bash(&setup, &["cargo", "metad"]).contains(&"metadata".to_owned()));
    assert_eq!(in_bash(&setup, &["cargo", "wasm-oci", "verify"]), ["verify-rebuild"]);
}

#[test]
fn zsh_completes_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let _own = script(folder.path(), "wasm-oci", "zsh");
    let _plugin = script(folder.path(), "cargo-wasm-oci", "zsh");
    let sysroot = Run::of(Command::new("rustc").args(["--print", "sysroot"])).success().stdout;
    let zsh = tools::program("zsh");
    for name in ["_wasm-oci", "_cargo-wasm-oci"] {
        let _parsed =
            Run::of(Command::new(&zsh).arg("--no-exec").arg(folder.path().join(name))).success();
    }
    // A zsh at a terminal, with a Tab pressed: only so does its completion run. What it is completed to is printed.
    let complete = |line: &str| {
        let driver = r#"
            zmodload zsh/zpty
            zpty shell zsh -f -i
            zpty -w shell 'PS1=; fpath=(${=FPATH_OF_TEST} $fpath); autoload -U compinit; compinit -u -D; bindkey "^I" complete-word'
            zpty -w shell 'show() { print -r -- "<<$BUFFER>>"; BUFFER=; zle accept-line }; zle -N show; bindkey "^X" show; print ready-$((1+1))'
            zpty -r -m shell seen '*ready-2*' || exit 8
            zpty -n -w shell "$1"$'\t\x18'
            zpty -r -m shell seen '*<<*>>*' || exit 9
            print -r -- "${${seen##*<<}%%>>*}"
        "#;
        let mut command = Command::new(&zsh);
        command.args(["-f", "-c", driver, "zsh", line]).env("TERM", "dumb");
        let cargos = Path::new(sysroot.trim()).join("share/zsh/site-functions");
        command.env("FPATH_OF_TEST", format!("{} {}", folder.path().display(), cargos.display()));
        Run::of(&mut command).success().stdout.trim().to_owned()
    };
    assert_eq!(complete("wasm-oci insp"), "wasm-oci inspect");
    assert_eq!(complete("cargo-wasm-oci verify"), "cargo-wasm-oci verify-rebuild");
    assert_eq!(complete("cargo wasm-oci verify"), "cargo wasm-oci verify-rebuild");
    assert_eq!(complete("cargo wasm-oci push --no-t"), "cargo wasm-oci push --no-test");
}

#[test]
fn fish_completes_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let own = script(folder.path(), "wasm-oci", "fish");
    let plugin = script(folder.path(), "cargo-wasm-oci", "fish");
    let complete = |line: &str| {
        let mut fish = Command::new(tools::program("fish"));
        // Fish only knows commands that there are.
        let path = format!(
            "{}:{}",
            program("wasm-oci").parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        );
        // Another home is another configuration: none.
        fish.env("PATH", path)
            .env("HOME", folder.path())
            .env("RUSTUP_HOME", rustup_home())
            .env("TERM", "dumb");
        let source =
            format!("source {}; source {}; complete -C $argv[1]", own.display(), plugin.display());
        let run = Run::of(fish.args(["-c", &source, line])).success();
        assert_eq!(run.stderr, "");
        // The description follows after a tab.
        run.stdout
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(complete("wasm-oci insp"), ["inspect"]);
    assert_eq!(complete("cargo-wasm-oci verify"), ["verify-rebuild"]);
    assert_eq!(complete("cargo wasm-oci verify"), ["verify-rebuild"]);
    assert_eq!(complete("cargo wasm-oci push --no-t"), ["--no-test"]);
    assert!(complete("cargo wasm-").contains(&"wasm-oci".to_owned()));
    // Cargo's own are there, too.
    assert!(complete("cargo metad").contains(&"metadata".to_owned()));
}

#[test]
fn other_shells_have_scripts_too() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["wasm-oci", "cargo-wasm-oci"] {
        for shell in ["powershell", "elvish"] {
            let text = fs::read_to_string(script(folder.path(), name, shell)).unwrap();
            assert!(text.contains(&format!("'{name}'")) && !text.contains("'cargo'"), "{text}");
        }
    }
    let unknown = Run::of(wasm_oci().args(["completions", "csh"]));
    assert_eq!(unknown.code, 2, "{unknown:?}");
}

#[test]
fn manual_pages_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("share/man/man1");
    let _written = Run::of(wasm_oci().args(["man", "--out-dir"]).arg(&out)).success();
    let run = Run::of(cargo_wasm_oci().args(["wasm-oci", "man", "--out-dir"]).arg(&out)).success();
    assert!(run.stderr.contains("Wrote "), "{run:?}");
    let pages: Vec<PathBuf> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    let names: Vec<&str> =
        pages.iter().map(|page| page.file_name().unwrap().to_str().unwrap()).collect();
    for name in
        ["wasm-oci.1", "wasm-oci-registry-serve.1", "cargo-wasm-oci.1", "cargo-wasm-oci-push.1"]
    {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(
        !names.iter().any(|name| name.contains("help") || name.contains("run-image")),
        "{names:?}"
    );
    for page in &pages {
        let mut check = Command::new(tools::program("mandoc"));
        check.args(["-T", "lint", "-W", "warning,stop"]).arg(page);
        let run = Run::of(&mut check);
        // There is no date by intent, and lines of clap_mangen's that change nothing.
        let known = ["cannot parse date", "skipping paragraph macro: br"];
        let is_known = |line: &&str| known.iter().any(|text| line.contains(text));
        let said: Vec<&str> = run.stdout.lines().filter(|line| !is_known(line)).collect();
        assert!(said.is_empty(), "{said:?}");
    }
    let printed = Run::of(cargo_wasm_oci().args(["wasm-oci", "man", "push"])).success().stdout;
    assert_eq!(printed, fs::read_to_string(out.join("cargo-wasm-oci-push.1")).unwrap());
    let mut read = Command::new(tools::program("mandoc"));
    let text =
        Run::of(read.args(["-T", "ascii"]).arg(out.join("cargo-wasm-oci-push.1"))).success().stdout;
    // Bold letters are struck twice.
    let plain = regex::Regex::new(".\u{8}").unwrap().replace_all(&text, "");
    assert!(plain.contains("cargo wasm-oci push ["), "{plain}");
    assert!(plain.contains("Push without running the smoke tests first"), "{plain}");

    let unknown = Run::of(wasm_oci().args(["man", "pusch"]));
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("`wasm-oci` has no subcommand `pusch`"), "{unknown:?}");
}

//! A program that wants what it was not given says so in its own words; ours say which option gives it.

use std::fs;

use super::run;

/// The program fails, and the hints are about these options.
#[track_caller]
fn assert_hints(options: &[&str], args: &[&str], expected: &[&str]) {
    let ended = run(options, args);
    assert_ne!(ended.code, 0, "{ended:?}");
    let hints: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("hint: ")).collect();
    assert_eq!(hints.len(), expected.len(), "{ended:?}");
    for (hint, words) in hints.iter().zip(expected) {
        assert!(hint.contains(words), "no {words:?} in {hint:?}");
    }
}

#[test]
fn a_file_in_no_folder() {
    for what in ["open", "read", "write", "remove", "make", "told", "as-in-c"] {
        assert_hints(&[], &["missing", what, "/data/file.txt"], &["--dir"]);
        assert_hints(&[], &["missing", what, "file.txt"], &["--dir"]);
    }
    assert_hints(&[], &["missing", "list", "/data"], &["--dir"]);
    let folder = tempfile::tempdir().unwrap();
    let given = format!("{}::/given", folder.path().display());
    for what in ["in-context", "as-in-c"] {
        assert_hints(&[], &["missing", what, "/data/file.txt"], &["--dir /data"]);
        assert_hints(&["--dir", &given], &["missing", what, "/data/file.txt"], &["--dir /data"]);
        assert_hints(
            &["--dir", &given],
            &["missing", what, "/givenother/file.txt"],
            &["--dir /givenother"],
        );
        // It is in a folder that was given, and just isn't there.
        assert_hints(&["--dir", &given], &["missing", what, "/given/file.txt"], &[]);
    }
    // It doesn't say which file, and there are folders.
    assert_hints(&["--dir", &given], &["missing", "open", "/given/file.txt"], &[]);
}

#[test]
fn a_link_out_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    let given = format!("{}::/given", folder.path().display());
    assert_hints(&["--dir", &given], &["missing", "open", "/given/link"], &["--dir"]);
}

#[test]
fn a_folder_that_may_only_be_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let given = format!("{}::/given:ro", folder.path().display());
    for (what, path) in
        [("write", "/given/file"), ("write", "/given/new"), ("remove", "/given/file")]
    {
        assert_hints(&["--dir", &given], &["missing", what, path], &[":ro"]);
    }
    assert_hints(&["--dir", &given], &["missing", "make", "/given/new"], &[":ro"]);
}

#[test]
fn a_variable() {
    for what in ["variable", "variable-expected", "variable-told"] {
        assert_hints(&[], &["missing", what], &["--env"]);
    }
}

#[test]
fn what_preview_1_does_not_have() {
    for what in ["connection", "name", "listener", "datagrams", "thread", "process"] {
        assert_hints(&[], &["missing", what], &["preview 1"]);
    }
}

#[test]
fn what_fails_for_another_reason_gets_no_hint() {
    for args in [&["exit", "1"][..], &["panic"], &["trap"], &["overflow"]] {
        assert_hints(&[], args, &[]);
    }
    let quiet = run(&[], &["missing", "variable"]);
    assert!(quiet.stderr.lines().last().unwrap().starts_with("hint: "), "{quiet:?}");
}

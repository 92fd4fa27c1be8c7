//! WASI preview 1: what folders, files, clocks and descriptors do, in the areas that wasi-testsuite has. The checks
//! themselves are in `tests/guests/src/files.rs`; here is what they find, and what must not have changed afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{end_of, guest, run, spawn};
use crate::harness::Run;

/// Folders for a program, and one beside them that it must not reach.
struct Folders(TempDir);

impl Folders {
    fn new() -> Folders {
        let folders = Folders(tempfile::tempdir().unwrap());
        let path = |name: &str| folders.path(name);
        for folder in ["work/dir", "ro/empty", "other", "outside"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        let files = [
            ("work/inside.txt", "inside"),
            ("work/dir/deep.txt", "deep"),
            ("ro/file.txt", "file"),
            ("other/own.txt", "own"),
            ("outside/secret.txt", "secret"),
        ];
        for (name, text) in files {
            fs::write(path(name), text).unwrap();
        }
        let secret = path("outside/secret.txt");
        let links = [
            ("work/to-inside", "inside.txt"),
            ("work/chain", "to-inside"),
            ("work/to-dir", "dir"),
            ("work/to-secret", "../outside/secret.txt"),
            ("work/to-absolute", secret.to_str().unwrap()),
            ("work/to-etc", "/etc/passwd"),
            ("work/to-outside", "../outside"),
            ("work/dir/up", "../.."),
            ("work/chain-out", "to-secret"),
            ("work/dangling", "nothing"),
            ("work/dangling-out", "../outside/new.txt"),
            ("work/loop", "loop"),
            ("ro/to-file", "file.txt"),
        ];
        for (name, to) in links {
            symlink(to, path(name)).unwrap();
        }
        folders
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn check(&self, area: &str) -> Command {
        let dir = |name: &str, end: &str| format!("{}::/{name}{end}", self.path(name).display());
        let (work, ro, other) = (dir("work", ""), dir("ro", ":ro"), dir("other", ""));
        guest(&["--dir", &work, "--dir", &ro, "--dir", &other], &["check", area])
    }

    /// The check passes, and nothing has changed where nothing may.
    #[track_caller]
    fn pass(&self, area: &str) {
        let before = [contents(&self.path("outside")), contents(&self.path("ro"))];
        let _checked = Run::of(&mut self.check(area)).success();
        assert_eq!([contents(&self.path("outside")), contents(&self.path("ro"))], before);
        let names: Vec<_> = fs::read_dir(self.0.path()).unwrap().collect();
        assert_eq!(names.len(), 4, "{names:?}");
    }
}

/// Every name in a folder, with the text and the time of its file.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let known = |path: &Path| {
        let metadata = fs::symlink_metadata(path).unwrap();
        let state =
            format!("{:?} {:?} {:?}", metadata.file_type(), metadata.modified(), metadata.len());
        (fs::read_to_string(path).unwrap_or_default(), state)
    };
    entries.map(|path| (path.clone(), known(&path))).collect()
}

macro_rules! areas {
    ($($test:ident: $area:literal,)*) => {
        $(
            #[test]
            fn $test() {
                Folders::new().pass($area);
            }
        )*
    };
}

areas! {
    folders_that_are_given_have_names_and_can_be_closed: "preopens",
    no_path_and_no_link_leads_out_of_a_folder: "escapes",
    links_inside_a_folder_are_links: "links",
    what_may_only_be_read_is_not_changed: "read-only",
    folders_are_listed_whole_whatever_the_buffer: "listing",
    files_move_within_and_between_folders: "renames",
    files_are_read_and_written_at_every_place: "positions",
    files_have_flags: "flags",
    descriptors_are_numbers: "numbers",
    names_are_any_text: "names",
    folders_are_made_and_removed: "folders",
    times_are_set: "times",
    rusts_standard_library_finds_all_of_it: "std",
}

#[test]
fn polling_waits_for_what_comes_first() {
    let folders = Folders::new();
    let mut child = spawn(&mut folders.check("polling"));
    let mut stdin = child.stdin.take().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    thread::sleep(Duration::from_millis(50));
    stdin.write_all(b"input").unwrap();
    let _ended = end_of(child).success();
}

#[test]
fn the_checks_pass_with_limits_too() {
    // A limit of time takes other ways through the host.
    for area in ["escapes", "read-only", "positions", "std"] {
        let folders = Folders::new();
        let dir = |name: &str, end: &str| format!("{}::/{name}{end}", folders.path(name).display());
        let dirs = [dir("work", ""), dir("ro", ":ro"), dir("other", "")];
        let options = ["--timeout", "100s", "--fuel", "100000000000", "--memory", "1GiB"];
        let given = dirs.iter().flat_map(|dir| ["--dir", dir]);
        let options: Vec<&str> = options.into_iter().chain(given).collect();
        let _checked = run(&options, &["check", area]).success();
    }
}

#[test]
fn clocks_and_random_numbers_are_the_hosts() {
    let told: u64 = run(&[], &["clocks"]).success().stdout.trim().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(told) < 60, "{told}, and not {now}");
}

#[test]
fn folders_can_be_given_twice_and_inside_each_other() {
    let folders = Folders::new();
    let (work, ro) = (folders.path("work"), folders.path("ro"));
    let given = [format!("{}::/", work.display()), format!("{}::/dir:ro", ro.display())];
    let ended =
        run(&["--dir", &given[0], "--dir", &given[1]], &["missing", "read", "/dir/file.txt"])
            .success();
    assert_eq!(ended.stdout, "file\n");
    let ended = run(&["--dir", &given[0], "--dir", &given[1]], &["missing", "read", "/inside.txt"])
        .success();
    assert_eq!(ended.stdout, "inside\n");
    // The same folder, to be read here and written there.
    let given = [format!("{}::/a:ro", work.display()), format!("{}::/b", work.display())];
    assert_ne!(
        run(&["--dir", &given[0], "--dir", &given[1]], &["missing", "write", "/a/x"]).code,
        0
    );
    let _written =
        run(&["--dir", &given[0], "--dir", &given[1]], &["missing", "write", "/b/x"]).success();
    // By the host's own name.
    let dir = work.to_str().unwrap();
    let ended = run(&["--dir", dir], &["missing", "read", &format!("{dir}/inside.txt")]).success();
    assert_eq!(ended.stdout, "inside\n");
    let relative = Run::of(
        guest(&["--dir", "work"], &["missing", "read", "work/inside.txt"])
            .current_dir(folders.0.path()),
    );
    assert_eq!(relative.success().stdout, "inside\n");
    let here = Run::of(
        guest(&["--dir", "."], &["missing", "read", "work/inside.txt"])
            .current_dir(folders.0.path()),
    );
    assert_eq!(here.success().stdout, "inside\n");
}

#[test]
fn special_files_in_a_folder_are_as_they_are() {
    // A folder may have a pipe in it; asking about it must not hang.
    let folders = Folders::new();
    let _made = Run::of(Command::new("mkfifo").arg(folders.path("work/pipe"))).success();
    let work = format!("{}::/work", folders.path("work").display());
    let _listed = run(&["--dir", &work], &["missing", "list", "/work"]).success();
}

//! What folders that are given let a program do, and what not. What is in them is made by the test:
//! `/work` (3), `/ro` (4), which may only be read, and `/other` (5).

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};

use crate::wasi::*;

const WORK: u32 = 3;
const RO: u32 = 4;
const OTHER: u32 = 5;

pub fn check(area: &str) {
    match area {
        "preopens" => preopens(),
        "escapes" => escapes(),
        "links" => links(),
        "read-only" => read_only(),
        "listing" => listing(),
        "renames" => renames(),
        "positions" => positions(),
        "flags" => flags(),
        "numbers" => numbers(),
        "names" => names(),
        "folders" => folders(),
        "times" => times(),
        "polling" => polling(),
        "std" => standard_library(),
        _ => panic!("{area}?"),
    }
}

/// It was refused because it is not in what was given.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, what: &str) {
    assert!(matches!(result, Err(PERM | NOTCAPABLE)), "{what}: {result:?}");
}

fn text_of(dir: u32, path: &str) -> Result<String> {
    let fd = open(dir, path, 0, READ)?;
    let text = read(fd, 100)?;
    close(fd)?;
    Ok(String::from_utf8(text).unwrap())
}

fn write_new(dir: u32, path: &str, text: &str) -> Result<()> {
    let fd = open(dir, path, CREATE | TRUNCATE, WRITE)?;
    assert_eq!(write(fd, text)?, text.len());
    close(fd)
}

fn preopens() {
    assert_eq!(prestat(WORK).as_deref(), Ok("/work"));
    assert_eq!(prestat(RO).as_deref(), Ok("/ro"));
    assert_eq!(prestat(OTHER).as_deref(), Ok("/other"));
    assert_eq!(prestat(6), Err(BADF));
    // What was closed is gone, and its number is not a folder's any more.
    close(OTHER).unwrap();
    assert_eq!(prestat(OTHER), Err(BADF));
    assert_eq!(close(OTHER), Err(BADF));
    assert_eq!(text_of(OTHER, "x"), Err(BADF));
    assert_eq!(text_of(WORK, "inside.txt").as_deref(), Ok("inside"));
    let fd = open(WORK, "inside.txt", 0, READ).unwrap();
    assert_eq!(prestat(fd), Err(BADF));
}

fn escapes() {
    let out = [
        "..",
        "../outside/secret.txt",
        "./../outside/secret.txt",
        "dir/../../outside/secret.txt",
        "dir/../../work/inside.txt",
        "../work/inside.txt",
        "/",
        "/etc/passwd",
        "/work/inside.txt",
        "//etc/passwd",
        "to-secret",
        "to-absolute",
        "to-etc",
        "to-outside/secret.txt",
        "to-dir/up/outside/secret.txt",
        "dir/up/outside/secret.txt",
        "chain-out",
        "dangling-out",
    ];
    for path in out {
        refused(open(WORK, path, 0, READ), path);
        refused(open(WORK, path, CREATE, WRITE), path);
        refused(open(WORK, path, CREATE | TRUNCATE, READ | WRITE), path);
        refused(stat(WORK, FOLLOW, path), path);
        refused(set_modified_of(WORK, FOLLOW, path, 1_000_000_000), path);
    }
    refused(open(WORK, "..", DIRECTORY, READ | LIST), "..");
    refused(open(WORK, "to-outside", DIRECTORY, READ | LIST), "to-outside");
    // These act on a name itself, so that only what is before it counts.
    let names = ["../outside/x", "/tmp/x", "dir/../../x", "to-outside/x", "dir/up/x"];
    for path in names {
        refused(make_dir(WORK, path), path);
        refused(symlink("inside.txt", WORK, path), path);
        refused(rename(WORK, "inside.txt", WORK, path), path);
        refused(rename(WORK, path, WORK, "x"), path);
        refused(link(WORK, "inside.txt", WORK, path), path);
    }
    for path in ["../outside/secret.txt", "to-outside/secret.txt", "dir/up/outside/secret.txt"] {
        refused(unlink(WORK, path), path);
        refused(remove_dir(WORK, path), path);
        refused(read_link(WORK, path), path);
        refused(link(WORK, path, WORK, "x"), path);
    }
    refused(rename(OTHER, "../outside/secret.txt", WORK, "x"), "from the other one");
    // Created through a link that points out, exclusively or not.
    assert!(open(WORK, "dangling-out", CREATE | EXCLUSIVE, WRITE).is_err());
    assert!(write_new(WORK, "to-outside/new.txt", "x").is_err());
    // A folder inside is not a way to what is beside it, either.
    let dir = open(WORK, "dir", DIRECTORY, READ | LIST).unwrap();
    refused(open(dir, "../inside.txt", 0, READ), "out of a folder that was opened");
    refused(open(dir, "up/work/inside.txt", 0, READ), "by a link out of a folder that was opened");
    // Nor is a folder that is moved after it was opened.
    make_dir(WORK, "a").unwrap();
    make_dir(WORK, "a/b").unwrap();
    let b = open(WORK, "a/b", DIRECTORY, READ | LIST).unwrap();
    rename(WORK, "a/b", WORK, "b").unwrap();
    refused(open(b, "..", DIRECTORY, READ | LIST), "..");
    refused(open(b, "../..", DIRECTORY, READ | LIST), "../..");
}

fn links() {
    assert_eq!(text_of(WORK, "to-inside").as_deref(), Ok("inside"));
    assert_eq!(text_of(WORK, "chain").as_deref(), Ok("inside"));
    assert_eq!(text_of(WORK, "to-dir/deep.txt").as_deref(), Ok("deep"));
    assert_eq!(text_of(WORK, "to-dir/../inside.txt").as_deref(), Ok("inside"));
    assert_eq!(text_of(WORK, "dangling"), Err(NOENT));
    assert_eq!(text_of(WORK, "loop"), Err(LOOP));
    assert_eq!(read_link(WORK, "to-inside").as_deref(), Ok("inside.txt"));
    // What a link says is no secret of the host's; only following it is refused.
    assert_eq!(read_link(WORK, "to-secret").as_deref(), Ok("../outside/secret.txt"));
    assert!(read_link(WORK, "inside.txt").is_err());
    // Without following, it is the link that is meant.
    assert_eq!(stat(WORK, 0, "to-inside").map(|it| it.kind), Ok(7));
    assert_eq!(stat(WORK, 0, "to-secret").map(|it| it.kind), Ok(7));
    assert_eq!(stat(WORK, FOLLOW, "to-inside").map(|it| it.kind), Ok(4));
    assert_eq!(open_as(WORK, 0, "to-inside", 0, READ, 0), Err(LOOP));
    assert_eq!(open(WORK, "to-inside", CREATE | EXCLUSIVE, WRITE), Err(EXIST));
    // Creating through a link that points inside makes the file that it points to.
    write_new(WORK, "dangling", "made").unwrap();
    assert_eq!(text_of(WORK, "nothing").as_deref(), Ok("made"));
    // Links of our own: relative ones, and none to absolute paths.
    symlink("dir/deep.txt", WORK, "mine").unwrap();
    assert_eq!(text_of(WORK, "mine").as_deref(), Ok("deep"));
    assert_eq!(symlink("x", WORK, "mine"), Err(EXIST));
    refused(symlink("/etc/passwd", WORK, "absolute"), "an absolute link");
    symlink("../outside/secret.txt", WORK, "out").unwrap();
    refused(open(WORK, "out", 0, READ), "by a link of our own");
    // Removing a link leaves what it points to; renaming it too.
    rename(WORK, "to-inside", WORK, "moved").unwrap();
    assert_eq!(read_link(WORK, "moved").as_deref(), Ok("inside.txt"));
    for link in ["moved", "mine", "out", "to-secret"] {
        unlink(WORK, link).unwrap();
    }
    assert_eq!(text_of(WORK, "inside.txt").as_deref(), Ok("inside"));
    // Two names of one file.
    link(WORK, "inside.txt", WORK, "second").unwrap();
    let (one, two) = (stat(WORK, 0, "inside.txt").unwrap(), stat(WORK, 0, "second").unwrap());
    assert_eq!((one.inode, one.links, two.links), (two.inode, 2, 2));
}

fn read_only() {
    #[track_caller]
    fn denied<T: std::fmt::Debug>(result: Result<T>) {
        assert!(matches!(result, Err(PERM | ROFS | NOTCAPABLE)), "{result:?}");
    }
    assert_eq!(text_of(RO, "file.txt").as_deref(), Ok("file"));
    assert_eq!(stat(RO, FOLLOW, "file.txt").map(|it| it.size), Ok(4));
    let dir = open(RO, ".", DIRECTORY, READ | LIST).unwrap();
    assert_eq!(list(dir, 4096).unwrap().len(), 5);
    denied(open(RO, "new.txt", CREATE, WRITE));
    denied(open(RO, "new.txt", CREATE, READ));
    denied(open(RO, "new.txt", CREATE | EXCLUSIVE, READ));
    denied(open(RO, "file.txt", 0, WRITE));
    denied(open(RO, "file.txt", 0, READ | WRITE));
    denied(open(RO, "file.txt", TRUNCATE, READ));
    denied(open(RO, "file.txt", TRUNCATE, 0));
    denied(open_as(RO, FOLLOW, "file.txt", 0, WRITE, APPEND));
    // A folder that was opened in it is no way around, nor is a link.
    denied(open(dir, "new.txt", CREATE, WRITE));
    denied(open(RO, "to-file", 0, WRITE));
    denied(make_dir(RO, "new"));
    denied(remove_dir(RO, "empty"));
    denied(unlink(RO, "file.txt"));
    denied(symlink("file.txt", RO, "link"));
    denied(link(RO, "file.txt", RO, "second"));
    denied(link(RO, "file.txt", OTHER, "second"));
    denied(link(OTHER, "own.txt", RO, "second"));
    denied(rename(RO, "file.txt", RO, "moved.txt"));
    denied(rename(RO, "file.txt", OTHER, "moved.txt"));
    denied(rename(OTHER, "own.txt", RO, "moved.txt"));
    denied(set_modified_of(RO, FOLLOW, "file.txt", 1_000_000_000));
    let file = open(RO, "file.txt", 0, READ).unwrap();
    assert!(write(file, "x").is_err());
    assert!(write_at(file, "x", Some(0)).is_err());
    assert!(set_size(file, 0).is_err());
    assert!(set_modified(file, 1_000_000_000).is_err());
    assert_eq!(text_of(RO, "file.txt").as_deref(), Ok("file"));
}

fn listing() {
    const MANY: usize = 2_000;
    make_dir(WORK, "many").unwrap();
    let mut expected: Vec<String> = (0..MANY).map(|number| format!("file-{number:0>40}")).collect();
    for name in &expected {
        close(open(WORK, format!("many/{name}"), CREATE, WRITE).unwrap()).unwrap();
    }
    expected.extend([".".to_owned(), "..".to_owned()]);
    expected.sort();
    let dir = open(WORK, "many", DIRECTORY, READ | LIST).unwrap();
    // With a buffer for few names, for some, and for all.
    for room in [100, 1000, 1 << 20] {
        let mut names = list(dir, room).unwrap();
        names.sort();
        assert_eq!(names, expected, "with {room} bytes");
    }
    let names = fs::read_dir("/work/many").unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), MANY);
    let file = open(WORK, "inside.txt", 0, READ).unwrap();
    assert!(list(file, 1000).is_err());
    assert_eq!(list(99, 1000), Err(BADF));
    fs::remove_dir_all("/work/many").unwrap();
    assert_eq!(stat(WORK, 0, "many"), Err(NOENT));
}

fn renames() {
    write_new(WORK, "a", "a").unwrap();
    rename(WORK, "a", OTHER, "b").unwrap();
    assert_eq!(text_of(OTHER, "b").as_deref(), Ok("a"));
    assert_eq!(text_of(WORK, "a"), Err(NOENT));
    // Onto a file that is there.
    write_new(WORK, "c", "c").unwrap();
    rename(WORK, "c", OTHER, "b").unwrap();
    assert_eq!(text_of(OTHER, "b").as_deref(), Ok("c"));
    assert_eq!(rename(WORK, "not-there", OTHER, "x"), Err(NOENT));
    // Folders: onto an empty one, not onto a full one, not into themselves.
    make_dir(WORK, "from").unwrap();
    write_new(WORK, "from/x", "x").unwrap();
    make_dir(OTHER, "empty").unwrap();
    rename(WORK, "from", OTHER, "empty").unwrap();
    assert_eq!(text_of(OTHER, "empty/x").as_deref(), Ok("x"));
    make_dir(WORK, "another").unwrap();
    assert_eq!(rename(WORK, "another", OTHER, "empty"), Err(NOTEMPTY));
    assert_eq!(rename(WORK, "another", WORK, "another/inner"), Err(INVAL));
    assert_eq!(rename(OTHER, "b", WORK, "another"), Err(ISDIR));
    assert_eq!(rename(WORK, "another", OTHER, "b"), Err(NOTDIR));
    // An open file stays the file.
    let fd = open(OTHER, "b", 0, READ).unwrap();
    rename(OTHER, "b", WORK, "b").unwrap();
    assert_eq!(read(fd, 10).as_deref(), Ok(&b"c"[..]));
    unlink(WORK, "b").unwrap();
    assert_eq!(fd_stat(fd).map(|it| (it.size, it.links)), Ok((1, 0)));
}

fn positions() {
    let fd = open(WORK, "file", CREATE, READ | WRITE).unwrap();
    assert_eq!(write(fd, "0123456789"), Ok(10));
    assert_eq!(tell(fd), Ok(10));
    assert_eq!(seek(fd, 2, 0), Ok(2));
    assert_eq!(read(fd, 3).as_deref(), Ok(&b"234"[..]));
    assert_eq!(seek(fd, -1, 1), Ok(4));
    assert_eq!(seek(fd, -1, 2), Ok(9));
    assert_eq!(seek(fd, -1, 0), Err(INVAL));
    assert_eq!(tell(fd), Ok(9));
    // At a place, without moving.
    assert_eq!(read_at(fd, 3, Some(1)).as_deref(), Ok(&b"123"[..]));
    assert_eq!(write_at(fd, "ab", Some(0)), Ok(2));
    assert_eq!(tell(fd), Ok(9));
    assert_eq!(read(fd, 100).as_deref(), Ok(&b"9"[..]));
    assert_eq!(read(fd, 100).as_deref(), Ok(&b""[..]));
    assert_eq!(read_at(fd, 9, Some(1000)).as_deref(), Ok(&b""[..]));
    // Shorter and longer; what is new is zero.
    set_size(fd, 3).unwrap();
    assert_eq!(text_of(WORK, "file").as_deref(), Ok("ab2"));
    set_size(fd, 5).unwrap();
    assert_eq!(text_of(WORK, "file").as_deref(), Ok("ab2\0\0"));
    // Behind the end there is a hole.
    assert_eq!(seek(fd, 8, 0), Ok(8));
    assert_eq!(write(fd, "x"), Ok(1));
    assert_eq!(text_of(WORK, "file").as_deref(), Ok("ab2\0\0\0\0\0x"));
    sync(fd).unwrap();
    close(fd).unwrap();
    // Opened to write it anew, and to write at its end.
    write_new(WORK, "file", "new").unwrap();
    let fd = open_as(WORK, FOLLOW, "file", 0, READ | WRITE, APPEND).unwrap();
    assert_eq!(write(fd, "er"), Ok(2));
    seek(fd, 0, 0).unwrap();
    assert_eq!(write(fd, "!"), Ok(1));
    assert_eq!(text_of(WORK, "file").as_deref(), Ok("newer!"));
    // What was opened to be read is not written, and the other way round.
    let reader = open(WORK, "file", 0, READ).unwrap();
    assert!(write(reader, "x").is_err());
    let writer = open(WORK, "file", 0, WRITE).unwrap();
    assert!(read(writer, 1).is_err());
    assert_eq!(open(WORK, "file", CREATE | EXCLUSIVE, WRITE), Err(EXIST));
    assert!(matches!(seek(1, 0, 1), Err(SPIPE | BADF | PERM | NOTCAPABLE)), "{:?}", seek(1, 0, 1));
    // A large write arrives as a whole, though it may take more than one call.
    let bytes: Vec<u8> = (0..20_000_000u32).map(|number| (number % 251) as u8).collect();
    let fd = open(WORK, "large", CREATE, READ | WRITE).unwrap();
    let mut written = 0;
    while written < bytes.len() {
        written += write(fd, &bytes[written..]).unwrap();
    }
    assert_eq!(fd_stat(fd).map(|it| it.size), Ok(bytes.len() as u64));
    assert!(fs::read("/work/large").unwrap() == bytes);
}

fn flags() {
    let fd = open(WORK, "file", CREATE, READ | WRITE).unwrap();
    assert_eq!(fdstat(fd), Ok((4, 0)));
    assert_eq!(fdstat(WORK).map(|(kind, _)| kind), Ok(3));
    assert_eq!(write(fd, "abc"), Ok(3));
    seek(fd, 0, 0).unwrap();
    set_flags(fd, APPEND).unwrap();
    assert_eq!(fdstat(fd), Ok((4, APPEND as u16)));
    assert_eq!(write(fd, "d"), Ok(1));
    assert_eq!(text_of(WORK, "file").as_deref(), Ok("abcd"));
    set_flags(fd, 0).unwrap();
    seek(fd, 0, 0).unwrap();
    assert_eq!(write(fd, "A"), Ok(1));
    assert_eq!(text_of(WORK, "file").as_deref(), Ok("Abcd"));
    set_flags(fd, NONBLOCK).unwrap();
    assert_eq!(fdstat(fd), Ok((4, NONBLOCK as u16)));
    assert_eq!(fdstat(99), Err(BADF));
    assert_eq!(set_flags(99, 0), Err(BADF));
}

fn numbers() {
    write_new(WORK, "a", "a").unwrap();
    write_new(WORK, "b", "b").unwrap();
    let (a, b) = (open(WORK, "a", 0, READ).unwrap(), open(WORK, "b", 0, READ).unwrap());
    renumber(a, b).unwrap();
    assert_eq!(read(b, 9).as_deref(), Ok(&b"a"[..]));
    assert_eq!(read(a, 9), Err(BADF));
    assert_eq!(renumber(a, b), Err(BADF));
    assert_eq!(renumber(b, b), Ok(()));
    assert_eq!(read(b, 9).as_deref(), Ok(&b""[..]));
    // Free numbers are given again, and the smallest first.
    assert_eq!(open(WORK, "a", 0, READ), Ok(a));
    close(b).unwrap();
    assert_eq!(close(b), Err(BADF));
    for fd in [99, u32::MAX] {
        assert_eq!(close(fd), Err(BADF));
        assert_eq!(read(fd, 1), Err(BADF));
        assert_eq!(write(fd, "x"), Err(BADF));
        assert_eq!(fd_stat(fd).err(), Some(BADF));
        assert_eq!(open(fd, "a", 0, READ), Err(BADF));
    }
    // Many at once.
    let many: Vec<u32> = (0..500).map(|_| open(WORK, "a", 0, READ).unwrap()).collect();
    assert!(many.iter().all(|fd| read(*fd, 9).as_deref() == Ok(&b"a"[..])));
    many.into_iter().for_each(|fd| close(fd).unwrap());
}

fn names() {
    let long = "n".repeat(255);
    let names = [
        "with space",
        "ünï-☃-文字",
        "new\nline",
        "-dash",
        "quote\"'`",
        "back\\slash",
        "...",
        " ",
        "*?",
        &long,
    ];
    for name in names {
        write_new(WORK, name, name).unwrap();
        assert!(stat(WORK, 0, name).is_ok());
        assert_eq!(fs::read_to_string(format!("/work/{name}")).unwrap(), name);
    }
    let dir = open(WORK, ".", DIRECTORY, READ | LIST).unwrap();
    let listed = list(dir, 4096).unwrap();
    assert!(names.iter().all(|name| listed.contains(&(*name).to_owned())), "{listed:?}");
    assert_eq!(open(WORK, "n".repeat(256), CREATE, WRITE), Err(NAMETOOLONG));
    assert_eq!(open(WORK, "", 0, READ), Err(NOENT));
    // No end at a zero, and no bytes that are no text.
    assert!(open(WORK, "inside.txt\0", 0, READ).is_err());
    assert!(open(WORK, "inside.txt\0.png", CREATE, WRITE).is_err());
    assert!(open(WORK, b"\xff\xfe", CREATE, WRITE).is_err());
    assert!(open(WORK, "inside.txt/", 0, READ).is_err());
    assert_eq!(open(WORK, "inside.txt/x", 0, READ), Err(NOTDIR));
    assert_eq!(text_of(WORK, "./dir/.././dir//deep.txt").as_deref(), Ok("deep"));
}

fn folders() {
    make_dir(WORK, "d").unwrap();
    assert_eq!(make_dir(WORK, "d"), Err(EXIST));
    assert_eq!(make_dir(WORK, "e/f"), Err(NOENT));
    assert_eq!(make_dir(WORK, "inside.txt"), Err(EXIST));
    write_new(WORK, "d/x", "x").unwrap();
    assert_eq!(remove_dir(WORK, "d"), Err(NOTEMPTY));
    assert_eq!(remove_dir(WORK, "inside.txt"), Err(NOTDIR));
    assert!(matches!(unlink(WORK, "d"), Err(ISDIR | PERM)));
    assert_eq!(open(WORK, "inside.txt", DIRECTORY, READ), Err(NOTDIR));
    assert_eq!(open(WORK, "d", 0, READ | WRITE), Err(ISDIR));
    unlink(WORK, "d/x").unwrap();
    remove_dir(WORK, "d").unwrap();
    assert_eq!(stat(WORK, 0, "d"), Err(NOENT));
    assert_eq!(unlink(WORK, "d"), Err(NOENT));
    // Deep: the path is longer than any the host takes at once, when it is walked in steps.
    let deep = ["step"; 150].join("/");
    fs::create_dir_all(format!("/work/{deep}")).unwrap();
    write_new(WORK, &format!("{deep}/x"), "deep").unwrap();
    assert_eq!(text_of(WORK, &format!("{deep}/x")).as_deref(), Ok("deep"));
    let mut dir = open(WORK, ".", DIRECTORY, READ | LIST).unwrap();
    for _ in 0..150 {
        dir = open(dir, "step", DIRECTORY, READ | LIST).unwrap();
    }
    assert_eq!(text_of(dir, "x").as_deref(), Ok("deep"));
    // A folder that is gone can be closed, and nothing can be made in it.
    make_dir(WORK, "gone").unwrap();
    let gone = open(WORK, "gone", DIRECTORY, READ | LIST).unwrap();
    remove_dir(WORK, "gone").unwrap();
    assert_eq!(open(gone, "x", CREATE, WRITE), Err(NOENT));
    close(gone).unwrap();
}

fn times() {
    const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;
    let fd = open(WORK, "inside.txt", 0, READ | WRITE).unwrap();
    set_modified(fd, DAY).unwrap();
    assert_eq!(fd_stat(fd).map(|it| it.modified), Ok(DAY));
    set_modified_of(WORK, FOLLOW, "to-inside", 2 * DAY).unwrap();
    assert_eq!(stat(WORK, FOLLOW, "inside.txt").map(|it| it.modified), Ok(2 * DAY));
    set_modified_of(WORK, 0, "to-secret", 3 * DAY).unwrap();
    assert_eq!(stat(WORK, 0, "to-secret").map(|it| it.modified), Ok(3 * DAY));
}

/// Standard input is a pipe in which nothing is, then some bytes.
fn polling() {
    const MS: u64 = 1_000_000;
    let start = time(1).unwrap();
    assert_eq!(poll(&[Wait::Time(20 * MS)]), Ok(vec![(0, 0)]));
    assert!(time(1).unwrap() - start >= 20 * MS);
    assert_eq!(poll(&[Wait::Readable(0), Wait::Time(20 * MS)]), Ok(vec![(1, 0)]));
    assert_eq!(poll(&[Wait::Writable(1)]), Ok(vec![(0, 0)]));
    assert_eq!(poll(&[Wait::Time(10_000 * MS), Wait::Time(MS)]), Ok(vec![(1, 0)]));
    assert_eq!(poll(&[]), Err(INVAL));
    println!("ready");
    assert_eq!(poll(&[Wait::Time(20_000 * MS), Wait::Readable(0)]), Ok(vec![(1, 0)]));
    assert_eq!(read(0, 100).as_deref(), Ok(&b"input"[..]));
}

/// The same through Rust's standard library, which real programs use.
fn standard_library() {
    assert_eq!(fs::read_to_string("/work/inside.txt").unwrap(), "inside");
    assert!(fs::read_to_string("/work/../outside/secret.txt").is_err());
    assert!(fs::read_to_string("/outside/secret.txt").is_err());
    assert!(fs::write("/ro/new.txt", "").is_err());
    assert!(fs::metadata("/ro/file.txt").unwrap().is_file());
    fs::create_dir_all("/work/a/b/c").unwrap();
    fs::write("/work/a/b/c/d", "text").unwrap();
    fs::copy("/work/a/b/c/d", "/other/copy").unwrap();
    fs::rename("/other/copy", "/work/a/moved").unwrap();
    let mut file = fs::OpenOptions::new().read(true).append(true).open("/work/a/moved").unwrap();
    file.write_all(b" and more").unwrap();
    file.seek(SeekFrom::Start(5)).unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "and more");
    file.set_len(4).unwrap();
    assert_eq!(fs::metadata("/work/a/moved").unwrap().len(), 4);
    assert!(fs::metadata("/work/a/moved").unwrap().modified().unwrap().elapsed().is_ok());
    fs::remove_dir_all("/work/a").unwrap();
    assert!(fs::symlink_metadata("/work/to-secret").unwrap().is_symlink());
    assert!(fs::metadata("/work/to-secret").is_err());
}

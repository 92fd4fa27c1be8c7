//! WASI preview 1 without a library between.

#![allow(clippy::too_many_arguments, reason = "it is what the interface has")]

/// An error number.
pub type Errno = u16;
pub type Result<T> = std::result::Result<T, Errno>;

pub const BADF: Errno = 8;
pub const EXIST: Errno = 20;
pub const INVAL: Errno = 28;
pub const ISDIR: Errno = 31;
pub const LOOP: Errno = 32;
pub const NAMETOOLONG: Errno = 37;
pub const NOENT: Errno = 44;
pub const NOTDIR: Errno = 54;
pub const NOTEMPTY: Errno = 55;
pub const PERM: Errno = 63;
pub const ROFS: Errno = 69;
pub const SPIPE: Errno = 70;
pub const NOTCAPABLE: Errno = 76;

pub const CREATE: u32 = 1;
pub const DIRECTORY: u32 = 2;
pub const EXCLUSIVE: u32 = 4;
pub const TRUNCATE: u32 = 8;

pub const READ: u64 = 1 << 1;
pub const WRITE: u64 = 1 << 6;
pub const LIST: u64 = 1 << 14;

pub const APPEND: u32 = 1;
pub const NONBLOCK: u32 = 4;

/// Follow a symbolic link at the end of a path.
pub const FOLLOW: u32 = 1;

mod raw {
    #[repr(C)]
    pub struct Buffer(pub *const u8, pub usize);

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub fn clock_res_get(id: u32, out: *mut u64) -> u32;
        pub fn clock_time_get(id: u32, precision: u64, out: *mut u64) -> u32;
        pub fn random_get(out: *mut u8, length: usize) -> u32;
        pub fn poll_oneoff(subscriptions: *const u8, events: *mut u8, count: usize, out: *mut usize) -> u32;
        pub fn fd_close(fd: u32) -> u32;
        pub fn fd_renumber(from: u32, to: u32) -> u32;
        pub fn fd_prestat_get(fd: u32, out: *mut [u32; 2]) -> u32;
        pub fn fd_prestat_dir_name(fd: u32, out: *mut u8, length: usize) -> u32;
        pub fn fd_seek(fd: u32, offset: i64, whence: u32, out: *mut u64) -> u32;
        pub fn fd_tell(fd: u32, out: *mut u64) -> u32;
        pub fn fd_read(fd: u32, buffers: *const Buffer, count: usize, out: *mut usize) -> u32;
        pub fn fd_write(fd: u32, buffers: *const Buffer, count: usize, out: *mut usize) -> u32;
        pub fn fd_pread(fd: u32, buffers: *const Buffer, count: usize, at: u64, out: *mut usize) -> u32;
        pub fn fd_pwrite(fd: u32, buffers: *const Buffer, count: usize, at: u64, out: *mut usize) -> u32;
        pub fn fd_readdir(fd: u32, out: *mut u8, length: usize, cookie: u64, used: *mut usize) -> u32;
        pub fn fd_fdstat_get(fd: u32, out: *mut [u64; 3]) -> u32;
        pub fn fd_fdstat_set_flags(fd: u32, flags: u32) -> u32;
        pub fn fd_filestat_get(fd: u32, out: *mut [u64; 8]) -> u32;
        pub fn fd_filestat_set_size(fd: u32, size: u64) -> u32;
        pub fn fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32) -> u32;
        pub fn fd_sync(fd: u32) -> u32;
        pub fn path_open(
            dir: u32,
            lookup: u32,
            path: *const u8,
            length: usize,
            flags: u32,
            rights: u64,
            inherited: u64,
            fdflags: u32,
            out: *mut u32,
        ) -> u32;
        pub fn path_create_directory(dir: u32, path: *const u8, length: usize) -> u32;
        pub fn path_remove_directory(dir: u32, path: *const u8, length: usize) -> u32;
        pub fn path_unlink_file(dir: u32, path: *const u8, length: usize) -> u32;
        pub fn path_readlink(
            dir: u32,
            path: *const u8,
            length: usize,
            out: *mut u8,
            room: usize,
            used: *mut usize,
        ) -> u32;
        pub fn path_symlink(to: *const u8, to_length: usize, dir: u32, path: *const u8, length: usize)
        -> u32;
        pub fn path_rename(
            dir: u32,
            path: *const u8,
            length: usize,
            new_dir: u32,
            new_path: *const u8,
            new_length: usize,
        ) -> u32;
        pub fn path_link(
            dir: u32,
            lookup: u32,
            path: *const u8,
            length: usize,
            new_dir: u32,
            new_path: *const u8,
            new_length: usize,
        ) -> u32;
        pub fn path_filestat_get(
            dir: u32,
            lookup: u32,
            path: *const u8,
            length: usize,
            out: *mut [u64; 8],
        ) -> u32;
        pub fn path_filestat_set_times(
            dir: u32,
            lookup: u32,
            path: *const u8,
            length: usize,
            accessed: u64,
            modified: u64,
            flags: u32,
        ) -> u32;
    }
}

fn check(code: u32) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(code as Errno) }
}

// Every pointer below is to memory of this program that is as long as is said with it.

pub fn open_as(
    dir: u32,
    lookup: u32,
    path: impl AsRef<[u8]>,
    flags: u32,
    rights: u64,
    fdflags: u32,
) -> Result<u32> {
    let (path, mut fd) = (path.as_ref(), 0);
    check(unsafe {
        raw::path_open(dir, lookup, path.as_ptr(), path.len(), flags, rights, rights, fdflags, &mut fd)
    })?;
    Ok(fd)
}

pub fn open(dir: u32, path: impl AsRef<[u8]>, flags: u32, rights: u64) -> Result<u32> {
    open_as(dir, FOLLOW, path, flags, rights, 0)
}

pub fn close(fd: u32) -> Result<()> {
    check(unsafe { raw::fd_close(fd) })
}

pub fn renumber(from: u32, to: u32) -> Result<()> {
    check(unsafe { raw::fd_renumber(from, to) })
}

/// The name of a folder that was given.
pub fn prestat(fd: u32) -> Result<String> {
    let mut stat = [0; 2];
    check(unsafe { raw::fd_prestat_get(fd, &mut stat) })?;
    let mut name = vec![0; stat[1] as usize];
    check(unsafe { raw::fd_prestat_dir_name(fd, name.as_mut_ptr(), name.len()) })?;
    Ok(String::from_utf8(name).unwrap())
}

pub fn seek(fd: u32, offset: i64, whence: u32) -> Result<u64> {
    let mut out = 0;
    check(unsafe { raw::fd_seek(fd, offset, whence, &mut out) })?;
    Ok(out)
}

pub fn tell(fd: u32) -> Result<u64> {
    let mut out = 0;
    check(unsafe { raw::fd_tell(fd, &mut out) })?;
    Ok(out)
}

pub fn read(fd: u32, length: usize) -> Result<Vec<u8>> {
    read_at(fd, length, None)
}

pub fn read_at(fd: u32, length: usize, at: Option<u64>) -> Result<Vec<u8>> {
    let (mut bytes, mut got) = (vec![0; length], 0);
    let buffer = raw::Buffer(bytes.as_mut_ptr(), length);
    check(unsafe {
        match at {
            None => raw::fd_read(fd, &buffer, 1, &mut got),
            Some(at) => raw::fd_pread(fd, &buffer, 1, at, &mut got),
        }
    })?;
    bytes.truncate(got);
    Ok(bytes)
}

pub fn write(fd: u32, bytes: impl AsRef<[u8]>) -> Result<usize> {
    write_at(fd, bytes, None)
}

pub fn write_at(fd: u32, bytes: impl AsRef<[u8]>, at: Option<u64>) -> Result<usize> {
    let (bytes, mut put) = (bytes.as_ref(), 0);
    let buffer = raw::Buffer(bytes.as_ptr(), bytes.len());
    check(unsafe {
        match at {
            None => raw::fd_write(fd, &buffer, 1, &mut put),
            Some(at) => raw::fd_pwrite(fd, &buffer, 1, at, &mut put),
        }
    })?;
    Ok(put)
}

/// The names in a folder, read with a buffer of `room` bytes and the cookies of what was read before.
pub fn list(fd: u32, room: usize) -> Result<Vec<String>> {
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let (mut bytes, mut used) = (vec![0u8; room], 0);
        check(unsafe { raw::fd_readdir(fd, bytes.as_mut_ptr(), room, cookie, &mut used) })?;
        let mut rest = &bytes[..used];
        let before = names.len();
        while rest.len() >= 24 {
            let number = |at: usize, length: usize| {
                rest[at..at + length].iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
            };
            let (next, length) = (number(0, 8), number(16, 4) as usize);
            let Some(name) = rest.get(24..24 + length) else { break };
            names.push(String::from_utf8(name.to_vec()).unwrap());
            cookie = next;
            rest = &rest[24 + length..];
        }
        if used < room {
            return Ok(names);
        }
        assert!(names.len() > before, "the buffer is too small for a name");
    }
}

/// Type, flags, rights, and those that are inherited.
pub fn fdstat(fd: u32) -> Result<(u8, u16)> {
    let mut out = [0; 3];
    check(unsafe { raw::fd_fdstat_get(fd, &mut out) })?;
    Ok((out[0] as u8, (out[0] >> 16) as u16))
}

pub fn set_flags(fd: u32, flags: u32) -> Result<()> {
    check(unsafe { raw::fd_fdstat_set_flags(fd, flags) })
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stat {
    pub inode: u64,
    pub kind: u8,
    pub links: u64,
    pub size: u64,
    pub modified: u64,
}

fn stat_of(out: [u64; 8]) -> Stat {
    Stat { inode: out[1], kind: out[2] as u8, links: out[3], size: out[4], modified: out[6] }
}

pub fn fd_stat(fd: u32) -> Result<Stat> {
    let mut out = [0; 8];
    check(unsafe { raw::fd_filestat_get(fd, &mut out) })?;
    Ok(stat_of(out))
}

pub fn stat(dir: u32, lookup: u32, path: impl AsRef<[u8]>) -> Result<Stat> {
    let (path, mut out) = (path.as_ref(), [0; 8]);
    check(unsafe { raw::path_filestat_get(dir, lookup, path.as_ptr(), path.len(), &mut out) })?;
    Ok(stat_of(out))
}

pub fn set_size(fd: u32, size: u64) -> Result<()> {
    check(unsafe { raw::fd_filestat_set_size(fd, size) })
}

/// Sets the time of the last change, in nanoseconds since 1970.
pub fn set_modified(fd: u32, time: u64) -> Result<()> {
    check(unsafe { raw::fd_filestat_set_times(fd, 0, time, 4) })
}

pub fn set_modified_of(dir: u32, lookup: u32, path: &str, time: u64) -> Result<()> {
    check(unsafe { raw::path_filestat_set_times(dir, lookup, path.as_ptr(), path.len(), 0, time, 4) })
}

pub fn sync(fd: u32) -> Result<()> {
    check(unsafe { raw::fd_sync(fd) })
}

pub fn make_dir(dir: u32, path: &str) -> Result<()> {
    check(unsafe { raw::path_create_directory(dir, path.as_ptr(), path.len()) })
}

pub fn remove_dir(dir: u32, path: &str) -> Result<()> {
    check(unsafe { raw::path_remove_directory(dir, path.as_ptr(), path.len()) })
}

pub fn unlink(dir: u32, path: &str) -> Result<()> {
    check(unsafe { raw::path_unlink_file(dir, path.as_ptr(), path.len()) })
}

pub fn read_link(dir: u32, path: &str) -> Result<String> {
    let (mut bytes, mut used) = (vec![0; 4096], 0);
    check(unsafe {
        raw::path_readlink(dir, path.as_ptr(), path.len(), bytes.as_mut_ptr(), bytes.len(), &mut used)
    })?;
    bytes.truncate(used);
    Ok(String::from_utf8(bytes).unwrap())
}

pub fn symlink(to: &str, dir: u32, path: &str) -> Result<()> {
    check(unsafe { raw::path_symlink(to.as_ptr(), to.len(), dir, path.as_ptr(), path.len()) })
}

pub fn rename(dir: u32, path: &str, new_dir: u32, new_path: &str) -> Result<()> {
    let (new, length) = (new_path.as_ptr(), new_path.len());
    check(unsafe { raw::path_rename(dir, path.as_ptr(), path.len(), new_dir, new, length) })
}

pub fn link(dir: u32, path: &str, new_dir: u32, new_path: &str) -> Result<()> {
    let (new, length) = (new_path.as_ptr(), new_path.len());
    check(unsafe { raw::path_link(dir, 0, path.as_ptr(), path.len(), new_dir, new, length) })
}

pub fn time(id: u32) -> Result<u64> {
    let mut out = 0;
    check(unsafe { raw::clock_time_get(id, 1, &mut out) })?;
    Ok(out)
}

pub fn check_clocks_and_random() {
    for clock in [0, 1] {
        let mut resolution = 0;
        check(unsafe { raw::clock_res_get(clock, &mut resolution) }).unwrap();
        assert!(resolution > 0 && resolution <= 1_000_000_000, "{resolution}");
    }
    let times: Vec<u64> = (0..1000).map(|_| time(1).unwrap()).collect();
    assert!(times.is_sorted());
    let random = || {
        let mut bytes = vec![0u8; 100_000];
        check(unsafe { raw::random_get(bytes.as_mut_ptr(), bytes.len()) }).unwrap();
        bytes
    };
    let (one, two) = (random(), random());
    assert!(one != two);
    // Every value comes about 390 times.
    let count = |value: u8| one.iter().filter(|byte| **byte == value).count();
    assert!((0..=255).all(|value| (200..600).contains(&count(value))));
}

/// What poll_oneoff waits for.
pub enum Wait {
    /// This many nanoseconds.
    Time(u64),
    /// Something to read.
    Readable(u32),
    /// Room to write.
    Writable(u32),
}

/// Waits, and says which of them came: their places, with the error that came with each.
pub fn poll(waits: &[Wait]) -> Result<Vec<(usize, Errno)>> {
    let mut subscriptions = vec![0u64; 6 * waits.len()];
    for (place, (wait, words)) in waits.iter().zip(subscriptions.chunks_mut(6)).enumerate() {
        words[0] = place as u64;
        match wait {
            Wait::Time(time) => (words[1], words[2], words[3]) = (0, 1, *time),
            Wait::Readable(fd) => (words[1], words[2]) = (1, u64::from(*fd)),
            Wait::Writable(fd) => (words[1], words[2]) = (2, u64::from(*fd)),
        }
    }
    let (mut events, mut count) = (vec![0u64; 4 * waits.len()], 0);
    let out = events.as_mut_ptr().cast();
    check(unsafe { raw::poll_oneoff(subscriptions.as_ptr().cast(), out, waits.len(), &mut count) })?;
    Ok(events.chunks(4).take(count).map(|event| (event[0] as usize, event[1] as Errno)).collect())
}

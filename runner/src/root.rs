//! The container's file system, as the program sees it.

use std::fs;
use std::path::PathBuf;

use wasm_oci_core::run::Dir;

/// The compiled code.
pub const CODE: &str = "/.wasm-oci/code";
const OWN: &str = ".wasm-oci";

/// Returns the container's root and the folders in it. The program may write to the folders, but not to the root: there it could
/// replace this runner and its code, which are native and would run at the container's next start. It may only read what the
/// kernel offers in folders, too: through /proc, it could write to the memory of this process.
pub fn folders() -> Result<Vec<Dir>, String> {
    const OF_THE_KERNEL: [&str; 3] = ["dev", "proc", "sys"];
    let failed = |e: std::io::Error| format!("can't list the folders of the container: {e}");
    let mut folders = vec![dir("/".to_owned(), true)];
    for entry in fs::read_dir("/").map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A link would lead to a folder that has an entry of its own.
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_folder || name == OWN || OF_THE_KERNEL.contains(&name.as_str()) {
            continue;
        }
        let folder = dir(format!("/{name}"), false);
        // One that this user can't open stays visible in the root, and can't be opened there either.
        if fs::read_dir(&folder.host).is_ok() {
            folders.push(folder);
        }
    }
    folders[1..].sort_by(|a, b| a.guest.cmp(&b.guest));
    Ok(folders)
}

fn dir(path: String, read_only: bool) -> Dir {
    Dir { host: PathBuf::from(&path), guest: path, read_only }
}

/// Refuses to run if something is mounted over this runner or its code: they would not be those of the image.
pub fn require_own_files() -> Result<(), String> {
    // Some containers have no /proc. Then the engine's word has to do.
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return Ok(()) };
    // The fifth field is the mount point (proc_pid_mountinfo(5)).
    let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let is_own = |point: &&str| point.strip_prefix("/.wasm-oci").is_some_and(is_end_of_name);
    match points.find(is_own) {
        None => Ok(()),
        Some(point) => Err(format!(
            "a volume is mounted at {point}, where the image has its native code; mount it elsewhere"
        )),
    }
}

fn is_end_of_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

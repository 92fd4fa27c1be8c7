//! The container's file system, as the program sees it.

use std::fs;
use std::path::{Path, PathBuf};

use wasm_oci_core::run::Dir;

/// The compiled code.
pub(crate) const CODE: &str = "/.wasm-oci/code";
const OWN: &str = ".wasm-oci";

/// Mounts of the container. Some have no /proc, which lists them; then the engine's word has to do.
pub(crate) struct Mounts(Vec<Mount>);

struct Mount {
    point: PathBuf,
    file_system: String,
}

impl Mounts {
    pub(crate) fn read() -> Mounts {
        let list = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Mounts(list.lines().filter_map(Mount::parse).collect())
    }

    /// Refuses to run if something is mounted over this runner or its code: they would not be those of the image.
    pub(crate) fn require_own_files(&self) -> Result<(), String> {
        let own = Path::new("/").join(OWN);
        match self.0.iter().find(|mount| mount.point.starts_with(&own)) {
            None => Ok(()),
            Some(Mount { point, .. }) => Err(format!(
                "a volume is mounted at {}, where the image has its native code; mount it elsewhere",
                point.display()
            )),
        }
    }

    /// Returns the container's root and the folders in it. The program may write to the folders, but not to the root: there it
    /// could replace this runner and its code, which are native and would run at the container's next start. It may only read
    /// what the kernel offers in folders, too: through /proc, wherever it is mounted, it could write to the memory of this
    /// process.
    pub(crate) fn folders(&self) -> Result<Vec<Dir>, String> {
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
            let path = format!("/{name}");
            let folder = dir(path.clone(), self.has_processes(Path::new(&path)));
            // One that this user can't open stays visible in the root, and can't be opened there either.
            if fs::read_dir(&folder.host).is_ok() {
                folders.push(folder);
            }
        }
        folders[1..].sort_by(|a, b| a.guest.cmp(&b.guest));
        Ok(folders)
    }

    /// Returns true if the kernel's list of processes is mounted in the folder, such as that of the host at /host/proc.
    fn has_processes(&self, folder: &Path) -> bool {
        self.0.iter().any(|mount| mount.file_system == "proc" && mount.point.starts_with(folder))
    }
}

impl Mount {
    /// Parses a line of mountinfo (proc_pid_mountinfo(5)).
    fn parse(line: &str) -> Option<Mount> {
        // The fifth field is the mount point, and the type follows a dash after a number of optional fields.
        let (mount, file_system) = line.split_once(" - ")?;
        Some(Mount {
            point: unescaped(mount.split(' ').nth(4)?).into(),
            file_system: file_system.split(' ').next()?.to_owned(),
        })
    }
}

/// Replaces what the kernel escapes: blanks, tabs, line ends and backslashes.
fn unescaped(point: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(point.to_owned(), |point, (from, to)| point.replace(from, to))
}

fn dir(path: String, read_only: bool) -> Dir {
    Dir { host: PathBuf::from(&path), guest: path, read_only }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_over_the_code_and_lists_of_processes_are_seen() {
        let of = |line: &str| Mounts(line.lines().filter_map(Mount::parse).collect());
        let host =
            of("36 35 98:0 / /host\\040of/proc rw,noatime master:1 - proc proc rw,errors=continue");
        assert!(host.has_processes(Path::new("/host of")));
        assert!(!host.has_processes(Path::new("/host")));
        host.require_own_files().unwrap();
        for (point, is_refused) in [
            ("/.wasm-oci/code", true),
            ("/.wasm-oci", true),
            ("/.wasm-oci-data", false),
            ("/", false),
        ] {
            let mounts = of(&format!("1 2 0:3 / {point} ro - ext4 /dev/vda rw"));
            assert_eq!(mounts.require_own_files().is_err(), is_refused, "{point}");
        }
        of("").require_own_files().unwrap();
        of("nothing of the kind").require_own_files().unwrap();
    }
}

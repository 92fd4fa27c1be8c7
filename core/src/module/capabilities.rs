//! Capabilities of a module, derived from its imports.

use super::{Import, Report, WASI_PREVIEW_1};

named_enum! {
    /// Something that a module can do if its runtime permits it, because it imports the functions for it.
    ///
    /// Every program can read its arguments, use its standard streams and exit, so these don't count.
    #[non_exhaustive]
    pub enum Capability: "capability" {
        /// Look into folders and read files.
        ReadsFiles = "reads-files",
        /// Make, change, rename and remove files.
        WritesFiles = "writes-files",
        /// Read environment variables.
        Environment = "environment",
        /// Know the time, and wait.
        Clock = "clock",
        /// Get random numbers.
        Random = "random",
        /// Open connections, listen and look up names, or use sockets that are passed to it.
        Sockets = "sockets",
        /// Send HTTP requests.
        Http = "http",
        /// Start threads.
        Threads = "threads",
    }
}

impl Report {
    /// Returns the module's capabilities, in the order of [`Capability::ALL`].
    pub(super) fn found_capabilities(&self) -> Vec<Capability> {
        Capability::ALL.into_iter().filter(|it| self.import_for(*it).is_some()).collect()
    }

    pub(super) fn import_for(&self, capability: Capability) -> Option<&Import> {
        // `path_open` takes the access mode as an argument, so the import alone doesn't show whether files are written.
        // `fd_write` alone doesn't either: every program writes to its standard streams.
        let writes = || {
            self.imports
                .iter()
                .any(|import| import.name == "fd_write" || import.name == "fd_pwrite")
        };
        self.imports.iter().find(|import| match given_by(import) {
            Given::Files => match capability {
                Capability::ReadsFiles => true,
                // A component's descriptors of folders have functions for both.
                Capability::WritesFiles => import.module.is_empty() || writes(),
                _ => false,
            },
            Given::One(given) => given == capability,
            Given::Nothing => false,
        })
    }
}

enum Given {
    /// Files, for reading and perhaps for writing.
    Files,
    One(Capability),
    Nothing,
}

fn given_by(import: &Import) -> Given {
    use Capability::{Clock, Environment, Http, Random, ReadsFiles, Sockets, Threads, WritesFiles};
    match (import.module.as_str(), import.name.as_str()) {
        (WASI_PREVIEW_1, name) => match name {
            "path_open" => Given::Files,
            "path_filestat_get" | "path_readlink" | "fd_readdir" => Given::One(ReadsFiles),
            "path_create_directory"
            | "path_filestat_set_times"
            | "path_link"
            | "path_remove_directory"
            | "path_rename"
            | "path_symlink"
            | "path_unlink_file"
            | "fd_allocate"
            | "fd_filestat_set_size"
            | "fd_filestat_set_times" => Given::One(WritesFiles),
            "environ_get" => Given::One(Environment),
            // `poll_oneoff` can wait for a point in time.
            "clock_time_get" | "clock_res_get" | "poll_oneoff" => Given::One(Clock),
            "random_get" => Given::One(Random),
            _ if name.starts_with("sock_") => Given::One(Sockets),
            _ => Given::Nothing,
        },
        ("wasi", "thread-spawn") => Given::One(Threads),
        // All versions of an interface give the same capability.
        ("", name) => match name.split_once('@').map_or(name, |(interface, _)| interface) {
            "wasi:filesystem/preopens" => Given::Files,
            "wasi:cli/environment" => Given::One(Environment),
            "wasi:http/outgoing-handler" => Given::One(Http),
            // It only has types that the other interfaces of `wasi:sockets` use.
            "wasi:sockets/network" => Given::Nothing,
            interface if interface.starts_with("wasi:clocks/") => Given::One(Clock),
            interface if interface.starts_with("wasi:random/") => Given::One(Random),
            interface if interface.starts_with("wasi:sockets/") => Given::One(Sockets),
            _ => Given::Nothing,
        },
        // A function of the host's own: only the host knows its effect.
        _ => Given::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::report;
    use super::*;

    fn capabilities(wat: &str) -> Vec<&'static str> {
        let report = report(&wat::parse_str(wat).unwrap()).unwrap();
        report.capabilities.into_iter().map(Capability::name).collect()
    }

    fn of_functions(names: &[&str]) -> Vec<&'static str> {
        let imports: String = names
            .iter()
            .map(|name| format!(r#"(import "{WASI_PREVIEW_1}" "{name}" (func))"#))
            .collect();
        capabilities(&format!("(module {imports})"))
    }

    #[test]
    fn what_every_program_does_is_none() {
        let names = [
            "args_get",
            "args_sizes_get",
            "fd_write",
            "fd_read",
            "fd_close",
            "proc_exit",
            "sched_yield",
        ];
        assert!(of_functions(&names).is_empty());
    }

    #[test]
    fn each_function_of_preview_1_counts_for_what_it_does() {
        assert_eq!(of_functions(&["path_open", "fd_read"]), ["reads-files"]);
        assert_eq!(of_functions(&["fd_write", "path_open"]), ["reads-files", "writes-files"]);
        assert_eq!(of_functions(&["path_unlink_file"]), ["writes-files"]);
        let all = ["environ_get", "clock_time_get", "random_get", "sock_accept"];
        assert_eq!(of_functions(&all), ["environment", "clock", "random", "sockets"]);
        assert_eq!(capabilities(r#"(module (import "wasi" "thread-spawn" (func)))"#), ["threads"]);
    }

    #[test]
    fn interfaces_count_whatever_their_version() {
        let component = r#"(component
            (import "wasi:filesystem/preopens@0.2.3" (instance))
            (import "wasi:sockets/tcp-create-socket@0.2.0" (instance))
            (import "wasi:http/outgoing-handler@0.2.4" (instance))
            (import "wasi:cli/stdout@0.2.0" (instance)))"#;
        assert_eq!(capabilities(component), ["reads-files", "writes-files", "sockets", "http"]);
    }

    #[test]
    fn names_are_read_back() {
        for capability in Capability::ALL {
            assert_eq!(capability.name().parse(), Ok(capability));
        }
        assert!("socket".parse::<Capability>().unwrap_err().to_string().contains("sockets"));
    }
}

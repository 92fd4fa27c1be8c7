//! Capabilities of a module, derived from its imports.

use std::collections::BTreeSet;

use super::{ExternalKind, Import, Report, WASI_PREVIEW_0, WASI_PREVIEW_1};

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
        /// Anything: it imports something that we can't judge, from WASI or from the host.
        Unknown = "unknown",
    }
}

impl Report {
    /// Returns the module's capabilities, in the order of [`Capability::ALL`].
    pub(super) fn found_capabilities(&self) -> Vec<Capability> {
        Capability::ALL.into_iter().filter(|it| self.import_for(*it).is_some()).collect()
    }

    /// Returns the first import that gives the capability.
    pub(super) fn import_for(&self, capability: Capability) -> Option<&Import> {
        self.imports.iter().find(|import| match (capability, given_by(import)) {
            (Capability::Unknown, given) => given.unknown,
            (_, given) => given.known.contains(&capability),
        })
    }

    /// Returns the first import that we can't judge and the user doesn't allow.
    pub(super) fn unjudged_import(&self, allowed: &BTreeSet<String>) -> Option<&Import> {
        self.imports.iter().find(|import| given_by(import).unknown && !import.is_allowed(allowed))
    }
}

impl Import {
    /// The interface that a component imports, or the module that a core module imports from.
    pub(crate) fn interface(&self) -> &str {
        match (&self.implements, self.module.as_str()) {
            (Some(interface), _) => interface,
            (None, "") => &self.name,
            (None, module) => module,
        }
    }

    /// Returns true if the user allows the import by its name, without its version, or by the name of its package.
    pub(super) fn is_allowed(&self, allowed: &BTreeSet<String>) -> bool {
        let name = self.interface();
        let unversioned = name.split('@').next().unwrap_or(name);
        let package = unversioned.split('/').next().unwrap_or(unversioned);
        [name, unversioned, package].into_iter().any(|name| allowed.contains(name))
    }
}

/// The capabilities that one import gives.
struct Given {
    known: &'static [Capability],
    /// True if it may give others, too.
    unknown: bool,
}

impl Given {
    const NOTHING: Given = Given::only(&[]);
    const ANYTHING: Given = Given { known: &[], unknown: true };

    const fn only(known: &'static [Capability]) -> Given {
        Given { known, unknown: false }
    }
}

fn given_by(import: &Import) -> Given {
    let interface = import.interface();
    match (import.module.as_str(), import.name.as_str()) {
        // Memory and types are nothing that could be called.
        _ if matches!(import.kind, ExternalKind::Memory | ExternalKind::Type) => Given::NOTHING,
        // Preview 0 has the functions of preview 1, by the same names.
        (WASI_PREVIEW_1 | WASI_PREVIEW_0, name) => by_function(name),
        ("wasi", "thread-spawn") => Given::only(&[Capability::Threads]),
        // A component imports an interface as an instance.
        ("", _) if import.kind != ExternalKind::Instance => Given::ANYTHING,
        _ if interface.starts_with("wasi:") => by_interface(interface),
        // A function of the host's own: only the host knows its effect.
        _ => Given::ANYTHING,
    }
}

/// Returns what a function of WASI preview 1 gives.
fn by_function(name: &str) -> Given {
    use Capability::{Clock, Environment, Random, ReadsFiles, Sockets, WritesFiles};
    Given::only(match name {
        // The access mode is an argument, and a file that is opened can be created or emptied without another function.
        "path_open" => FILES,
        "path_filestat_get" | "path_readlink" | "fd_readdir" => &[ReadsFiles],
        "path_create_directory"
        | "path_filestat_set_times"
        | "path_link"
        | "path_remove_directory"
        | "path_rename"
        | "path_symlink"
        | "path_unlink_file"
        | "fd_allocate"
        | "fd_filestat_set_size"
        | "fd_filestat_set_times" => &[WritesFiles],
        "environ_get" => &[Environment],
        // `poll_oneoff` can wait for a point in time.
        "clock_time_get" | "clock_res_get" | "poll_oneoff" => &[Clock],
        "random_get" => &[Random],
        _ if name.starts_with("sock_") => &[Sockets],
        // `fd_write` gives nothing: every program writes to its standard streams.
        "args_get"
        | "args_sizes_get"
        | "environ_sizes_get"
        | "fd_advise"
        | "fd_close"
        | "fd_datasync"
        | "fd_fdstat_get"
        | "fd_fdstat_set_flags"
        | "fd_fdstat_set_rights"
        | "fd_filestat_get"
        | "fd_pread"
        | "fd_prestat_dir_name"
        | "fd_prestat_get"
        | "fd_pwrite"
        | "fd_read"
        | "fd_renumber"
        | "fd_seek"
        | "fd_sync"
        | "fd_tell"
        | "fd_write"
        | "proc_exit"
        | "proc_raise"
        | "sched_yield" => &[],
        // Some runtimes add functions of their own.
        _ => return Given::ANYTHING,
    })
}

const FILES: &[Capability] = &[Capability::ReadsFiles, Capability::WritesFiles];

/// The versions of WASI whose interfaces [`INTERFACES`] lists.
const VERSIONS: [&str; 2] = ["0.2", "0.3"];

/// The interfaces of WASI that a component can import, each with the versions that have it and the capabilities that it
/// gives ([0.2](https://github.com/WebAssembly/WASI/tree/v0.2.12), [0.3](https://github.com/WebAssembly/WASI/tree/v0.3.0)).
const INTERFACES: &[(&str, &[&str], &[Capability])] = &[
    ("wasi:cli/environment", &VERSIONS, &[Capability::Environment]),
    ("wasi:cli/exit", &VERSIONS, &[]),
    ("wasi:cli/stderr", &VERSIONS, &[]),
    ("wasi:cli/stdin", &VERSIONS, &[]),
    ("wasi:cli/stdout", &VERSIONS, &[]),
    ("wasi:cli/terminal-input", &VERSIONS, &[]),
    ("wasi:cli/terminal-output", &VERSIONS, &[]),
    ("wasi:cli/terminal-stderr", &VERSIONS, &[]),
    ("wasi:cli/terminal-stdin", &VERSIONS, &[]),
    ("wasi:cli/terminal-stdout", &VERSIONS, &[]),
    ("wasi:cli/types", &["0.3"], &[]),
    ("wasi:clocks/monotonic-clock", &VERSIONS, &[Capability::Clock]),
    ("wasi:clocks/system-clock", &["0.3"], &[Capability::Clock]),
    ("wasi:clocks/timezone", &VERSIONS, &[Capability::Clock]),
    ("wasi:clocks/types", &["0.3"], &[]),
    ("wasi:clocks/wall-clock", &["0.2"], &[Capability::Clock]),
    ("wasi:filesystem/preopens", &VERSIONS, FILES),
    // It has the functions of descriptors, which another import may hand over.
    ("wasi:filesystem/types", &VERSIONS, FILES),
    ("wasi:http/client", &["0.3"], &[Capability::Http]),
    // A handler that is imported may be at the other end of a connection.
    ("wasi:http/handler", &["0.3"], &[Capability::Http]),
    ("wasi:http/incoming-handler", &["0.2"], &[Capability::Http]),
    ("wasi:http/outgoing-handler", &["0.2"], &[Capability::Http]),
    ("wasi:http/types", &VERSIONS, &[]),
    ("wasi:io/error", &["0.2"], &[]),
    ("wasi:io/poll", &["0.2"], &[]),
    ("wasi:io/streams", &["0.2"], &[]),
    ("wasi:random/insecure", &VERSIONS, &[Capability::Random]),
    ("wasi:random/insecure-seed", &VERSIONS, &[Capability::Random]),
    ("wasi:random/random", &VERSIONS, &[Capability::Random]),
    ("wasi:sockets/instance-network", &["0.2"], &[Capability::Sockets]),
    ("wasi:sockets/ip-name-lookup", &VERSIONS, &[Capability::Sockets]),
    // It only has types that the other interfaces use.
    ("wasi:sockets/network", &["0.2"], &[]),
    ("wasi:sockets/tcp", &["0.2"], &[Capability::Sockets]),
    ("wasi:sockets/tcp-create-socket", &["0.2"], &[Capability::Sockets]),
    ("wasi:sockets/types", &["0.3"], &[Capability::Sockets]),
    ("wasi:sockets/udp", &["0.2"], &[Capability::Sockets]),
    ("wasi:sockets/udp-create-socket", &["0.2"], &[Capability::Sockets]),
];

/// Returns what an interface of WASI gives, by its name: `wasi:http/client@0.3.0`.
fn by_interface(name: &str) -> Given {
    let (name, version) =
        name.split_once('@').map_or((name, None), |(name, version)| (name, Some(version)));
    let Some((_, versions, known)) = INTERFACES.iter().find(|(known, ..)| *known == name) else {
        return Given::ANYTHING;
    };
    // Another version may have more in it. Without a version, it is one of those that exist.
    let is_of = |known: &&str| {
        version.is_none_or(|version| {
            version
                .strip_prefix(*known)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    Given { known, unknown: !versions.iter().any(is_of) }
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
        // Opening a file can create or empty it.
        assert_eq!(of_functions(&["path_open", "fd_read"]), ["reads-files", "writes-files"]);
        assert_eq!(of_functions(&["path_readlink", "fd_write"]), ["reads-files"]);
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

    fn of_interface(name: &str) -> Vec<&'static str> {
        capabilities(&format!(r#"(component (import "{name}" (instance)))"#))
    }

    #[test]
    fn interfaces_of_each_version_are_known() {
        for name in ["client@0.3.0", "handler@0.3.0", "client@0.3.0-rc-2026-01-06"] {
            assert_eq!(of_interface(&format!("wasi:http/{name}")), ["http"], "{name}");
        }
        for name in ["outgoing-handler@0.2.0-rc-2023-12-05", "incoming-handler@0.2.12", "client"] {
            assert_eq!(of_interface(&format!("wasi:http/{name}")), ["http"], "{name}");
        }
        assert_eq!(of_interface("wasi:sockets/types@0.3.0"), ["sockets"]);
        assert_eq!(of_interface("wasi:clocks/system-clock@0.3.0"), ["clock"]);
        assert_eq!(of_interface("wasi:filesystem/types@0.3.0"), ["reads-files", "writes-files"]);
        for name in
            ["cli/stdout@0.3.0", "http/types@0.3.0", "sockets/network@0.2.0", "io/poll@0.2.3"]
        {
            assert!(of_interface(&format!("wasi:{name}")).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_judged_is_unknown() {
        for name in [
            "wasi:nn/graph@0.2.0-rc-2024-10-28",
            "wasi:keyvalue/store@0.2.0-draft",
            "wasi:http/new-thing@0.3.0",
            "wasi:http/types@0.4.0",
            "wasi:http/types@0.30.0",
            "wasi:io/poll@0.3.0",
            "acme:db/store",
            "log",
        ] {
            assert_eq!(of_interface(name), ["unknown"], "{name}");
        }
        // A later version keeps what is known of it.
        assert_eq!(of_interface("wasi:http/client@0.4.0"), ["http", "unknown"]);
        assert_eq!(of_functions(&["path_chown"]), ["unknown"]);
        assert_eq!(capabilities(r#"(module (import "env" "f" (func)))"#), ["unknown"]);
        assert_eq!(
            capabilities(r#"(module (import "wasi_ephemeral_nn" "load" (func)))"#),
            ["unknown"]
        );
    }

    #[test]
    fn only_what_can_be_called_counts() {
        assert!(capabilities(r#"(module (import "env" "memory" (memory 1)))"#).is_empty());
        assert!(capabilities(r#"(component (import "t" (type (sub resource))))"#).is_empty());
        // Its outer component supplies what an inner one imports.
        let inner = r#"(component (component (import "wasi:http/client@0.3.0" (instance))))"#;
        assert!(capabilities(inner).is_empty());
    }

    #[test]
    fn an_interface_under_another_name_counts() {
        let named =
            r#"(component (import "mine" (implements "wasi:http/client@0.3.0") (instance)))"#;
        assert_eq!(capabilities(named), ["http"]);
    }

    #[test]
    fn preview_0_counts_like_preview_1() {
        let wat = r#"(module (import "wasi_unstable" "sock_send" (func)))"#;
        assert_eq!(capabilities(wat), ["sockets"]);
        // A core module may name interfaces, too.
        let wat = r#"(module (import "wasi:http/outgoing-handler@0.2.0" "handle" (func)))"#;
        assert_eq!(capabilities(wat), ["http"]);
    }

    #[test]
    fn names_are_read_back() {
        for capability in Capability::ALL {
            assert_eq!(capability.name().parse(), Ok(capability));
        }
        assert!("socket".parse::<Capability>().unwrap_err().to_string().contains("sockets"));
    }
}

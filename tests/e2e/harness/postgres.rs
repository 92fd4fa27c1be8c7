//! Debian's PostgreSQL: what most people mean by a database.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::daemon::Daemon;
use super::run::Run;
use super::tools;

/// The superuser's password.
pub(crate) const PASSWORD: &str = "correct horse";

/// An empty database of this test alone, on the loopback address. Its superuser `postgres` logs in by SCRAM.
pub(crate) struct Postgres {
    port: u16,
    _daemon: Daemon,
}

impl Postgres {
    pub(crate) fn start() -> Postgres {
        let directory = tempfile::Builder::new().prefix("postgres-").tempdir();
        let directory = directory.expect("a temporary directory can be made");
        let (data, secret) = (directory.path().join("data"), directory.path().join("password"));
        fs::write(&secret, PASSWORD).expect("a temporary directory can be written");
        if is_root() {
            let mut give = Command::new(tools::program("chown"));
            let _given =
                Run::of(give.args(["--recursive", "postgres:"]).arg(directory.path())).success();
        }
        let mut create = as_user(&tools::postgres("initdb"));
        create.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--no-sync",
            "--no-locale",
            "--encoding=UTF8",
        ]);
        let _created =
            Run::of(create.arg("--pwfile").arg(secret).arg("--pgdata").arg(&data)).success();
        // It doesn't take a port that it chooses itself.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("there is a free port").port();
        let mut serve = as_user(&tools::postgres("postgres"));
        serve.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        serve.arg("-c").arg(format!("port={port}"));
        serve.arg("-c").arg(format!("unix_socket_directories={}", directory.path().display()));
        // It waits for clients to leave otherwise.
        let stop = "kill -s INT \"$command\"";
        let daemon = Daemon::start(directory, Command::new("sh"), stop, &serve);
        daemon.wait_for("start of PostgreSQL", |daemon| {
            daemon.log().contains("ready to accept connections").then_some(())
        });
        Postgres { port, _daemon: daemon }
    }

    /// Returns the environment variables for a client.
    pub(crate) fn env(&self) -> [(&'static str, String); 4] {
        [
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", "postgres".to_owned()),
            ("PGPASSWORD", PASSWORD.to_owned()),
        ]
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|directory| directory.uid() == 0)
}

/// A command for a program of its own, which refuses to be run by root: as the user that Debian made for it.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new(tools::program("setpriv"));
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

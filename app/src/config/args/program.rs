//! Arguments of the commands that run programs: access to the host, limits, and addresses.

use std::env::VarError;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use wasm_oci_core::run::{Dir, Limits};

use crate::error::{Error, UsageError};

#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub given: GivenArgs,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS", help_heading = None::<&'static str>)]
    pub args: Vec<String>,
}

/// The environment of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Program")]
pub struct GivenArgs {
    #[command(flatten)]
    pub sandbox: SandboxArgs,
    /// Read standard input from a file
    #[arg(long, value_name = "FILE", help_heading = "Program")]
    pub stdin: Option<PathBuf>,
}

/// The part of the environment that a server has, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Program")]
pub struct SandboxArgs {
    /// Give the program access to a folder; `:ro` makes it read-only
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]")]
    pub dirs: Vec<Dir>,
    /// Set an environment variable; without a value, pass on the current one
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Allow a component to use the network: connect, listen, look up names and send HTTP requests
    #[arg(long)]
    pub net: bool,
    /// Ignore cached results and do not write new ones
    #[arg(long, help_heading = None::<&'static str>)]
    pub no_cache: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Stop the program after this time, such as 500ms, 10s or 2m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,
    /// Stop the program when it requests more memory than this, such as 64MiB
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Stop the program after this number of instructions
    #[arg(long, value_name = "UNITS")]
    pub fuel: Option<u64>,
    /// Stop the program when it writes more than this to standard output and error, such as 1MiB
    #[arg(long, value_name = "SIZE")]
    pub max_output: Option<ByteSize>,
    /// Stop the program when its tables grow beyond this number of elements
    #[arg(long, value_name = "COUNT")]
    pub max_table_elements: Option<u64>,
    /// Stop a component with more instances than this
    #[arg(long, value_name = "COUNT")]
    pub max_instances: Option<u64>,
}

impl LimitArgs {
    pub fn limits(&self) -> Limits {
        Limits {
            timeout: self.timeout,
            memory: self.memory.map(|size| size.as_u64()),
            fuel: self.fuel,
            table_elements: self.max_table_elements,
            instances: self.max_instances,
            output: self.max_output.map(|size| size.as_u64()),
        }
    }
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Tests")]
pub struct TestArgs {
    /// Run only the tests whose name contains one of these texts
    #[arg(value_name = "FILTER", help_heading = None)]
    pub filters: Vec<String>,
    /// Number of tests to run in parallel (default: the number of processors)
    #[arg(long, value_name = "N")]
    pub test_threads: Option<NonZero<usize>>,
    /// Start no further tests after a failure
    #[arg(long)]
    pub fail_fast: bool,
    /// Write a JUnit XML report to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

impl GivenArgs {
    /// Returns equivalent arguments for a child process.
    pub fn to_args(&self) -> Vec<OsString> {
        // Without `..`, so that a new argument does not compile until it is passed on.
        let GivenArgs { sandbox: SandboxArgs { dirs, env, net, no_cache, limits }, stdin } = self;
        // In bytes, because `ByteSize` rounds its text.
        let size = |size: &ByteSize| size.as_u64().to_string();
        let options = [
            ("--timeout", limits.timeout.map(|time| humantime::format_duration(time).to_string())),
            ("--memory", limits.memory.as_ref().map(size)),
            ("--fuel", limits.fuel.map(|units| units.to_string())),
            ("--max-output", limits.max_output.as_ref().map(size)),
            ("--max-table-elements", limits.max_table_elements.map(|count| count.to_string())),
            ("--max-instances", limits.max_instances.map(|count| count.to_string())),
        ];
        let mut args: Vec<OsString> = Vec::new();
        args.extend(dirs.iter().flat_map(|dir| ["--dir".into(), dir.to_string().into()]));
        args.extend(env.iter().flat_map(|variable| ["--env".into(), variable.into()]));
        args.extend(stdin.iter().flat_map(|path| ["--stdin".into(), path.into()]));
        args.extend(net.then(|| "--net".into()));
        let options =
            options.into_iter().filter_map(|(name, value)| Some([name.into(), value?.into()]));
        args.extend(options.flatten());
        args.extend(no_cache.then(|| "--no-cache".into()));
        args
    }
}

impl SandboxArgs {
    pub fn variables(&self) -> Result<Vec<(String, String)>, Error> {
        let variable = |text: &String| match text.split_once('=') {
            _ if text.is_empty() || text.starts_with('=') => {
                Err(UsageError::NoVariableName { text: text.clone() }.into())
            }
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => match std::env::var(text) {
                Ok(value) => Ok((text.clone(), value)),
                // Strings of WASI are Unicode.
                Err(VarError::NotUnicode(_)) => {
                    Err(UsageError::VariableNotText { name: text.clone() }.into())
                }
                Err(VarError::NotPresent) => {
                    Err(UsageError::VariableNotSet { name: text.clone() }.into())
                }
            },
        };
        self.env.iter().map(variable).collect()
    }
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Program")]
pub struct ServeArgs {
    #[command(flatten)]
    pub at: AddrArgs,
    #[command(flatten)]
    pub sandbox: SandboxArgs,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS", help_heading = None::<&'static str>)]
    pub args: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Program")]
pub struct AddrArgs {
    /// Address to listen on (default: 127.0.0.1:8080)
    #[arg(long, value_name = "IP:PORT", conflicts_with = "port")]
    pub addr: Option<SocketAddr>,
    /// Port to listen on at 127.0.0.1; 0 selects a free one
    #[arg(long)]
    pub port: Option<u16>,
}

impl AddrArgs {
    pub fn addr(&self) -> SocketAddr {
        let mut addr = self.addr.unwrap_or(DEFAULT_ADDR);
        if let Some(port) = self.port {
            addr.set_port(port);
        }
        addr
    }
}

// Only this machine can reach it: opening a server to the network is the user's decision.
const DEFAULT_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

// Limit of a request. Without one, programs that never end would soon occupy all threads.
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

impl ServeArgs {
    /// Combines an address with the environment that `run` would give.
    pub fn with(addr: SocketAddr, run: RunArgs) -> ServeArgs {
        // `serve` has no `--stdin`, because all requests would share one.
        let at = AddrArgs { addr: Some(addr), port: None };
        ServeArgs { at, sandbox: run.given.sandbox, args: run.args }
    }

    /// Returns the limits of a request, always with a time limit.
    pub fn limits(&self) -> Limits {
        let limits = self.sandbox.limits.limits();
        Limits { timeout: limits.timeout.or(Some(DEFAULT_REQUEST_TIMEOUT)), ..limits }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        given: GivenArgs,
    }

    #[test]
    fn what_is_given_can_be_passed_on() {
        let line = "x --dir a::/b:ro --dir c --env A=1 --env B --stdin f --net --timeout 1m30s --memory 64MiB \
                    --fuel 5 --max-output 1kB --max-table-elements 7 --max-instances 8 --no-cache";
        let given = Command::parse_from(line.split_whitespace()).given;
        let again =
            Command::parse_from([OsString::from("x")].into_iter().chain(given.to_args())).given;
        assert_eq!(again, given);
        assert_eq!(given.to_args().len(), line.split_whitespace().count() - 1);
    }
}

//! Arguments of what runs programs: what they are given, and where and how long they may run.

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

/// What `run` gives to a program, and its arguments.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub given: GivenArgs,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS", help_heading = None::<&'static str>)]
    pub args: Vec<String>,
}

/// What a program is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Program")]
pub struct GivenArgs {
    /// Let the program see a folder
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]", value_parser = parse_dir)]
    pub dirs: Vec<Dir>,
    /// Set an environment variable; without a value, pass on the one that is set here
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read standard input from a file
    #[arg(long, value_name = "FILE")]
    pub stdin: Option<PathBuf>,
    /// Let a component open connections, listen, look names up and send HTTP requests
    #[arg(long)]
    pub net: bool,
    /// Do everything anew, and keep nothing of it
    #[arg(long)]
    pub no_cache: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// What a program may use up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Stop the program after this time: 500ms, 10s, 2m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,
    /// Stop the program when it wants more memory: 64MiB
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Stop the program after so many instructions
    #[arg(long, value_name = "UNITS")]
    pub fuel: Option<u64>,
    /// Stop the program when it writes more than this to its standard output and error: 1MiB
    #[arg(long, value_name = "SIZE")]
    pub max_output: Option<ByteSize>,
    /// Stop the program when its tables get more elements
    #[arg(long, value_name = "COUNT")]
    pub max_table_elements: Option<u64>,
    /// Stop a component that consists of more instances
    #[arg(long, value_name = "COUNT")]
    pub max_instances: Option<u64>,
}

impl LimitArgs {
    /// The limits, as the runner has them.
    #[must_use]
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

/// Which smoke tests run, and what is written about them.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Tests")]
pub struct TestArgs {
    /// Only tests with one of these in their names
    #[arg(value_name = "FILTER", help_heading = None)]
    pub filters: Vec<String>,
    /// How many tests run at a time; as many as there are processors if not given
    #[arg(long, value_name = "N")]
    pub test_threads: Option<NonZero<usize>>,
    /// Begin no test after one that failed
    #[arg(long)]
    pub fail_fast: bool,
    /// Write a report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

fn parse_dir(text: &str) -> Result<Dir, String> {
    text.parse()
}

impl GivenArgs {
    /// The arguments that say the same, for another process.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let GivenArgs { dirs, env, stdin, net, limits, no_cache } = self;
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

    /// The variables with their values.
    ///
    /// # Errors
    /// [`Error::Usage`] when one is to be passed on that is not set.
    pub fn variables(&self) -> Result<Vec<(String, String)>, Error> {
        variables(&self.env)
    }
}

fn variables(given: &[String]) -> Result<Vec<(String, String)>, Error> {
    let variable = |text: &String| match text.split_once('=') {
        _ if text.is_empty() || text.starts_with('=') => {
            Err(UsageError::NoVariableName { text: text.clone() }.into())
        }
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => match std::env::var(text) {
            Ok(value) => Ok((text.clone(), value)),
            Err(VarError::NotUnicode(_)) => {
                Err(UsageError::VariableNotText { name: text.clone() }.into())
            }
            Err(VarError::NotPresent) => {
                Err(UsageError::VariableNotSet { name: text.clone() }.into())
            }
        },
    };
    given.iter().map(variable).collect()
}

/// Where `serve` listens, and what it gives to a program.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Program")]
pub struct ServeArgs {
    #[command(flatten)]
    pub at: AddrArgs,
    /// Let the program see a folder
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]", value_parser = parse_dir)]
    pub dirs: Vec<Dir>,
    /// Set an environment variable; without a value, pass on the one that is set here
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Let the program open connections, look names up and send HTTP requests itself
    #[arg(long)]
    pub net: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Do everything anew, and keep nothing of it
    #[arg(long)]
    pub no_cache: bool,
    /// Arguments for the program
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// Where `serve` listens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Program")]
pub struct AddrArgs {
    /// Listen on this address, instead of 127.0.0.1:8080
    #[arg(long, value_name = "IP:PORT", conflicts_with = "port")]
    pub addr: Option<SocketAddr>,
    /// Listen on this port of 127.0.0.1; 0 takes any that is free
    #[arg(long)]
    pub port: Option<u16>,
}

impl AddrArgs {
    /// Where to listen.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        let mut addr = self.addr.unwrap_or(DEFAULT_ADDR);
        if let Some(port) = self.port {
            addr.set_port(port);
        }
        addr
    }
}

/// Where `serve` listens unless told otherwise.
const DEFAULT_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// How long a request may take unless told otherwise. Without any limit, programs that don't end would soon have all
/// the threads there are.
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

impl ServeArgs {
    /// To serve there with what `run` would give.
    #[must_use]
    pub fn with(addr: SocketAddr, run: RunArgs) -> ServeArgs {
        let GivenArgs { dirs, env, stdin: _, net, no_cache, limits } = run.given;
        let at = AddrArgs { addr: Some(addr), port: None };
        ServeArgs { at, dirs, env, net, limits, no_cache, args: run.args }
    }

    /// The limits of a request. There always is one of time.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let limits = self.limits.limits();
        Limits { timeout: limits.timeout.or(Some(DEFAULT_REQUEST_TIMEOUT)), ..limits }
    }

    /// The variables with their values.
    ///
    /// # Errors
    /// [`Error::Usage`] when one is to be passed on that is not set.
    pub fn variables(&self) -> Result<Vec<(String, String)>, Error> {
        variables(&self.env)
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

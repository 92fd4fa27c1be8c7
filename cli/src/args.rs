//! Arguments that several commands share.

use std::collections::BTreeMap;
use std::env::VarError;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{ArgAction, Args};
use wasm_oci_core::image::{Audience, Created, Format, Platform};
use wasm_oci_core::module::{Capability, DebugInfo, Level, MeantFor};
use wasm_oci_core::run::{Dir, Limits};

use crate::budget::{BudgetSetting, parse};
use crate::error::Error;
use crate::settings::Settings;
use crate::shell::{Color, Shell, Verbosity};

/// What is said, and how.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Say more
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colour the output
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = "CARGO_TERM_COLOR",
        hide_env = true,
        default_value = "auto"
    )]
    pub color: Color,
}

impl OutputArgs {
    /// The shell that speaks so.
    #[must_use]
    pub fn shell(&self) -> Shell {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        Shell::new(verbosity, self.color)
    }
}

/// What the module must be, and how it is optimized.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Module")]
pub struct ModuleArgs {
    /// How much to optimize: off, 0 to 4, s or z
    #[arg(short = 'O', long, value_name = "LEVEL", value_parser = checked::<Level>)]
    pub optimize: Option<String>,
    /// Take the module as it is
    #[arg(long, conflicts_with = "optimize")]
    pub no_optimize: bool,
    /// Optimize with a wasm-opt of yours, a newer one maybe: a path, or a name to look up on PATH
    #[arg(
        long,
        value_name = "PROGRAM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "wasm-opt"
    )]
    pub wasm_opt: Option<PathBuf>,
    /// What stays in the module for readable traces and debuggers: none, names (of functions) or dwarf
    #[arg(
        long,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "names",
        value_parser = checked::<DebugInfo>
    )]
    pub debug_info: Option<String>,
    /// Refuse to build, pack or push a module that is larger, as 600kB
    #[arg(long, value_name = "SIZE", value_parser = budget)]
    pub size_budget: Option<String>,
    /// Accept imports from this module beside WASI's
    #[arg(long = "allow-import", value_name = "MODULE")]
    pub allow_imports: Vec<String>,
    /// Refuse a module that can do this: reads-files, writes-files, environment, clock, random, sockets, http, threads
    #[arg(long, value_name = "CAPABILITY", value_parser = checked::<Capability>)]
    pub deny: Vec<String>,
    /// Refuse a module that this runtime doesn't take, as node or node@20
    #[arg(id = "for-runtime", long = "runtime", value_name = "RUNTIME", value_parser = checked::<MeantFor>)]
    pub runtimes: Vec<String>,
}

/// What goes into the image.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Image")]
pub struct ImageArgs {
    /// The formats to make: universal, container, module, combined, artifact
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', value_parser = checked::<Format>)]
    pub format: Vec<String>,
    /// Choose the formats for whom the image is for: docker, kubernetes, containerd, podman, wkg, node, …; `check` lists all
    #[arg(
        id = "audience",
        long = "for",
        value_name = "CONSUMER",
        value_delimiter = ',',
        conflicts_with = "format",
        value_parser = checked::<Audience>
    )]
    pub audience: Vec<String>,
    /// Tag of the image, alone or as REPOSITORY:TAG
    #[arg(short, long = "tag", value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// The command, instead of the module; for each of its words
    #[arg(long, value_name = "WORD")]
    pub entrypoint: Vec<String>,
    /// Argument after the entrypoint
    #[arg(id = "image-args", long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// Environment variable in the image
    #[arg(id = "image-env", long = "image-env", value_name = "NAME=VALUE", value_parser = pair)]
    pub env: Vec<(String, String)>,
    /// User (and group) of the process
    #[arg(long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Label
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    /// Annotation
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = pair)]
    pub annotations: Vec<(String, String)>,
    /// File or folder to lie beside the module at this path
    #[arg(long, value_name = "PATH=HOST", value_parser = pair)]
    pub include: Vec<(String, String)>,
    /// Time in the image: seconds since 1970, or as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = checked::<Created>)]
    pub created: Option<String>,
    /// Who made the image
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// The linux platforms that a universal image lists
    #[arg(long = "linux-platform", value_name = "OS/ARCH", value_delimiter = ',', value_parser = checked::<Platform>)]
    pub linux_platforms: Vec<String>,
}

/// Where images are written to.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct PlaceArgs {
    /// Write an OCI image layout
    #[arg(long, value_name = "DIR")]
    pub oci_layout_path: Option<PathBuf>,
    /// Write an archive that `docker load`, `podman load` and `ctr image import` take
    #[arg(long, value_name = "FILE")]
    pub tarball: Option<PathBuf>,
}

/// What earlier calls kept.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct CacheArgs {
    /// Do everything anew, and keep nothing of it
    #[arg(long)]
    pub no_cache: bool,
}

/// A value as it stands, if it can be parsed: settings are texts until the plan is made.
fn checked<T: FromStr<Err: ToString>>(text: &str) -> Result<String, String> {
    text.parse::<T>().map(|_| text.to_owned()).map_err(|e| e.to_string())
}

fn budget(text: &str) -> Result<String, String> {
    parse(text).map(|_| text.to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

impl ModuleArgs {
    /// What the flags set.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            optimize: if self.no_optimize { Some("off".to_owned()) } else { self.optimize.clone() },
            wasm_opt: self.wasm_opt.clone(),
            debug_info: self.debug_info.clone(),
            size_budget: BudgetSetting { module: self.size_budget.clone(), image: None },
            allow_imports: unless_empty(&self.allow_imports),
            deny: unless_empty(&self.deny),
            runtimes: unless_empty(&self.runtimes),
            ..Settings::default()
        }
    }
}

impl ImageArgs {
    /// What the flags set.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let include = self.include.iter().map(|(path, host)| (path.clone(), PathBuf::from(host)));
        Settings {
            format: unless_empty(&self.format),
            audience: unless_empty(&self.audience),
            tags: unless_empty(&self.tags),
            entrypoint: unless_empty(&self.entrypoint),
            args: unless_empty(&self.args),
            env: BTreeMap::from_iter(self.env.clone()),
            user: self.user.clone(),
            labels: BTreeMap::from_iter(self.labels.clone()),
            annotations: BTreeMap::from_iter(self.annotations.clone()),
            include: include.collect(),
            created: self.created.clone(),
            author: self.author.clone(),
            linux_platforms: unless_empty(&self.linux_platforms),
            ..Settings::default()
        }
    }
}

pub(crate) fn unless_empty(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// What `run` gives to a program, and its arguments.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it")]
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
    #[expect(missing_docs, reason = "clap would show it")]
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
        let options = options.into_iter().filter_map(|(name, value)| Some([name.into(), value?.into()]));
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
            Err(Error::Usage(format!("`--env {text}` names no variable: write NAME=VALUE or NAME")))
        }
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => match std::env::var(text) {
            Ok(value) => Ok((text.clone(), value)),
            Err(VarError::NotUnicode(_)) => Err(Error::Usage(format!(
                "the environment variable `{text}` is no text, and programs get only text"
            ))),
            Err(VarError::NotPresent) => Err(Error::Usage(format!(
                "the environment variable `{text}` is not set here: write {text}=VALUE"
            ))),
        },
    };
    given.iter().map(variable).collect()
}

/// Where `serve` listens, and what it gives to a program.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Program")]
pub struct ServeArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it")]
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
    #[expect(missing_docs, reason = "clap would show it")]
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
        let again = Command::parse_from([OsString::from("x")].into_iter().chain(given.to_args())).given;
        assert_eq!(again, given);
        assert_eq!(given.to_args().len(), line.split_whitespace().count() - 1);
    }
}

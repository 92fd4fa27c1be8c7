//! `--read-limit`: limits for reading images that others made.

use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use wasm_oci_core::limits::ReadLimits;

use crate::config::env_vars::{self, WASM_OCI_READ_LIMITS};
use crate::error::{Error, UsageError};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Limits")]
pub struct ReadLimitArgs {
    /// Change a limit for reading the image: fetched, unpacked, memory, manifests, layers, tags, metadata or time
    #[arg(long = "read-limit", value_name = "NAME=VALUE")]
    pub read_limits: Vec<ReadLimit>,
}

impl ReadLimitArgs {
    /// Returns the limits of the flags, otherwise of the environment, otherwise the default ones.
    pub fn limits(&self) -> Result<ReadLimits, Error> {
        let mut limits = ReadLimits::default();
        for text in env_vars::value(WASM_OCI_READ_LIMITS).iter().flat_map(|it| it.split(',')) {
            // clap names the flag of an invalid limit; here, we have to name the variable.
            let limit: ReadLimit = text
                .parse()
                .map_err(|reason| UsageError::Variable { name: WASM_OCI_READ_LIMITS, reason })?;
            limit.set(&mut limits);
        }
        // After the environment, so that a flag replaces its value.
        self.read_limits.iter().for_each(|limit| limit.set(&mut limits));
        Ok(limits)
    }
}

/// One limit and its value.
#[derive(Debug, Clone, Copy)]
pub enum ReadLimit {
    Number(Field, u64),
    Time(Duration),
}

type Field = fn(&mut ReadLimits) -> &mut u64;

impl ReadLimit {
    fn set(&self, limits: &mut ReadLimits) {
        match *self {
            ReadLimit::Number(field, value) => *field(limits) = value,
            ReadLimit::Time(time) => limits.time = time,
        }
    }
}

impl FromStr for ReadLimit {
    type Err = String;

    // A test compares the names and the defaults with docs/limits.md.
    fn from_str(text: &str) -> Result<ReadLimit, String> {
        let (name, value) = text
            .trim()
            .split_once('=')
            .ok_or_else(|| format!("`{text}` has no value; use NAME=VALUE"))?;
        let size = |field: Field| match value.parse::<ByteSize>() {
            Ok(size) => Ok(ReadLimit::Number(field, size.as_u64())),
            Err(e) => Err(format!("`{value}` is not a size: {e}")),
        };
        let count = |field: Field| match value.parse() {
            Ok(count) => Ok(ReadLimit::Number(field, count)),
            Err(e) => Err(format!("`{value}` is not a number: {e}")),
        };
        match name {
            "fetched" => size(|limits| &mut limits.fetched),
            "unpacked" => size(|limits| &mut limits.unpacked),
            "memory" => size(|limits| &mut limits.memory),
            "manifests" => count(|limits| &mut limits.manifests),
            "layers" => count(|limits| &mut limits.layers),
            "tags" => count(|limits| &mut limits.tags),
            "metadata" => size(|limits| &mut limits.metadata),
            "time" => match humantime::parse_duration(value) {
                Ok(time) => Ok(ReadLimit::Time(time)),
                Err(e) => Err(format!("`{value}` is not a time: {e}")),
            },
            _ => Err(format!(
                "there is no limit `{name}`; use fetched, unpacked, memory, manifests, layers, tags, \
                 metadata or time"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_limit_with_its_default() {
        let none = ReadLimits {
            fetched: 0,
            unpacked: 0,
            memory: 0,
            manifests: 0,
            layers: 0,
            tags: 0,
            metadata: 0,
            time: Duration::ZERO,
        };
        let rows = include_str!("../../../docs/limits.md").lines();
        let rows = rows.filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let documented = rows.fold(none, |mut limits, (name, row)| {
            let default = row.split(" | ").next().unwrap().replace(' ', "");
            format!("{name}={default}").parse::<ReadLimit>().unwrap().set(&mut limits);
            limits
        });
        assert_eq!(documented, ReadLimits::default());
    }

    #[test]
    fn what_is_not_a_limit_is_refused() {
        for text in ["unpacked", "unpacked=much", "tags=1GiB", "time=10", "bytes=1"] {
            assert!(text.parse::<ReadLimit>().is_err(), "{text}");
        }
    }
}

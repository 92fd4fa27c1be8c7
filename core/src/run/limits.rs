//! Limits of a program.

use std::time::Duration;

use wasmtime::ResourceLimiter;

// A core module is one instance, and the largest components that we know of have some tens.
const DEFAULT_INSTANCES: u64 = 1_000;

/// Limits of a program. `None` means that only the host limits it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Time from start to end. The check makes compiled code some 20 % slower.
    pub timeout: Option<Duration>,
    /// Size of all linear memories together, in bytes.
    pub memory: Option<u64>,
    /// Executed instructions, about one unit each. The same program with the same input always uses the same number. Counting
    /// makes compiled code some 60 % slower.
    pub fuel: Option<u64>,
    /// Elements of all tables together.
    pub table_elements: Option<u64>,
    /// Number of instances, of memories and of tables, each. 1,000 by default.
    pub instances: Option<u64>,
    /// Standard output and standard error together, in bytes.
    pub output: Option<u64>,
}

/// Limit that a program exceeded, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// Run time.
    #[error("it ran longer than {}", seconds(*.0))]
    Timeout(Duration),
    /// Linear memory, in bytes.
    #[error("it needed more than {0} bytes of memory")]
    Memory(u64),
    /// Executed instructions.
    #[error("it used up its {0} units of fuel")]
    Fuel(u64),
    /// Elements of tables.
    #[error("it needed more than {0} table elements")]
    TableElements(u64),
    /// Instances, memories or tables.
    #[error("it needed more than {0} instances, memories or tables")]
    Instances(u64),
    /// Output, in bytes.
    #[error("it wrote more than {0} bytes")]
    Output(u64),
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Counter of the memory and tables of a program, which stops the program at its limits.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    memory: u64,
    table_elements: u64,
    /// Size of the last growth, in bytes, in case it fails.
    last: u64,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Limiter {
        Limiter { limits, memory: 0, table_elements: 0, last: 0 }
    }

    pub(super) fn instances_limit(limits: &Limits) -> u64 {
        limits.instances.unwrap_or(DEFAULT_INSTANCES)
    }

    fn instances_as_usize(&self) -> usize {
        usize::try_from(Limiter::instances_limit(&self.limits)).unwrap_or(usize::MAX)
    }
}

struct Growth {
    current: usize,
    desired: usize,
    maximum: Option<usize>,
}

impl Growth {
    /// Adds the growth to `used` and returns it, or `None` beyond the maximum that the module declares.
    fn add_to(
        self,
        used: &mut u64,
        limit: Option<u64>,
        error: fn(u64) -> Limit,
    ) -> wasmtime::Result<Option<u64>> {
        // The program can handle this failure: `memory.grow` and `table.grow` return -1.
        if self.maximum.is_some_and(|maximum| self.desired > maximum) {
            return Ok(None);
        }
        let wanted = self.desired.saturating_sub(self.current) as u64;
        let after = used.saturating_add(wanted);
        match limit {
            // An error stops the program, so that a limit is not mistaken for another failure.
            Some(limit) if after > limit => Err(wasmtime::Error::new(error(limit))),
            _ => {
                *used = after;
                Ok(Some(wanted))
            }
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = Growth { current, desired, maximum };
        let grown = growth.add_to(&mut self.memory, self.limits.memory, Limit::Memory)?;
        self.last = grown.unwrap_or(0);
        Ok(grown.is_some())
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // wasmtime asks before it reserves the memory, so a growth that failed was counted already.
        self.memory = self.memory.saturating_sub(std::mem::take(&mut self.last));
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = Growth { current, desired, maximum };
        let limit = self.limits.table_elements;
        Ok(growth.add_to(&mut self.table_elements, limit, Limit::TableElements)?.is_some())
    }

    fn instances(&self) -> usize {
        self.instances_as_usize()
    }

    fn tables(&self) -> usize {
        self.instances_as_usize()
    }

    fn memories(&self) -> usize {
        self.instances_as_usize()
    }
}

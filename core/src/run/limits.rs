//! What a program may use up.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// How many instances a program may consist of, unless told otherwise: a core module is one, the largest components
/// that we know of have some tens.
const DEFAULT_INSTANCES: u64 = 1_000;

/// What a program may use up. `None` is no limit, but for that of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The time from its start to its end. Makes compiled code some 20 % slower.
    pub timeout: Option<Duration>,
    /// All its linear memories together, in bytes.
    pub memory: Option<u64>,
    /// Instructions, about one unit each: the same program with the same input always takes as many. Makes compiled
    /// code some 60 % slower.
    pub fuel: Option<u64>,
    /// The elements of all its tables together.
    pub table_elements: Option<u64>,
    /// Instances that it consists of; also the number of its memories and of its tables. 1,000 if not given.
    pub instances: Option<u64>,
    /// What it writes to standard output and standard error together, in bytes.
    pub output: Option<u64>,
}

/// A limit that a program ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// It took longer.
    #[error("it ran longer than {}", seconds(*.0))]
    Timeout(Duration),
    /// It wanted more memory.
    #[error("it wanted more than {0} bytes of memory")]
    Memory(u64),
    /// It executed more instructions.
    #[error("it used up its {0} units of fuel")]
    Fuel(u64),
    /// It wanted larger tables.
    #[error("it wanted more than {0} table elements")]
    TableElements(u64),
    /// It consists of more instances.
    #[error("it wanted more than {0} instances, memories or tables")]
    Instances(u64),
    /// It wrote more.
    #[error("it wrote more than {0} bytes")]
    Output(u64),
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Counts what a store's program has, and stops it at its limits.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    memory: u64,
    table_elements: u64,
    /// By how much the last growth was.
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

/// What a memory or table wants to become.
struct Growth {
    current: usize,
    desired: usize,
    maximum: Option<usize>,
}

impl Growth {
    /// Adds what is wanted to what is used, and gives it, unless there would be more than there may be. None beyond
    /// its own maximum: then it just gets told so.
    fn add_to(
        self,
        used: &mut u64,
        limit: Option<u64>,
        error: fn(u64) -> Limit,
    ) -> wasmtime::Result<Option<u64>> {
        if self.maximum.is_some_and(|maximum| self.desired > maximum) {
            return Ok(None);
        }
        let wanted = self.desired.saturating_sub(self.current) as u64;
        let after = used.saturating_add(wanted);
        match limit {
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

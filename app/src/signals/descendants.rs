//! Processes that this one has started, and those that they have started.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::{Pid, Signal, getpid, kill_process};

// Each round finds what was started during the one before. A process of another user can't be stopped, and may go on.
const MAX_ROUNDS: usize = 20;

/// Sends a signal to all of them.
///
/// Not to their process group: that is also the group of a script that started us, and of everything else in it. And not only to
/// our children, because cargo doesn't end the compilers that it has started.
pub(super) fn end(signal: i32) {
    let Some(signal) = Signal::from_named_raw(signal) else { return };
    let mut stopped = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let mut new = below(getpid().as_raw_nonzero().get(), &children());
        new.retain(|pid| stopped.insert(*pid));
        if new.is_empty() {
            break;
        }
        // One that runs could start others while we look, and these would lose their parent with it.
        send(new, Signal::STOP);
    }
    send(stopped.iter().copied(), signal);
    send(stopped, Signal::CONT);
}

fn send(pids: impl IntoIterator<Item = i32>, signal: Signal) {
    for pid in pids.into_iter().filter_map(Pid::from_raw) {
        if let Err(error) = kill_process(pid, signal) {
            tracing::debug!(%error, ?pid, "can't signal a process");
        }
    }
}

/// Returns all processes below one, from the children of each.
fn below(pid: i32, children: &BTreeMap<i32, Vec<i32>>) -> Vec<i32> {
    let mut all = vec![pid];
    let mut seen = 0;
    while let Some(parent) = all.get(seen) {
        // Processes come and go while the list is read, so that it may have a circle.
        let new = children.get(parent).into_iter().flatten();
        let new: Vec<i32> = new.copied().filter(|pid| !all.contains(pid)).collect();
        all.extend(new);
        seen += 1;
    }
    all.split_off(1)
}

/// Returns the children of every process.
fn children() -> BTreeMap<i32, Vec<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, parent) in processes() {
        children.entry(parent).or_default().push(pid);
    }
    children
}

/// Returns each process with its parent.
#[cfg(target_os = "linux")]
fn processes() -> Vec<(i32, i32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let with_parent = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name of a program may have spaces and parentheses in it (proc_pid_stat(5)).
        let (_, rest) = stat.rsplit_once(')')?;
        Some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
    };
    pids.filter_map(with_parent).collect()
}

/// Returns each process with its parent.
#[cfg(not(target_os = "linux"))]
fn processes() -> Vec<(i32, i32)> {
    use wasm_oci_core::trace::OrTrace;

    let mut ps = std::process::Command::new("ps");
    let list = ps.args(["-A", "-o", "pid=", "-o", "ppid="]).stdin(std::process::Stdio::null());
    let Some(list) = list.output().or_trace("list processes") else { return Vec::new() };
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let numbers = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    list.lines().filter_map(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_children_are_found_and_nobody_else() {
        let tree =
            BTreeMap::from([(1, vec![2, 9]), (2, vec![3, 4]), (4, vec![5, 2]), (9, vec![8])]);
        assert_eq!(below(2, &tree), [3, 4, 5]);
        assert_eq!(below(5, &tree), [0; 0]);
        let own = getpid().as_raw_nonzero().get();
        assert!(processes().iter().any(|(pid, parent)| *pid == own && *parent > 0));
    }
}

//! How much memory this process may have: the smallest of what its control groups, its resource limits, the machine and
//! the configuration say.
//!
//! Control groups are nested, and any of them may kill: each is read from the process' own up to the highest that can be
//! seen. Files are found as the kernel documents them (cgroup-v2.rst, cgroup-v1/memory.rst, proc_pid_mountinfo(5)).

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::usage::{self, Footprint};

/// Where a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitSource {
    /// `memory.limit_bytes` of the configuration.
    Configured,
    /// `memory.max` of a control group, version 2.
    CgroupMax,
    /// `memory.high` of a control group, version 2: beyond it the kernel slows the process down.
    CgroupHigh,
    /// `memory.limit_in_bytes` of a control group, version 1.
    CgroupV1,
    /// `RLIMIT_AS`: a limit of addresses.
    AddressSpace,
    /// What the machine has.
    Ram,
}

impl LimitSource {
    /// The word in logs and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::CgroupMax => "cgroup-max",
            Self::CgroupHigh => "cgroup-high",
            Self::CgroupV1 => "cgroup-v1",
            Self::AddressSpace => "address-space",
            Self::Ram => "ram",
        }
    }

    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Configured => "memory.limit_bytes",
            Self::CgroupMax => "memory.max of the control group",
            Self::CgroupHigh => "memory.high of the control group",
            Self::CgroupV1 => "memory.limit_in_bytes of the control group",
            Self::AddressSpace => "the limit of address space",
            Self::Ram => "the machine's memory",
        }
    }
}

/// The most memory that this process may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// In bytes.
    pub bytes: u64,
    /// Who says so.
    pub source: LimitSource,
}

impl Limit {
    /// The smallest limit that can be found below `root`, which is `/` but in tests, and the configured one. `at_start` is what
    /// the process had when it started. `None` where the system does not tell and nothing is configured.
    pub fn find(root: &Path, configured: Option<u64>, at_start: Footprint) -> Option<Self> {
        let mut found: Vec<Self> = Vec::new();
        let mut add = |source, bytes: Option<u64>| found.extend(bytes.map(|bytes| Self { bytes, source }));
        add(LimitSource::Configured, configured);
        for directory in version_2(root) {
            add(LimitSource::CgroupMax, number(&directory.join("memory.max")));
            add(LimitSource::CgroupHigh, number(&directory.join("memory.high")));
        }
        for directory in version_1(root) {
            add(LimitSource::CgroupV1, number(&directory.join("memory.limit_in_bytes")));
            add(LimitSource::CgroupV1, hierarchical(&directory.join("memory.stat")));
        }
        add(LimitSource::AddressSpace, address_space(root, at_start));
        add(LimitSource::Ram, ram(root));
        found.into_iter().filter(|limit| limit.bytes > 0).min_by_key(|limit| limit.bytes)
    }
}

/// The number in a file; `None` for `max`.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// What the ancestors allow, those that a container cannot see included.
fn hierarchical(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("hierarchical_memory_limit ")?.trim().parse().ok())
}

fn ram(root: &Path) -> Option<u64> {
    usage::kibibytes(&fs::read_to_string(root.join("proc/meminfo")).ok()?, "MemTotal:")
}

/// The soft limit of addresses, as a limit of memory: what was in use when the process started, and a quarter of the addresses that
/// were left. The allocator takes addresses in large pieces and keeps them when it gives memory back: measured, 1.8 bytes of
/// addresses for one of memory, and more where large allocations find no gap among small ones.
/// Threads take some as well. So this is a guess on the safe side, not a promise.
fn address_space(root: &Path, at_start: Footprint) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let soft: u64 = line.split_whitespace().next()?.parse().ok()?;
    // The process is not refused what it has: at worst nothing may be added to it.
    Some((at_start.resident + soft.saturating_sub(at_start.mapped) / 4).max(1))
}

fn version_2(root: &Path) -> Vec<PathBuf> {
    let is_ours = |mount: &Mount<'_>| mount.kind == "cgroup2";
    directories(root, is_ours, |line| line.strip_prefix("0::"))
}

fn version_1(root: &Path) -> Vec<PathBuf> {
    let is_ours = |mount: &Mount<'_>| mount.kind == "cgroup" && mount.options.split(',').any(|word| word == "memory");
    let path = |line: &'_ str| -> Option<usize> {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|word| word == "memory").then_some(path.len())
    };
    directories(root, is_ours, |line| path(line).map(|length| &line[line.len() - length..]))
}

/// The directories of the process' control group and of its ancestors, up to the highest that is mounted.
fn directories(
    root: &Path,
    is_ours: impl Fn(&Mount<'_>) -> bool,
    path_of: impl Fn(&str) -> Option<&str>,
) -> Vec<PathBuf> {
    let read = |file: &str| fs::read_to_string(root.join("proc/self").join(file)).unwrap_or_default();
    let (groups, mounts) = (read("cgroup"), read("mountinfo"));
    let Some(path) = groups.lines().find_map(path_of) else { return Vec::new() };
    let Some(mount) = mounts.lines().filter_map(Mount::read).find(is_ours) else { return Vec::new() };
    let top = root.join(unescaped(mount.point).trim_start_matches('/'));
    // A mount may show a part of the tree only. A path outside of it is not visible: the top is the best that there is.
    let below = Path::new(path).strip_prefix(unescaped(mount.root)).unwrap_or(Path::new(""));
    let within = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let own = if within { top.join(below) } else { top.clone() };
    own.ancestors().take_while(|directory| directory.starts_with(&top)).map(Path::to_owned).collect()
}

/// A line of `mountinfo`.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (place, system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let mut system = system.split(' ');
        let (root, point) = (place.next()?, place.next()?);
        Some(Self { root, point, kind: system.next()?, options: system.nth(1)? })
    }
}

/// A path of `mountinfo`, where blanks are written as octal numbers.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests;

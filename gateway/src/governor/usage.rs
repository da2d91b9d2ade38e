//! How much memory this process uses.
//!
//! What counts is its resident set: what governors can give back is the process' own memory. What a control group counts
//! (`memory.current`) holds more, above all cached pages of files, which the kernel drops by itself when memory gets short,
//! and memory of other processes in the group; shedding for those would empty the caches for nothing. The part of the limit
//! above `memory.emergency_at` is what is left to sockets, page tables and the like.

use std::{fs, path::Path};

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// In memory now.
    pub resident: u64,
    /// Addresses in use, with memory behind them or without.
    pub mapped: u64,
}

/// This process as `/proc` below `root` describes it; `None` where there is no `/proc`.
pub fn footprint(root: &Path) -> Option<Footprint> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    Some(Footprint { resident: kibibytes(&status, "VmRSS:")?, mapped: kibibytes(&status, "VmSize:")? })
}

/// The value of a line like `VmRSS:     1234 kB`, in bytes.
pub(super) fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number = value.trim().strip_suffix("kB")?.trim_end();
    number.parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_is_written_is_resident() {
        let root = Path::new("/");
        let before = footprint(root).unwrap();
        let ballast = vec![1_u8; 64 << 20];
        let after = footprint(root).unwrap();
        assert!(after.resident >= before.resident + (48 << 20), "{before:?} {after:?}");
        assert!(after.mapped >= after.resident);
        drop(ballast);
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(footprint(root.path()), None);
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        for status in ["", "VmRSS: many kB\nVmSize: 8 kB\n", "VmRSS:\t12 kB\n", "VmRSS: 1\nVmSize: 2\n"] {
            fs::write(root.path().join("proc/self/status"), status).unwrap();
            assert_eq!(footprint(root.path()), None, "{status:?}");
        }
        fs::write(root.path().join("proc/self/status"), "Name:\tx\nVmSize:\t   8 kB\nVmRSS:\t   4 kB\n").unwrap();
        assert_eq!(footprint(root.path()), Some(Footprint { resident: 4_096, mapped: 8_192 }));
    }
}

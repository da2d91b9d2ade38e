use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

/// A machine made of files.
struct Machine(tempfile::TempDir);

impl Machine {
    /// With 8 GiB and these files.
    fn with(files: &[(&str, &str)]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:          102400 kB\n");
        for (file, text) in files {
            machine.write(file, text);
        }
        machine
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn limit(&self) -> (u64, LimitSource) {
        self.limit_from(Footprint::default())
    }

    fn limit_from(&self, at_start: Footprint) -> (u64, LimitSource) {
        let limit = Limit::find(self.0.path(), None, at_start).unwrap();
        (limit.bytes / MIB, limit.source)
    }
}

const UNIFIED: (&str, &str) =
    ("proc/self/mountinfo", "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
const SPLIT: (&str, &str) = (
    "proc/self/mountinfo",
    "30 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
     31 23 0:28 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
     32 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
);

#[test]
fn without_any_limit_it_is_what_the_machine_has() {
    assert_eq!(Machine::with(&[]).limit(), (8_192, LimitSource::Ram));
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(Limit::find(nothing.path(), None, Footprint::default()), None);
    let configured = Limit::find(nothing.path(), Some(5), Footprint::default());
    assert_eq!(configured, Some(Limit { bytes: 5, source: LimitSource::Configured }));
}

#[test]
fn the_smallest_of_nested_groups_counts() {
    let machine = Machine::with(&[
        UNIFIED,
        ("proc/self/cgroup", "0::/pod/container\n"),
        ("sys/fs/cgroup/pod/container/memory.max", "max\n"),
        ("sys/fs/cgroup/pod/container/memory.high", "max\n"),
    ]);
    assert_eq!(machine.limit(), (8_192, LimitSource::Ram));
    machine.write("sys/fs/cgroup/pod/memory.max", "1073741824\n");
    assert_eq!(machine.limit(), (1_024, LimitSource::CgroupMax));
    machine.write("sys/fs/cgroup/pod/container/memory.max", "536870912\n");
    assert_eq!(machine.limit(), (512, LimitSource::CgroupMax));
    machine.write("sys/fs/cgroup/pod/container/memory.high", "268435456\n");
    assert_eq!(machine.limit(), (256, LimitSource::CgroupHigh));
    // Another group's does not.
    machine.write("sys/fs/cgroup/other/memory.max", "1048576\n");
    assert_eq!(machine.limit(), (256, LimitSource::CgroupHigh));
}

#[test]
fn version_1_is_read_where_the_memory_controller_is_there() {
    let machine = Machine::with(&[
        SPLIT,
        ("proc/self/cgroup", "5:cpu,cpuacct:/cpu\n4:memory:/a/b:c\n0::/\n"),
        ("sys/fs/cgroup/memory/a/b:c/memory.limit_in_bytes", "9223372036854771712\n"),
    ]);
    assert_eq!(machine.limit(), (8_192, LimitSource::Ram));
    machine.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "536870912\n");
    assert_eq!(machine.limit(), (512, LimitSource::CgroupV1));
    machine.write("sys/fs/cgroup/memory/a/b:c/memory.stat", "cache 0\nhierarchical_memory_limit 268435456\n");
    assert_eq!(machine.limit(), (256, LimitSource::CgroupV1));
}

#[test]
fn a_mount_that_shows_a_part_of_the_tree_is_understood() {
    for (root, group, file) in [
        ("/docker/abc", "/docker/abc", "sys/fs/cgroup/memory.max"),
        ("/docker/abc", "/docker/abc/inner", "sys/fs/cgroup/inner/memory.max"),
        // From a namespace whose root is elsewhere nothing but the top can be seen.
        ("/", "/../../elsewhere", "sys/fs/cgroup/memory.max"),
        ("/docker/abc", "/somewhere/else", "sys/fs/cgroup/memory.max"),
    ] {
        let mounts = format!("29 23 0:26 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        let machine = Machine::with(&[
            ("proc/self/mountinfo", &mounts),
            ("proc/self/cgroup", &format!("0::{group}\n")),
            (file, "104857600\n"),
            ("elsewhere/memory.max", "1\n"),
        ]);
        assert_eq!(machine.limit(), (100, LimitSource::CgroupMax), "{root} {group}");
    }
}

#[test]
fn of_a_limit_of_addresses_a_quarter_of_what_is_left_may_be_used() {
    let limits = |soft: &str| {
        format!(
            "Limit                     Soft Limit           Hard Limit           Units\nMax address space         {soft}           unlimited            bytes\n"
        )
    };
    let machine = Machine::with(&[("proc/self/limits", &limits("unlimited"))]);
    let at_start = Footprint { resident: 50 * MIB, mapped: 150 * MIB };
    assert_eq!(machine.limit_from(at_start), (8_192, LimitSource::Ram));
    machine.write("proc/self/limits", &limits("1073741824"));
    assert_eq!(machine.limit_from(at_start), (50 + (1_024 - 150) / 4, LimitSource::AddressSpace));
    machine.write("proc/self/limits", &limits("1024"));
    assert_eq!(machine.limit_from(at_start), (50, LimitSource::AddressSpace));
}

#[test]
fn a_configured_limit_lowers_and_never_raises() {
    let machine = Machine::with(&[]);
    let find = |configured| Limit::find(machine.0.path(), Some(configured), Footprint::default()).unwrap();
    assert_eq!(find(7 * MIB), Limit { bytes: 7 * MIB, source: LimitSource::Configured });
    assert_eq!(find(1 << 40).source, LimitSource::Ram);
}

#[test]
#[cfg(target_os = "linux")]
fn this_machine_has_a_limit() {
    let root = Path::new("/");
    let at_start = usage::footprint(root).unwrap();
    let limit = Limit::find(root, None, at_start).unwrap();
    assert!(limit.bytes > 16 * MIB && limit.bytes <= ram(root).unwrap(), "{limit:?}");
}

proptest! {
    #[test]
    fn nothing_that_stands_in_the_files_breaks_it(
        cgroup in "[0-9:/a-z.]{0,20}(\n0::/[a./]{0,9})?",
        mountinfo in "[ -~]{0,60}(\n1 2 0:3 / /c rw - cgroup2 c rw)?",
        max in "[0-9a-z -]{0,24}",
    ) {
        let machine = Machine::with(&[
            ("proc/self/cgroup", &cgroup),
            ("proc/self/mountinfo", &mountinfo),
            ("proc/self/limits", &max),
            ("c/memory.max", &max),
        ]);
        let (mib, _) = machine.limit();
        prop_assert!(mib <= 8_192);
    }
}

//! Ways to give a process less memory than the machine has.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A way. What it made ends with this value.
pub(crate) enum Cap {
    /// A control group below this process' own, version 1. The process has to be gone when this ends.
    Group(PathBuf),
    /// A scope of systemd.
    Scope(Vec<String>),
    /// Nothing but the configuration: nobody kills who breaks it.
    Configured,
}

impl Cap {
    /// A control group that may use so many bytes; or why there can be none.
    pub(crate) fn group(bytes: u64) -> Result<Self, String> {
        let group = version_1(bytes);
        group.or_else(|reason| scope(bytes).map_err(|other| format!("no control group: {reason}; {other}")))
    }

    /// Starts a program that may use so many bytes.
    pub(crate) fn command(&self, bytes: u64, program: &str) -> Command {
        match self {
            Self::Group(directory) => {
                // The shell enters the group and becomes the program, which so has never been outside.
                let mut command = Command::new("sh");
                let enter = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;
                command.args(["-c", enter]).arg(directory).arg(program);
                command
            }
            Self::Scope(arguments) => {
                let mut command = Command::new("systemd-run");
                command.args(arguments).arg(program);
                command
            }
            Self::Configured => {
                let mut command = Command::new(program);
                command.env("FOREBAY_MEMORY__LIMIT_BYTES", bytes.to_string());
                command
            }
        }
    }

    /// Where the gateway has to find the limit.
    pub(crate) fn sources(&self) -> &[&str] {
        match self {
            Self::Group(_) => &["cgroup-v1"],
            Self::Scope(_) => &["cgroup-max", "cgroup-v1"],
            Self::Configured => &["configured"],
        }
    }
}

impl Drop for Cap {
    fn drop(&mut self) {
        if let Self::Group(directory) = self {
            // Its process was waited for a moment ago; the kernel may need another one.
            for _ in 0..100 {
                if fs::remove_dir(&directory).is_ok() {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            eprintln!("{} is left over", directory.display());
        }
    }
}

/// A group below this process' own, so that whatever limits this process limits it too.
fn version_1(bytes: u64) -> Result<Cap, String> {
    let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| format!("/proc/self/cgroup: {error}"))?;
    let own = groups.lines().find_map(|line| line.split_once(":memory:")).ok_or("no memory controller of version 1")?.1;
    let parent = Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/'));
    let directory = parent.join(format!("forebay-test-{}", std::process::id()));
    fs::create_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let cap = Cap::Group(directory.clone());
    let limit = directory.join("memory.limit_in_bytes");
    fs::write(&limit, bytes.to_string()).map_err(|error| format!("{}: {error}", limit.display()))?;
    Ok(cap)
}

fn scope(bytes: u64) -> Result<Cap, String> {
    let mut reasons = Vec::new();
    for manager in ["--user", "--system"] {
        let limits = [format!("MemoryMax={bytes}"), "MemorySwapMax=0".to_owned()];
        let mut arguments: Vec<String> = [manager, "--scope", "--quiet", "--collect"].map(str::to_owned).into();
        arguments.extend(limits.into_iter().flat_map(|limit| ["-p".to_owned(), limit]));
        let tried = Command::new("systemd-run").args(&arguments).arg("true").stdin(Stdio::null()).output();
        match tried {
            Ok(output) if output.status.success() => return Ok(Cap::Scope(arguments)),
            Ok(output) => reasons.push(format!("{manager}: {}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(format!("no scope of systemd: {}", reasons.join("; ")))
}

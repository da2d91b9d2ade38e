//! A server of its own for a test that harms it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use super::servers;

/// A server that one test may kill, stop and start again. It ends with this value.
pub struct PrivateServer {
    kind: &'static str,
    folder: tempfile::TempDir,
    /// Its address; it stays the same.
    pub url: String,
    /// Its process; another one after each start. Of a server of several members the first one's.
    pub pid: u32,
    /// Every member where there are several, in the order in which `tests/servers` starts them.
    pub members: Vec<Member>,
}

/// A process of a server that has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it was started as: `server-1` is the first master under Sentinel, `server-2` its replica; the sentinels are
    /// `sentinel-1` to `sentinel-3`, the masters of a Cluster `node-1` to `node-3`.
    pub name: String,
    /// Where it listens; it stays the same.
    pub port: u16,
    /// Its process; another one after each start.
    pub pid: u32,
}

impl Member {
    /// Sends a signal to its process.
    pub fn signal(&self, signal: &str) {
        assert!(send(signal, self.pid), "SIG{signal} to {}, {}", self.name, self.pid);
    }
}

impl PrivateServer {
    /// A Postgres with pgvector; `None` where there is none, and the test is skipped.
    pub fn postgres() -> Option<Self> {
        Self::start("postgres", &[])
    }

    /// A Neo4j; `None` where there is none, and the test is skipped.
    pub fn neo4j() -> Option<Self> {
        Self::start("neo4j", &[])
    }

    /// A Redis; `None` where there is none, and the test is skipped. Settings are `NAME=VALUE` as in its configuration,
    /// `user=NAME:PASSWORD` for the only user, `tls`. Unless `appendonly=no` is among them, what it has acknowledged
    /// survives its end.
    pub fn redis(settings: &[&str]) -> Option<Self> {
        Self::start("redis", settings)
    }

    /// A Redis under Sentinel; `None` where there is none, and the test is skipped. Settings are `NAME=VALUE` and meant for
    /// the master and the replica.
    pub fn redis_sentinel(settings: &[&str]) -> Option<Self> {
        Self::start("redis-sentinel", settings)
    }

    /// A Redis Cluster; `None` where there is none, and the test is skipped. Settings are `NAME=VALUE`.
    pub fn redis_cluster(settings: &[&str]) -> Option<Self> {
        Self::start("redis-cluster", settings)
    }

    /// An S3 server; `None` where there is none, and the test is skipped. Its objects end with its process.
    pub fn s3() -> Option<Self> {
        Self::start("s3", &[])
    }

    fn start(kind: &'static str, settings: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        match private(kind, folder.path(), settings) {
            Ok((url, pid)) => Some(Self { kind, url, pid, members: members(folder.path()), folder }),
            Err(reason) => {
                servers::skip(&reason);
                None
            }
        }
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> &Member {
        self.members
            .iter()
            .find(|member| member.name == name)
            .unwrap_or_else(|| panic!("no {name}: {:?}", self.members))
    }

    /// The file of the authority that signed the certificate of a Redis with TLS.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Sends a signal to its process: `KILL`, `STOP`, `CONT`, … Postgres' process is the one that accepts connections:
    /// those that are open have processes of their own, which notice its end a moment later, and its stop never.
    pub fn signal(&self, signal: &str) {
        assert!(send(signal, self.pid), "SIG{signal} to {}", self.pid);
    }

    /// Sends a signal to its process and to those that it started: after `STOP` nothing of it moves any more.
    pub fn signal_all(&self, signal: &str) {
        self.signal(signal);
        for child in processes().into_iter().filter(|process| process.parent == self.pid) {
            // It may have ended meanwhile.
            send(signal, child.pid);
        }
    }

    /// Waits until its process has ended. A signal has told it to.
    pub fn wait_for_end(&self) {
        while processes().into_iter().any(|process| process.pid == self.pid && !process.ended) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts it again after it ended, or those of its members that did: at the same address, with the data that it had.
    pub fn restart(&mut self) {
        let (url, pid) = private(self.kind, self.folder.path(), &[]).expect("it started before");
        assert_eq!(url, self.url, "clients know one address");
        self.pid = pid;
        self.members = members(self.folder.path());
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        let stopped = script(&["private-stop".as_ref(), self.folder.path()]);
        if !stopped.status.success() {
            eprintln!("tests/servers private-stop: {}", String::from_utf8_lossy(&stopped.stderr));
        }
    }
}

/// What the system says of a process.
struct Process {
    pid: u32,
    parent: u32,
    /// It has ended, and whoever started it has not asked how.
    ended: bool,
}

fn processes() -> Vec<Process> {
    let folders = std::fs::read_dir("/proc").expect("Linux' /proc").flatten();
    let read = folders.filter_map(|folder| {
        let pid = folder.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(folder.path().join("stat")).ok()?;
        // What follows the program's name, which may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let ended = fields.next()? == "Z";
        Some(Process { pid, parent: fields.next()?.parse().ok()?, ended })
    });
    read.collect()
}

fn send(signal: &str, pid: u32) -> bool {
    let sent = Command::new("kill").args(["-s", signal, "--", &pid.to_string()]).stderr(Stdio::null()).status();
    sent.expect("there is `kill`").success()
}

/// The address and the first process of the private server of a folder, started where it does not run; or why not.
fn private(kind: &str, folder: &Path, settings: &[&str]) -> Result<(String, u32), String> {
    let mut arguments = vec!["private".as_ref(), kind.as_ref(), folder];
    arguments.extend(settings.iter().map(Path::new));
    let output = script(&arguments);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let line = String::from_utf8(output.stdout).expect("an address and a number");
    let mut words = line.split_whitespace();
    let (Some(url), Some(pid)) = (words.next(), words.next()) else { panic!("an address and a number: {line}") };
    Ok((url.to_owned(), pid.parse().expect("a process number")))
}

/// The members that the folder of a private server lists; none where it is one process.
fn members(folder: &Path) -> Vec<Member> {
    let Ok(lines) = std::fs::read_to_string(folder.join("members")) else { return Vec::new() };
    let member = |line: &str| {
        let [name, port, pid] = line.split(' ').collect::<Vec<_>>().try_into().expect("three words");
        Member { name: name.to_owned(), port: port.parse().expect("a port"), pid: pid.parse().expect("a number") }
    };
    lines.lines().map(member).collect()
}

fn script(arguments: &[&Path]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/servers");
    Command::new(script).args(arguments).output().expect("tests/servers runs")
}

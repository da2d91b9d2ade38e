//! A server of its own for a test that harms it.

use std::{
    path::Path,
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
    /// Its process; another one after each start.
    pub pid: u32,
}

impl PrivateServer {
    /// A Postgres with pgvector; `None` where there is none, and the test is skipped.
    pub fn postgres() -> Option<Self> {
        Self::start("postgres")
    }

    /// A Neo4j; `None` where there is none, and the test is skipped.
    pub fn neo4j() -> Option<Self> {
        Self::start("neo4j")
    }

    fn start(kind: &'static str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        match private(kind, folder.path()) {
            Ok((url, pid)) => Some(Self { kind, folder, url, pid }),
            Err(reason) => {
                servers::skip(&reason);
                None
            }
        }
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

    /// Starts it again after it ended: at the same address, with the data that it had.
    pub fn restart(&mut self) {
        let (url, pid) = private(self.kind, self.folder.path()).expect("it started before");
        assert_eq!(url, self.url, "clients know one address");
        self.pid = pid;
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

/// The address and the process of the private server of a folder, started where it does not run; or why not.
fn private(kind: &str, folder: &Path) -> Result<(String, u32), String> {
    let output = script(&["private".as_ref(), kind.as_ref(), folder]);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let line = String::from_utf8(output.stdout).expect("an address and a number");
    let (url, pid) = line.trim().split_once(' ').expect("an address and a number");
    Ok((url.to_owned(), pid.parse().expect("a process number")))
}

fn script(arguments: &[&Path]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/servers");
    Command::new(script).args(arguments).output().expect("tests/servers runs")
}

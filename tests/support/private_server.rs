//! A server of its own for a test that harms it.

use std::{
    path::Path,
    process::{Command, Output},
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
        let sent = Command::new("kill").args(["-s", signal, "--", &self.pid.to_string()]).status();
        assert!(sent.expect("there is `kill`").success(), "SIG{signal} to {}", self.pid);
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

//! `forebay serve` as an operator sees it: it answers, reloads on SIGHUP, drains on SIGTERM, and says what stops it.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use serde_json::Value as Json;

const BINARY: &str = env!("CARGO_BIN_EXE_forebay");

/// Two collections in one data directory; the second is configured only when asked for.
fn write(directory: &Path, collections: &[&str]) -> PathBuf {
    let mut text = "[backends.main]\nkind = \"embedded\"\npath = \"data\"\n".to_owned();
    for name in collections {
        text += &format!("\n[collections.{name}]\nentities.backend = \"main\"\nvectors.default.dimensions = 2\n");
    }
    let file = directory.join("forebay.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn load(directory: &Path, file: &Path, collection: &str) {
    let nodes = directory.join("nodes.jsonl");
    std::fs::write(&nodes, "{\"id\":\"a\",\"vector\":[1,0]}\n{\"id\":\"b\",\"vector\":[0,1]}\n").unwrap();
    let output = Command::new(BINARY)
        .args(["load", collection, "--strict", "--config"])
        .arg(file)
        .arg("--nodes")
        .arg(&nodes)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A running gateway. Its log is read line by line; it is killed if a test fails.
struct Gateway {
    process: Child,
    log: BufReader<ChildStderr>,
    query: String,
    admin: String,
}

impl Gateway {
    fn start(file: &Path) -> Self {
        let mut process = Command::new(BINARY)
            .args(["serve", "--port", "0", "--admin-port", "0", "--config"])
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let mut gateway = Self { process, log, query: String::new(), admin: String::new() };
        let ready = gateway.wait_for("serving");
        gateway.query = format!("http://{}", ready["query"].as_str().unwrap());
        gateway.admin = format!("http://{}", ready["admin"].as_str().unwrap());
        gateway
    }

    /// Reads the log up to a message. A log that ends first is a failure, so this never hangs on a dead gateway.
    fn wait_for(&mut self, message: &str) -> Json {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "no {message:?} in the log: {seen}");
            seen.push_str(&line);
            if let Ok(entry) = serde_json::from_str::<Json>(&line)
                && entry["message"] == message
            {
                return entry;
            }
        }
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    fn ask(&self, collection: &str) -> Output {
        let query = format!(r#"{{"collection":"{collection}","vector":{{"like":"a"}},"limit":1}}"#);
        Command::new(BINARY).args(["query", "--json", "--url", &self.query, &query]).output().unwrap()
    }

    /// The id of the first answer.
    fn first(&self, collection: &str) -> String {
        let output = self.ask(collection);
        let body: Json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        body["items"][0]["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_gateway_answers_reloads_and_ends_with_0() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), &["one", "two"]);
    load(directory.path(), &file, "one");
    load(directory.path(), &file, "two");
    write(directory.path(), &["one"]);
    let mut gateway = Gateway::start(&file);
    assert_ne!(gateway.query, gateway.admin);
    assert_eq!(gateway.first("one"), "b");
    assert!(String::from_utf8_lossy(&gateway.ask("two").stderr).contains("unknown-collection"));

    // A mistake is logged with its place, and everything goes on as before.
    std::fs::write(&file, "[colections]\n").unwrap();
    gateway.signal("HUP");
    let refused = gateway.wait_for("the configuration was not reloaded");
    assert!(refused["problem"].as_str().unwrap().contains("did you mean `collections`?"), "{refused}");
    assert_eq!(gateway.first("one"), "b");

    // A new collection is there; a new port is not, and the log says so.
    write(directory.path(), &["one", "two"]);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n[cache.l1]\nttl_ms = 5\n")).unwrap();
    gateway.signal("HUP");
    assert_eq!(gateway.wait_for("a change of this section needs a restart")["section"], "cache");
    gateway.wait_for("the configuration was reloaded");
    assert_eq!(gateway.first("two"), "b");

    gateway.signal("TERM");
    gateway.wait_for("stopped");
    assert_eq!(gateway.process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_named_and_exits_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), &[]);
    for (ports, key) in [
        (["--port", &port, "--admin-port", "0"], "server.listen"),
        (["--port", "0", "--admin-port", &port], "admin.listen"),
    ] {
        let output = Command::new(BINARY).args(["serve", "--config"]).arg(&file).args(ports).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(&format!("{key} cannot be 127.0.0.1:{port}: ")), "{error}");
    }
}

#[test]
fn a_gateway_without_its_data_does_not_start_and_exits_with_69() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), &["one"]);
    let output = Command::new(BINARY)
        .args(["serve", "--port", "0", "--admin-port", "0", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{error}");
    assert!(error.contains("forebay.toml:6:20: collections.one.entities.backend: "), "{error}");
}

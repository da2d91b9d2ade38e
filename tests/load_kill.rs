//! `forebay load` as a shell sees it, and as it is when it is killed.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use forebay::backend::embedded::{Parts, storage};

const CONFIGURATION: &str = r#"
[backends.local]
kind = "embedded"
path = "data"
[collections.things]
entities = { backend = "local", id_type = "integer" }
vectors = { default = { dimensions = 4 } }
attributes = { version = { type = "integer" } }
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn forebay(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.current_dir(directory).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    forebay(directory, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A directory with a configuration and two versions of the same 20,000 entities.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("forebay.toml"), CONFIGURATION).unwrap();
    for version in 1..=2 {
        let mut lines = String::new();
        for id in 0..20_000 {
            writeln!(lines, "{{\"id\":{id},\"version\":{version},\"vector\":[{id},{version},0,1]}}").unwrap();
        }
        fs::write(directory.path().join(format!("{version}.jsonl")), lines).unwrap();
    }
    directory
}

fn open(directory: &Path) -> Result<Parts, storage::StorageError> {
    let config = forebay::config::load_with(Some(&directory.join("forebay.toml")), []).unwrap().config;
    let schema = forebay::config::schema_of("things", &config.collections["things"], None);
    storage::open(&directory.join("data"), "things", &schema)
}

/// The version that all entities have; panics on a mixture.
fn version(parts: &Parts) -> f32 {
    assert_eq!(parts.ids.len(), 20_000);
    let version = parts.vectors[0].values[1];
    assert!(parts.vectors[0].values.chunks_exact(4).enumerate().all(|(id, v)| v[..2] == [id as f32, version]));
    version
}

#[test]
fn a_load_that_is_killed_at_any_time_leaves_a_whole_version() {
    let directory = directory();
    let directory = directory.path();
    let first = run(directory, &["load", "things", "--nodes", "1.jsonl"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let mut before = version(&open(directory).unwrap());
    let mut killed = 0;
    // From before anything is read to after everything is kept, in small steps.
    for round in 0..40_u64 {
        let next = if before == 1.0 { "2.jsonl" } else { "1.jsonl" };
        let mut load = forebay(directory, &["load", "things", "--nodes", next]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 4));
        let _ = load.kill();
        killed += u32::from(!load.wait().unwrap().success());
        let now = version(&open(directory).unwrap());
        assert!(now == 1.0 || now == 2.0);
        before = now;
    }
    assert!(killed > 0, "no load was killed before it was done");
}

#[test]
fn a_refused_load_changes_nothing_and_says_why() {
    let directory = directory();
    let directory = directory.path();
    assert!(run(directory, &["load", "things", "--nodes", "1.jsonl"]).status.success());
    fs::write(directory.join("bad.jsonl"), "{\"id\":1,\"colour\":\"red\"}\n{\"id\":1}\n").unwrap();

    let refused = run(directory, &["load", "things", "--nodes", "bad.jsonl", "--strict"]);
    assert_eq!(refused.status.code(), Some(1));
    let message = text(&refused.stderr);
    for expected in ["refused: 2 ", "unchanged", "bad.jsonl:1: `colour`", "duplicate id"] {
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(version(&open(directory).unwrap()), 1.0);

    let loaded = run(directory, &["load", "things", "--nodes", "bad.jsonl"]);
    assert!(loaded.status.success() && text(&loaded.stdout).contains("2 left out"), "{}", text(&loaded.stdout));
    assert_eq!(open(directory).unwrap().ids.len(), 1);
}

#[test]
fn a_load_that_cannot_begin_exits_with_the_code_of_its_reason() {
    let directory = directory();
    let directory = directory.path();
    let code = |arguments: &[&str]| run(directory, arguments).status.code();
    assert_eq!(code(&["load", "things", "--nodes", "nowhere.jsonl"]), Some(1));
    assert_eq!(code(&["load", "others", "--nodes", "1.jsonl"]), Some(64));
    assert_eq!(code(&["load", "things"]), Some(64));
    assert_eq!(code(&["load", "things", "--nodes", "1.jsonl", "--config", "nowhere.toml"]), Some(78));
    assert!(!directory.join("data").exists());
}

/// The command in the example's README, word for word but for where the data goes.
#[test]
fn the_documented_command_loads_the_packages_without_a_problem() {
    let readme = fs::read_to_string(root().join("examples/packages/README.md")).unwrap();
    let command =
        readme.lines().find_map(|line| line.strip_prefix("forebay ").filter(|rest| rest.starts_with("load ")));
    let data = tempfile::tempdir().unwrap();
    let mut arguments: Vec<&str> = command.expect("the README has the command").split_whitespace().collect();
    arguments.extend(["--strict", "--data", data.path().to_str().unwrap()]);
    let output = run(&root(), &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary = text(&output.stdout);
    for expected in ["8520", "8000", "48095", "nothing was left out"] {
        assert!(summary.contains(expected), "{summary}");
    }
    let held = storage::list(data.path()).unwrap();
    let held: Vec<_> = held.iter().map(|held| (held.name.as_str(), held.nodes, held.vectors, held.edges)).collect();
    assert_eq!(held, [("packages", 8_520, 8_000, 48_095)]);
}

//! The `planner-model` program: what it does with logs that are empty, one-sided or damaged, and that a sweep goes on where it
//! was.

mod stand_in;

use std::{
    path::Path,
    process::{Command, Output},
};

use planner_model::log;
use stand_in::StandIn;

fn tool(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_planner-model")).args(arguments).output().expect("it starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn sweep(gateway: &StandIn, queries: &Path, out: &Path) -> Output {
    let url = gateway.url();
    let [queries, out] = [queries, out].map(|path| path.to_str().expect("a plain path"));
    tool(&["sweep", "--url", &url, "--admin-url", &url, "--queries", queries, "--out", out, "--repetitions", "2"])
}

/// Queries with a walk and a vector, hence with all states of the cache.
fn queries(folder: &Path, count: usize) -> std::path::PathBuf {
    let query = |at: usize| {
        format!(
            r#"{{"collection":"packages","vector":{{"like":"p{at}"}},"within":{{"from":["q{at}"]}},"exact":true,"limit":3}}"#
        )
    };
    let file = folder.join("queries.jsonl");
    std::fs::write(&file, (0..count).map(|at| query(at) + "\n").collect::<String>()).expect("writes");
    file
}

/// Groups of a sweep's log with the number of runs of each.
fn groups(out: &Path) -> std::collections::BTreeMap<String, usize> {
    let mut groups = std::collections::BTreeMap::new();
    let mut records = log::read(&[out]).expect("there is a log");
    for record in records.by_ref() {
        *groups.entry(record.group.expect("a sweep's runs have groups")).or_default() += 1;
    }
    assert!(records.skipped().is_empty(), "{}", records.skipped());
    groups
}

#[test]
fn a_sweep_runs_every_candidate_in_every_state_and_goes_on_after_an_interruption() {
    let folder = tempfile::tempdir().expect("a folder");
    let (queries, out) = (queries(folder.path(), 3), folder.path().join("out"));
    // 3 queries × 4 states × 3 candidates × (1 + 2) runs; the gateway goes away in the middle of the sixth group.
    let gateway = StandIn::start();
    gateway.fall_silent_after(5 * 9 + 4);
    let cut = sweep(&gateway, &queries, &out);
    assert_eq!(cut.status.code(), Some(69), "{}", said(&cut));
    let before = groups(&out);
    assert_eq!(before.len(), 5);

    gateway.recover();
    let whole = sweep(&gateway, &queries, &out);
    assert!(whole.status.success(), "{}", said(&whole));
    assert!(said(&whole).contains("7 groups with 63 runs"), "{}", said(&whole));
    let after = groups(&out);
    assert_eq!(after.len(), 12);
    assert!(after.values().all(|&runs| runs == 9), "{after:?}");
    assert!(before.keys().all(|group| after.contains_key(group)));
    // The states are what they are called, and candidates came in more than one order.
    let mut states = [0; 4];
    let mut orders = std::collections::HashSet::new();
    let mut order = Vec::new();
    for record in log::read(&[&out]).expect("there is a log") {
        states[usize::from(record.cache.reach) + 2 * usize::from(record.cache.list)] += 1;
        order.push(record.ran);
        if order.len() == 3 {
            orders.insert(std::mem::take(&mut order));
        }
    }
    assert_eq!(states, [27; 4]);
    assert!(orders.len() > 1, "{orders:?}");

    let again = sweep(&gateway, &queries, &out);
    assert!(said(&again).contains("0 groups with 0 runs"), "{}", said(&again));
}

#[test]
fn candidates_whose_items_differ_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let queries = queries(folder.path(), 1);
    let gateway = StandIn::start();
    let good = sweep(&gateway, &queries, &folder.path().join("good"));
    assert!(said(&good).contains("4 groups of exact queries: 0 with"), "{}", said(&good));
    gateway.lie();
    let bad = sweep(&gateway, &queries, &folder.path().join("bad"));
    assert!(said(&bad).contains("4 groups of exact queries: 4 with"), "{}", said(&bad));
}

#[test]
fn a_gateway_that_may_serve_others_is_not_swept_without_yes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (queries, out) = (queries(folder.path(), 1), folder.path().join("out"));
    let gateway = StandIn::start();
    gateway.has_principals();
    let refused = sweep(&gateway, &queries, &out);
    assert_eq!(refused.status.code(), Some(64));
    assert!(said(&refused).contains("it has principals"), "{}", said(&refused));
    assert!(!out.exists() && gateway.purges() == 0);
}

#[test]
fn a_folder_of_another_sweep_is_not_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let gateway = StandIn::start();
    assert!(sweep(&gateway, &queries(folder.path(), 1), &out).status.success());
    let other = sweep(&gateway, &queries(folder.path(), 2), &out);
    assert_eq!(other.status.code(), Some(64), "{}", said(&other));
}

#[test]
fn an_empty_log_is_said_to_be_empty_by_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let (log, model) = (folder.path().join("log"), folder.path().join("m.forebay-model"));
    std::fs::create_dir(&log).expect("makes");
    let [log, model] = [&log, &model].map(|path| path.to_str().expect("plain"));
    for command in [vec!["train", log, "--out", model], vec!["evaluate", log], vec!["report", log, "--out", model]] {
        let output = tool(&command);
        assert_eq!(output.status.code(), Some(65), "{command:?}: {}", said(&output));
        assert!(said(&output).contains("error: "), "{}", said(&output));
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
    }
    let exported = tool(&["export", log, "--out", &format!("{log}/export")]);
    assert!(exported.status.success(), "{}", said(&exported));
    assert!(!Path::new(model).exists());
}

#[test]
fn a_log_of_one_plan_or_of_garbage_trains_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let queries = queries(folder.path(), 4);
    let out = folder.path().join("out");
    let gateway = StandIn::start();
    gateway.has_one_plan();
    assert!(sweep(&gateway, &queries, &out).status.success());
    let (log, model) = (out.to_str().expect("plain"), folder.path().join("m"));
    let one = tool(&["train", log, "--no-evaluation", "--out", model.to_str().expect("plain")]);
    assert_eq!(one.status.code(), Some(65));
    assert!(said(&one).contains("nothing to choose between"), "{}", said(&one));

    let garbage = folder.path().join("queries-0000000000007.jsonl.zst");
    std::fs::write(&garbage, b"\x28\xb5\x2f\xfd no frame").expect("writes");
    let lines = folder.path().join("lines.jsonl");
    std::fs::write(&lines, "NaN\n{\"v\":1}\n\n").expect("writes");
    let paths = [&garbage, &lines].map(|path| path.to_str().expect("plain"));
    let bad = tool(&["train", paths[0], paths[1], "--out", model.to_str().expect("plain")]);
    assert_eq!(bad.status.code(), Some(65));
    assert!(said(&bad).contains("3 lines that are no record, 1 files with a damaged end"), "{}", said(&bad));
}

#[test]
fn a_file_that_is_no_model_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.forebay-model");
    std::fs::write(&file, "no model").expect("writes");
    for command in ["inspect", "promote"] {
        let output = tool(&[command, file.to_str().expect("plain")]);
        assert_eq!(output.status.code(), Some(65), "{}", said(&output));
        assert!(said(&output).contains("m.forebay-model"), "{}", said(&output));
    }
}

//! `forebay workload` and `forebay bench` as a shell sees them, on the packages that are part of the program.

use std::{path::Path, process::Command};

fn forebay(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_forebay")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("it was not killed"), text(&output.stdout), text(&output.stderr))
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).to_string_lossy().into_owned()
}

#[test]
fn a_workload_is_one_body_a_line_and_the_same_for_the_same_seed() {
    let generate = |seed: &str| forebay(&["workload", "packages", "--count", "40", "--seed", seed, "--zipf", "1.0"]);
    let (code, bodies, mix) = generate("5");
    assert_eq!(code, 0, "{mix}");
    assert_eq!(bodies.lines().count(), 40);
    for line in bodies.lines() {
        let body: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(body["collection"], "packages");
    }
    assert!(mix.contains("vector+filter") && mix.contains("repeated"), "{mix}");
    assert_eq!(generate("5").1, bodies);
    assert_ne!(generate("6").1, bodies);
}

#[test]
fn a_workload_can_go_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path(), "queries.ndjson");
    let (code, out, err) = forebay(&["workload", "packages", "--count", "5", "--out", &file]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 5);
}

#[test]
fn a_scaled_copy_can_be_asked_like_any_loaded_collection() {
    let dir = tempfile::tempdir().unwrap();
    let data = path(dir.path(), "data");
    let (code, out, err) = forebay(&["workload", "scale", "packages", "--entities", "9000", "--data", &data]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("packages: ") && out.contains(" nodes and "), "{out}");
    let config = path(dir.path(), "forebay.toml");
    std::fs::write(&config, forebay::demo_data::CONFIG).unwrap();
    let (code, bodies, err) = forebay(&["workload", "packages", "--config", &config, "--count", "200"]);
    assert_eq!(code, 0, "{err}");
    assert!(bodies.contains("~2\""), "some query names an entity of the second copy");
}

#[test]
fn what_cannot_be_generated_is_refused_in_words() {
    let (code, _, err) = forebay(&["workload", "wares"]);
    assert!(code == 64 && err.contains("packages"), "{code} {err}");
    let (code, _, err) = forebay(&["workload", "packages", "--zipf=-1"]);
    assert!(code == 64 && err.contains("zipf"), "{code} {err}");
    let (code, _, err) = forebay(&["workload", "packages", "--config", "/nowhere/forebay.toml"]);
    assert!(code == 78 && err.contains("/nowhere/forebay.toml"), "{code} {err}");
}

#[test]
fn the_footprint_bench_measures_this_very_program_and_writes_json() {
    let dir = tempfile::tempdir().unwrap();
    let json = path(dir.path(), "figures.json");
    let (code, out, err) = forebay(&["bench", "footprint", "--quick", "--json", &json]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("footprint/ready, no collection"), "{out}");
    let figures: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    for figure in &figures {
        let keys: Vec<&str> = figure.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["baseline", "goal", "metric", "ratio", "unit", "value"]);
    }
    let binary = figures.iter().find(|figure| figure["metric"] == "footprint/binary").unwrap();
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_forebay")).unwrap().len() as f64 / 1e6;
    assert!((binary["value"].as_f64().unwrap() - size).abs() < 1e-6);
}

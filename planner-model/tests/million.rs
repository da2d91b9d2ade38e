//! A long log is written, read and trained on: what it takes on disk, in memory and in time. Of 10⁶ runs it takes minutes, so
//! that as a rule there are fewer:
//!
//! ```sh
//! FOREBAY_TEST_RUNS=1000000 cargo test --release -p planner-model --features tool --test million -- --nocapture
//! ```

use std::{
    path::Path,
    time::{Duration, Instant},
};

use planner_model::{
    FEATURES, Feature,
    dataset::{Builder, rows},
    log::{Limits, SegmentWriter, read, segments},
    record::{CacheState, CandidateRecord, Cardinalities, Mode, OperatorRecord, Outcome, RECORD_VERSION, Record},
    schema_hash, short_hex,
    train::{Settings, train_split},
};

const PLANS: [&str; 5] = ["vector-first", "graph-first", "parallel", "filtered-vector", "cached-partial"];
/// Runs without the variable.
const RUNS: u64 = 20_000;
const REPETITIONS: u32 = 5;

/// A number in 0..1 that looks random (splitmix64).
fn drawn(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The runs of a query, each with features and latencies of its own.
fn runs(query: u64, mut each: impl FnMut(&Record)) {
    let mut state = query;
    let candidates: Vec<CandidateRecord> = PLANS
        .iter()
        .map(|plan| {
            let features: Vec<f32> = (0..FEATURES).map(|_| (drawn(&mut state) * 6.0) as f32).collect();
            let analytic_us = f64::from(10_f32.powf(features[Feature::AnalyticCost as usize]));
            let operators = format!("CheckWithin(Ann(rank-then-filter, first 200), {plan})");
            CandidateRecord {
                plan: (*plan).to_owned(),
                operators,
                features,
                analytic_us,
                predicted_us: analytic_us,
                q95_us: None,
            }
        })
        .collect();
    let mut record = Record {
        v: RECORD_VERSION,
        schema: short_hex(&schema_hash()),
        at_ms: query as i64,
        collection: "packages".into(),
        query: format!("{query:016x}"),
        template: format!("{:016x}", query % 300),
        tenant: None,
        model: "analytic".into(),
        statistics: (1, 1),
        mode: Mode::Sweep,
        group: Some(format!("{query:016x}")),
        repetition: 0,
        cache: CacheState { reach: query.is_multiple_of(2), list: query.is_multiple_of(3) },
        candidates,
        ran: 0,
        outcome: Outcome::Ok,
        ranked_us: 0.0,
        total_us: 0.0,
        operators: Vec::new(),
        estimated: Cardinalities { selectivity: Some(0.5), reach: Some(10.0), edges: Some(20.0), candidates: None },
        actual: Cardinalities::default(),
        items: 10,
    };
    for repetition in 1..=REPETITIONS {
        for ran in 0..PLANS.len() {
            let features = &record.candidates[ran].features;
            let us =
                record.candidates[ran].analytic_us * f64::from(1.0 + features[0]) * (0.8 + 0.4 * drawn(&mut state));
            let operator = OperatorRecord {
                operator: "Ann".into(),
                rows_in: 0,
                rows_out: 200,
                examined: (us * 10.0) as u64,
                calls: 1,
                us: us * 0.9,
            };
            record.operators = vec![operator];
            (record.repetition, record.ran, record.ranked_us, record.total_us) = (repetition, ran, us, us * 1.2);
            each(&record);
        }
    }
}

/// The most memory that the process had, in MiB, where the system says so.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn size(folder: &Path) -> u64 {
    segments(folder).unwrap().iter().map(|path| std::fs::metadata(path).unwrap().len()).sum()
}

/// Queries of as many runs as the environment asks for.
fn queries() -> u64 {
    let asked = std::env::var("FOREBAY_TEST_RUNS").ok().map(|runs| runs.parse().expect("a number of runs"));
    (asked.unwrap_or(RUNS) / (u64::from(REPETITIONS) * PLANS.len() as u64)).max(200)
}

#[test]
fn a_long_log_is_written_read_and_trained_on() {
    let queries = queries();
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { segment_bytes: 64 << 20, segment_age: Duration::from_secs(3600), folder_bytes: 1 << 40 };
    let start = Instant::now();
    let mut writer = SegmentWriter::open(folder.path(), limits).unwrap();
    (0..queries).for_each(|query| runs(query, |record| writer.append(record).unwrap()));
    writer.flush().unwrap();
    println!("written: {:.1?}, {} MiB on disk, peak {} MiB", start.elapsed(), size(folder.path()) >> 20, peak());

    let start = Instant::now();
    let mut reader = read(&[folder.path()]).unwrap();
    let mut builder = Builder::default();
    reader.by_ref().for_each(|record| builder.add(&record));
    assert!(reader.skipped().is_empty());
    assert_eq!(builder.runs(), queries * u64::from(REPETITIONS) * PLANS.len() as u64);
    let data = builder.finish();
    println!("read into groups: {:.1?}, {} groups, peak {} MiB", start.elapsed(), data.groups.len(), peak());

    let start = Instant::now();
    let all: Vec<usize> = (0..data.groups.len()).collect();
    let rows = rows(&data, &all, 1).unwrap();
    println!("rows: {:.1?}, {} rows, peak {} MiB", start.elapsed(), rows.observations.len(), peak());

    let start = Instant::now();
    let trained =
        train_split(&rows.observations, &rows.split, &Settings { duel: None, ..Settings::default() }).unwrap();
    let latency = start.elapsed();
    println!("trained without duels: {latency:.1?}, {:?} trees and nodes, peak {} MiB", trained.model.size(), peak());
    assert_eq!(trained.model.plans().len(), PLANS.len());
}

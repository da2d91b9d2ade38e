//! What scoring costs: the served forests against linfa's own prediction on the same forests, in the same run.

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use linfa::traits::Predict;
use ndarray::{Array1, Array2};

use super::data::ranges;
use super::{
    DuelForest, DuelSettings, ForestSettings, Growth, LatencyForest, LogNs, Observations, Pairs, TrainError, synthetic,
};
use crate::file::{Card, Manifest, Parts, PlanEntry};
use crate::serve::duel::Contestant;
use crate::{Contender, Feature, Model, choose};

/// Candidates of each timed query.
const CANDIDATES: usize = 5;
/// More than the caches of a core hold.
const SWEEP_BYTES: usize = 48 << 20;

/// Times of one way to score.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// What was timed.
    pub name: &'static str,
    /// Half of the queries took no longer.
    pub p50: Duration,
    /// 99 % of the queries took no longer.
    pub p99: Duration,
}

/// All ways, on the same forests.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoringReport {
    /// Trees of each forest.
    pub trees: usize,
    /// Depth of each tree.
    pub depth: u32,
    /// Nodes of the five latency forests.
    pub nodes: usize,
    /// The ways.
    pub timings: Vec<Timing>,
}

impl fmt::Display for ScoringReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trees, depth, nodes, .. } = self;
        writeln!(f, "{CANDIDATES} candidates, {trees} trees of depth {depth} for each plan, {nodes} nodes")?;
        writeln!(f, "{:<58} {:>10} {:>10}", "", "p50 µs", "p99 µs")?;
        for timing in &self.timings {
            let [p50, p99] = [timing.p50, timing.p99].map(|time| time.as_secs_f64() * 1e6);
            writeln!(f, "{:<58} {p50:>10.2} {p99:>10.2}", timing.name)?;
        }
        Ok(())
    }
}

/// The same forests twice: as linfa has them, and served.
struct Subject {
    linfa: Vec<LatencyForest>,
    linfa_duel: DuelForest,
    model: Model,
}

/// Trains such forests on made-up queries ([`synthetic`]) and times `rounds` queries each way.
///
/// # Errors
/// When training fails.
pub fn measure(queries: u64, rounds: usize, trees: usize, depth: u32) -> Result<ScoringReport, TrainError> {
    let data = synthetic::observations(queries, 7);
    let subject = train(&data, trees, depth)?;
    let asked = synthetic::observations(400, 11);
    let queries: Vec<Vec<Contestant<'_>>> = full_queries(&asked);
    let arrays: Vec<Vec<Array2<f64>>> = queries.iter().map(|query| query.iter().map(as_linfa).collect()).collect();
    let model = &subject.model;

    let score = |query: &[Contestant<'_>]| {
        for candidate in query {
            black_box(model.predict(candidate.plan, black_box(candidate.features)));
        }
    };
    let mut timings = vec![
        time("served, in caches", rounds, |round| score(&queries[round % queries.len()])),
        time("served, with duels among near-ties", rounds, |round| {
            let query = &queries[round % queries.len()];
            let mut contenders = [Contender { candidate: query[0], ln_ms: 0.0 }; CANDIDATES];
            for (contender, &candidate) in contenders.iter_mut().zip(query) {
                let ln_ms = model.predict(candidate.plan, candidate.features).map_or(f32::MAX, |found| found.ln_ms);
                *contender = Contender { candidate, ln_ms };
            }
            black_box(choose(Some(model), &contenders));
        }),
        time("served, one duel", rounds, |round| {
            let query = &queries[round % queries.len()];
            black_box(model.duel(query[round % 4], query[4]));
        }),
    ];
    timings.push(time_cold(rounds / 100, |round| score(&queries[round % queries.len()])));
    timings.push(time("linfa's predict on the same forests (most frequent label)", rounds / 10, |round| {
        let query = round % queries.len();
        for (candidate, row) in queries[query].iter().zip(&arrays[query]) {
            let labels: Array1<LogNs> = subject.linfa[candidate.plan].ensemble().predict(row);
            black_box(labels);
        }
    }));
    let columns = subject.linfa_duel.inputs().len();
    let pair = Array2::<f64>::zeros((1, columns));
    timings.push(time("linfa's predict on the duel forest, one duel", rounds / 10, |_| {
        let verdict: Array1<bool> = subject.linfa_duel.forest().predict(black_box(&pair));
        black_box(verdict);
    }));
    let duel_nodes = model.duel.as_ref().map_or(0, |duel| duel.forest.nodes().len());
    Ok(ScoringReport { trees, depth, nodes: model.size().1 - duel_nodes, timings })
}

fn train(data: &Observations, trees: usize, depth: u32) -> Result<Subject, TrainError> {
    let width = Feature::ALL.len();
    let rows: Vec<u32> = (0..data.len() as u32).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let growth = Growth { depth, min_leaf: 4, mtry: width / 2 };
    let (mut linfa, mut forests, mut plans) = (Vec::new(), Vec::new(), Vec::new());
    for (plan, name) in data.plans().iter().enumerate() {
        let rows = data.of_plan(&rows, plan);
        let targets: Vec<f64> = rows.iter().map(|row| data.target(*row as usize, false)).collect();
        let settings = ForestSettings { trees, growth, ignored: Vec::new(), seed: [plan as u8; 32], threads };
        let value = |row: usize, feature: usize| data.features(rows[row] as usize)[feature];
        let forest = LatencyForest::fit(&targets, None, width, value, &settings);
        forests.push(Some(super::run::flat(&forest, name)?));
        linfa.push(forest);
        plans.push(PlanEntry {
            name: name.clone(),
            observations: rows.len() as u64,
            ranges: ranges(data, &rows, &[], 0.001..0.999),
            factors: [0.0, 0.8, 1.3, 1.6, 2.3],
            calibration_rows: 0,
        });
    }
    let few: Vec<u32> = rows.iter().copied().take(1500).collect();
    let linfa_duel = DuelForest::fit(&Pairs::new(data, &few)?, &DuelSettings::default(), &[9; 32], threads)?;
    let manifest = Manifest {
        plans,
        relative: false,
        near_tie: 1.25,
        duel_inputs: linfa_duel.inputs().to_vec(),
        constants: BTreeMap::new(),
        card: Card::default(),
    };
    let duel = Some(super::run::flat_duel(&linfa_duel)?);
    let model = Parts { manifest, forests, duel, golden: Vec::new() }.build()?;
    Ok(Subject { linfa, linfa_duel, model })
}

/// The queries to which all plans apply.
fn full_queries(data: &Observations) -> Vec<Vec<Contestant<'_>>> {
    let rows: Vec<u32> = (0..data.len() as u32).collect();
    let queries = data.queries(&rows).into_iter().filter(|query| query.candidates.len() == CANDIDATES);
    let side = |&(row, _): &(u32, f64)| {
        let row = data.row(row as usize);
        Contestant { plan: row.plan, features: row.features }
    };
    queries.map(|query| query.candidates.iter().map(side).collect()).collect()
}

fn as_linfa(candidate: &Contestant<'_>) -> Array2<f64> {
    let values = candidate.features;
    Array2::from_shape_fn((1, values.len()), |(_, feature)| f64::from(values[feature]))
}

fn time(name: &'static str, rounds: usize, mut work: impl FnMut(usize)) -> Timing {
    for round in 0..rounds / 10 {
        work(round);
    }
    let mut times = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let start = Instant::now();
        work(round);
        times.push(start.elapsed());
    }
    timing(name, times)
}

/// With the caches filled with something else before each query, as after a pause.
fn time_cold(rounds: usize, mut work: impl FnMut(usize)) -> Timing {
    let mut sweep = vec![0_u8; SWEEP_BYTES];
    let mut times = Vec::with_capacity(rounds);
    for round in 0..rounds {
        sweep.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
        black_box(&sweep);
        let start = Instant::now();
        work(round);
        times.push(start.elapsed());
    }
    timing("served, after a sweep of 48 MB", times)
}

fn timing(name: &'static str, mut times: Vec<Duration>) -> Timing {
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    Timing { name, p50: at(0.5), p99: at(0.99) }
}

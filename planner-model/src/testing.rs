//! What tests of several rooms need.

use crate::{
    Feature,
    record::{CacheState, CandidateRecord, Cardinalities, Mode, Outcome, RECORD_VERSION, Record},
    schema_hash, short_hex,
};

/// A record of this build.
pub(crate) fn record() -> Record {
    Record {
        v: RECORD_VERSION,
        schema: short_hex(&schema_hash()),
        at_ms: 1,
        collection: "packages".into(),
        query: "q".into(),
        template: "t".into(),
        tenant: None,
        model: "analytic".into(),
        statistics: (1, 2),
        mode: Mode::Chosen,
        group: None,
        repetition: 0,
        cache: CacheState { reach: true, list: false },
        candidates: vec![CandidateRecord {
            plan: "vector-first".into(),
            operators: "Ann(rank-then-filter, first 10)".into(),
            features: Feature::ALL.iter().enumerate().map(|(place, _)| 0.1 + place as f32 / 3.0).collect(),
            analytic_us: 12.5,
            predicted_us: 0.1 + 0.2,
            q95_us: None,
        }],
        ran: 0,
        outcome: Outcome::Ok,
        ranked_us: 1.0 / 3.0,
        total_us: 2.0,
        operators: Vec::new(),
        estimated: Cardinalities { selectivity: Some(0.25), ..Cardinalities::default() },
        actual: Cardinalities::default(),
        items: 10,
    }
}

/// A made-up query of a sweep, run by run: `us[candidate][run]`. The features `reach` and `selectivity` are as given and
/// shared; the analytic model says `analytic_us`.
#[cfg(feature = "tool")]
pub(crate) fn swept(
    query: usize,
    plans: &[&str],
    us: &[Vec<f64>],
    analytic_us: &[f64],
    shared: &[(Feature, f32)],
) -> Vec<Record> {
    let cheapest = analytic_us.iter().copied().fold(f64::INFINITY, f64::min);
    let candidates: Vec<CandidateRecord> = plans
        .iter()
        .zip(analytic_us)
        .map(|(plan, &analytic_us)| {
            let mut features = vec![0.0; crate::FEATURES];
            shared.iter().for_each(|(feature, value)| features[*feature as usize] = *value);
            features[Feature::AnalyticCost as usize] = analytic_us.log10() as f32;
            features[Feature::OverCheapest as usize] = (analytic_us / cheapest).log10() as f32;
            let operators = format!("{plan}()");
            let plan = (*plan).to_owned();
            CandidateRecord { plan, operators, features, analytic_us, predicted_us: analytic_us, q95_us: None }
        })
        .collect();
    let run = |ran: usize, repetition: usize, ranked_us: f64| Record {
        query: format!("query {query}"),
        template: format!("template {}", query % 9),
        group: Some(format!("group {query}")),
        at_ms: query as i64,
        mode: Mode::Sweep,
        repetition: repetition as u32 + 1,
        cache: CacheState::default(),
        candidates: candidates.clone(),
        ran,
        ranked_us,
        ..record()
    };
    let runs =
        us.iter().enumerate().flat_map(|(ran, runs)| runs.iter().enumerate().map(move |(at, us)| (ran, at, *us)));
    runs.map(|(ran, at, us)| run(ran, at, us)).collect()
}

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

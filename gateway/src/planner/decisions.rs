//! Under which circumstances a decision was made: what exact repeats are told apart by.

use std::time::Duration;

use super::{Down, Forced, Input, Met, Waits};
use crate::cache::Digest;

/// A query, and everything about the moment that decides which plan is the best: equal situations have equal answers to that.
#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
pub(super) struct Situation {
    query: Digest,
    epochs: (u64, u64),
    /// The reach's size.
    reach: Option<u64>,
    list: Option<ListKey>,
    keeps: bool,
    down: Down,
    load: u8,
}

/// What a decision takes of a cached list.
#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
struct ListKey {
    length: usize,
    exhausted: bool,
    exact: bool,
    /// It was made with the query's own filter.
    same_filter: bool,
    met: Option<Met>,
}

/// A situation, and what was asked for and known when it was decided about.
#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
pub(super) struct DecisionKey {
    pub situation: Situation,
    pub forced: Option<Forced>,
    /// Counts models.
    pub model: u64,
    /// Counts what was learnt that changes decisions at large.
    pub learnt: u64,
    /// The bits of what a run under way has found out.
    truth: Option<u64>,
}

impl Situation {
    pub(super) fn of(input: &Input<'_>) -> Self {
        Self {
            query: input.key,
            epochs: (input.vectors.epoch, input.graph.map_or(0, |graph| graph.epoch)),
            reach: input.probe.reach,
            list: input.probe.list.map(|list| ListKey {
                length: list.length,
                exhausted: list.exhausted,
                exact: list.exact,
                same_filter: list.filter == input.filter,
                met: list.met,
            }),
            keeps: input.keeps,
            down: input.down,
            load: load(input.waits),
        }
    }
}

impl DecisionKey {
    pub(super) fn of(input: &Input<'_>, model: u64, learnt: u64) -> Self {
        let truth = input.true_reach.map(f64::to_bits);
        Self { situation: Situation::of(input), forced: input.forced, model, learnt, truth }
    }
}

/// The band of load: none, less than a millisecond, than ten, more; for each store.
fn load(waits: Waits) -> u8 {
    let band = |wait: Duration| match wait.as_micros() {
        0 => 0,
        1..1_000 => 1,
        1_000..10_000 => 2,
        _ => 3,
    };
    4 * band(waits.vectors) + band(waits.graph)
}

#[cfg(test)]
impl DecisionKey {
    /// The key of a plain query.
    pub(super) fn testing(vectors: &crate::backend::VectorStatistics, query: Digest) -> Self {
        let situation = Situation {
            query,
            epochs: (vectors.epoch, 0),
            reach: None,
            list: None,
            keeps: true,
            down: Down::default(),
            load: 0,
        };
        Self { situation, forced: None, model: 0, learnt: 0, truth: None }
    }
}

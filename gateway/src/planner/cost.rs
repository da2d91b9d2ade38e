//! The analytic cost model: what a candidate should take, from the stores' own measured constants. In microseconds.
//!
//! Hydrating and expanding the final items costs the same in every plan and is left out.

use super::{Estimates, Input, Operator, Plan, Probe, estimate::selectivity};
use crate::backend::{Access, Filtering, GraphCosts, VectorCosts};

/// What a candidate is expected to do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Work {
    /// Expected latency in microseconds.
    pub us: f64,
    /// Rows, index entries and edges touched.
    pub io: f64,
    /// Arithmetic, in flop.
    pub flop: f64,
    /// Calls to backends.
    pub calls: f64,
    /// Bytes between backends and the gateway.
    pub bytes: f64,
    /// Ranked rows taken.
    pub candidates: f64,
    /// Legs at the same time.
    pub parallel: f64,
    /// How much an index or a cached leg spares, 0 to 1.
    pub index: f64,
    /// Probability that a leg is served from a cache.
    pub cached: f64,
    /// Microseconds of the graph store by itself.
    pub graph_us: f64,
    /// Microseconds of the vector store by itself.
    pub vector_us: f64,
}

impl Work {
    /// All of it is done by the graph store.
    fn of_graph(self) -> Self {
        Self { graph_us: self.us, ..self }
    }

    /// One after the other.
    fn then(self, next: Self) -> Self {
        Self {
            us: self.us + next.us,
            io: self.io + next.io,
            flop: self.flop + next.flop,
            calls: self.calls + next.calls,
            bytes: self.bytes + next.bytes,
            candidates: self.candidates.max(next.candidates),
            parallel: self.parallel.max(next.parallel),
            index: self.index.max(next.index),
            cached: self.cached.max(next.cached),
            graph_us: self.graph_us + next.graph_us,
            vector_us: self.vector_us + next.vector_us,
        }
    }

    /// Both at once.
    fn beside(self, other: Self, overhead_us: f64) -> Self {
        let us = self.us.max(other.us) + overhead_us;
        Self { us, parallel: 2.0, ..self.then(other) }
    }

    /// That often, as far as latency and work go.
    fn scaled(self, factor: f64) -> Self {
        Self {
            us: self.us * factor,
            io: self.io * factor,
            flop: self.flop * factor,
            calls: self.calls * factor,
            bytes: self.bytes * factor,
            graph_us: self.graph_us * factor,
            ..self
        }
    }
}

/// Bytes of an id with a score on the wire.
const HIT_BYTES: f64 = 24.0;

/// Prices plans of one query.
pub(super) struct Pricer<'a> {
    pub input: &'a Input<'a>,
    pub estimates: &'a Estimates,
    pub vector: VectorCosts,
    pub graph: GraphCosts,
}

impl Pricer<'_> {
    /// What a plan is expected to do.
    pub(super) fn price(&self, plan: &Plan) -> Work {
        let work = self.whole(plan);
        // What is not the graph store's is the vector store's, but where both work at once.
        let vector_us = if work.vector_us > 0.0 { work.vector_us } else { work.us - work.graph_us };
        Work { vector_us, ..work }
    }

    fn whole(&self, plan: &Plan) -> Work {
        match &plan.root {
            Operator::RankExact { ids } => self.ids(ids).then(self.restricted(Access::IdsThenFilter)),
            Operator::RankReached => self.walk().then(self.restricted(Access::IdsThenFilter)),
            Operator::AnnWithin { ids, access, .. } => self.ids(ids).then(self.restricted(*access)),
            Operator::CheckWithin { candidates, batch } => {
                self.ranked(candidates, true).then(self.check(self.wanted(), *batch as f64))
            }
            Operator::Intersect { candidates, ids } => {
                let (ranked, ids) = (self.ranked(candidates, true), self.ids(ids));
                let overhead = if ids.calls > 0.0 && ranked.calls > 0.0 { self.vector.call_us } else { 0.0 };
                Work { vector_us: ranked.us, ..ranked.beside(ids, overhead) }
            }
            other => self.ranked(other, false),
        }
    }

    /// Ranked, filtered candidates that have to be taken until enough of them are within.
    fn wanted(&self) -> f64 {
        let passing = self.estimates.rows * self.estimates.selectivity.likely;
        (self.input.query.need() as f64 / self.estimates.within.max(1e-9)).min(passing.max(1.0))
    }

    /// Scoring and ordering rows.
    fn score(&self, rows: f64) -> Work {
        let order_ns = match self.vector.filtering {
            Filtering::AsTold => self.vector.order_ns,
            // Reading the row, which is paid where it is found.
            Filtering::ItsOwnWay => 0.0,
        };
        let per_row = match self.input.dimensions {
            0 => 0.0,
            dimensions => dimensions as f64 / 64.0 * self.vector.score_ns + order_ns,
        };
        Work { us: rows * per_row / 1e3, io: rows, flop: rows * 2.0 * self.input.dimensions as f64, ..Work::default() }
    }

    /// Testing the filter on rows one by one.
    fn test(&self, rows: f64) -> Work {
        let tests = rows * self.estimates.leaves;
        Work { us: tests * self.vector.test_ns / 1e3, io: tests, flop: tests * 100.0, ..Work::default() }
    }

    /// Finding the rows that pass the filter.
    fn filtered(&self) -> Work {
        let Estimates { rows, leaves, .. } = *self.estimates;
        match self.vector.filtering {
            Filtering::AsTold => {
                // A bitmap is never free: an empty one still walks its containers, a 64th of the rows or so.
                let rows = rows * (self.estimates.indexed + leaves / 64.0);
                Work {
                    us: rows * self.vector.index_ns / 1e3,
                    io: rows,
                    flop: rows * 100.0,
                    index: 0.5,
                    ..Work::default()
                }
            }
            Filtering::ItsOwnWay => {
                let work = |rows: f64, find_ns: f64, index| Work {
                    us: rows * (find_ns + leaves * self.vector.test_ns) / 1e3,
                    io: rows,
                    flop: rows * leaves * 100.0,
                    index,
                    ..Work::default()
                };
                let by_index = work(rows * self.estimates.narrowest, self.vector.index_ns, 0.5);
                let by_reading = work(rows, self.vector.order_ns, 0.0);
                if leaves > 0.0 && by_index.us < by_reading.us { by_index } else { by_reading }
            }
        }
    }

    fn vector_call(&self, hits: f64) -> Work {
        Work {
            us: self.vector.call_us + hits * self.vector.hit_ns / 1e3,
            calls: 1.0,
            bytes: hits * HIT_BYTES,
            candidates: hits,
            parallel: 1.0,
            ..Work::default()
        }
    }

    /// A source of ranked candidates. Behind a gate it is likely to be asked for more.
    fn ranked(&self, operator: &Operator, gated: bool) -> Work {
        match operator {
            Operator::Ann { access, first } => {
                let passing = self.estimates.rows * self.estimates.selectivity.likely;
                let taken = self.wanted().max((*first as f64).min(self.estimates.rows));
                let ahead = if gated { self.vector.ahead.max(1.0) } else { 1.0 };
                let exact = self.vector_call((taken * ahead).min(passing.max(taken)));
                let searched = || {
                    exact.then(self.filtered()).then(self.score(passing)).scaled(self.searches(*first as f64, taken))
                };
                match (access, self.vector.filtering) {
                    (Access::RankThenFilter, filtering) if self.input.ann.is_some() => {
                        let by_rank = self.vector_call(taken).then(self.approximate(taken));
                        // A server that goes its own way takes the filter's index where that lets little through.
                        match filtering {
                            Filtering::ItsOwnWay => {
                                Some(searched()).filter(|other| other.us < by_rank.us).unwrap_or(by_rank)
                            }
                            Filtering::AsTold => by_rank,
                        }
                    }
                    (Access::FilterThenRank, _) | (_, Filtering::ItsOwnWay) => searched(),
                    (Access::RankThenFilter | Access::IdsThenFilter, Filtering::AsTold) => {
                        let passed = taken / self.estimates.selectivity.likely.max(1e-9);
                        exact.then(self.score(self.estimates.rows)).then(self.test(passed.min(self.estimates.rows)))
                    }
                }
            }
            Operator::CachedList { refilter } => self.cached_list(*refilter),
            // Enumeration makes no other sources.
            _ => Work::default(),
        }
    }

    /// How often a server searches exactly for so many candidates. Each search gives some times what was asked for, and the
    /// next one begins at the beginning.
    fn searches(&self, first: f64, taken: f64) -> f64 {
        let ahead = self.vector.ahead.max(2.0);
        1.0 + (taken / (first.max(1.0) * ahead)).ln().max(0.0) / ahead.ln()
    }

    /// Going through an approximate index until so many rows passed the filter; beyond its end an exact search takes over.
    fn approximate(&self, taken: f64) -> Work {
        let Some(ann) = self.input.ann else { return Work::default() };
        let selectivity = self.estimates.selectivity.likely.max(1e-9);
        let rows = self.estimates.rows.max(1.0);
        let visited = (taken / selectivity).min(rows).min(ann.max_rows.max(1.0));
        let walk = Work {
            us: ann.start_us + visited * ann.visit_ns / 1e3,
            io: visited,
            flop: visited * 2.0 * self.input.dimensions as f64,
            index: 1.0,
            ..Work::default()
        };
        if taken <= visited * selectivity * 1.001 {
            return walk;
        }
        let passing = self.estimates.rows * self.estimates.selectivity.likely;
        walk.then(self.vector_call(taken)).then(self.filtered()).then(self.score(passing))
    }

    /// Items of the cached list that are expected to pass the filter and the walk.
    pub(super) fn survivors(&self) -> f64 {
        let Probe { list: Some(list), .. } = &self.input.probe else { return 0.0 };
        let made_with = selectivity(list.filter, self.input.vectors).fraction.likely.max(1e-9);
        let within = match list.met {
            Some(met) if met.tested > 0 => met.within as f64 / met.tested as f64,
            _ => self.estimates.within,
        };
        list.length as f64 * (self.estimates.selectivity.likely / made_with).min(1.0) * within
    }

    /// A cached list, and the search that replaces it when too few of its items survive.
    fn cached_list(&self, refilter: bool) -> Work {
        let Probe { list: Some(list), .. } = &self.input.probe else { return Work::default() };
        let length = list.length as f64;
        let expected = self.survivors();
        let need = self.input.query.need() as f64;
        let mut work = Work { index: 1.0, cached: 1.0, candidates: length, parallel: 1.0, ..Work::default() };
        if refilter {
            let id_us = length * self.vector.id_ns / 1e3;
            work = work.then(self.vector_call(0.0)).then(self.test(length));
            work.us += id_us;
        }
        if !list.exhausted && expected < 2.0 * need {
            let short = match list.met {
                // It was counted.
                Some(met) if !refilter && met.within as f64 >= need => 0.0,
                Some(met) if !refilter && met.tested == list.length => 1.0,
                // From certainly enough (twice the need) to certainly short (half of it).
                _ => ((2.0 * need - expected) / (1.5 * need).max(1e-9)).clamp(0.0, 1.0),
            };
            let search = self.ranked(&Operator::Ann { access: Access::RankThenFilter, first: list.length }, false);
            work = work.then(search.scaled(short));
        }
        work
    }

    /// Following edges, wherever the ids go from there.
    fn walk(&self) -> Work {
        let edges = self.estimates.edges;
        Work { us: edges * self.graph.edge_ns / 1e3, io: edges, flop: edges * 100.0, ..Work::default() }.of_graph()
    }

    /// A source of reached ids.
    fn ids(&self, operator: &Operator) -> Work {
        match operator {
            Operator::Reach => {
                let nodes = self.estimates.reach;
                let walk = self.walk();
                Work {
                    us: self.graph.call_us + walk.us + nodes * self.graph.node_ns / 1e3,
                    io: walk.io + nodes,
                    calls: 1.0,
                    bytes: nodes * HIT_BYTES,
                    parallel: 1.0,
                    ..walk
                }
                .of_graph()
            }
            _ => Work { cached: 1.0, index: 1.0, parallel: 1.0, ..Work::default() },
        }
    }

    /// A search among the reached ids.
    fn restricted(&self, access: Access) -> Work {
        let reached = self.estimates.reach.min(self.estimates.rows);
        let matches = self.estimates.matches;
        let from_ids = Work { us: reached * self.vector.id_ns / 1e3, io: reached, index: 1.0, ..Work::default() };
        let call = self.vector_call(matches.min(self.input.query.need() as f64));
        let one_by_one = from_ids.then(self.test(reached));
        // Two sets meet: far cheaper than starting from each id.
        let met = from_ids.scaled(0.125).then(self.filtered());
        match access {
            Access::IdsThenFilter => call.then(one_by_one).then(self.score(matches)),
            Access::FilterThenRank => {
                let found = match self.vector.filtering {
                    Filtering::ItsOwnWay if one_by_one.us <= met.us => one_by_one,
                    Filtering::ItsOwnWay | Filtering::AsTold => met,
                };
                call.then(found).then(self.score(matches))
            }
            Access::RankThenFilter => {
                let tested = self.wanted() / self.estimates.selectivity.likely.max(1e-9);
                call.then(self.score(reached)).then(self.test(tested.min(reached)))
            }
        }
    }

    /// Checks of candidates by the graph store, cheaper side first.
    fn check(&self, candidates: f64, batch: f64) -> Work {
        let rounds = (candidates / batch.max(1.0)).ceil().max(1.0);
        let hops = f64::from(self.input.request.map_or(1, |request| request.walk.hops));
        let backwards = candidates * self.estimates.fan_out.max(1.0).powf(hops);
        let edges = (self.estimates.edges * rounds).min(backwards);
        Work {
            us: self.graph.call_us * rounds
                + (edges * self.graph.edge_ns + candidates * (self.graph.node_ns + self.graph.start_ns)) / 1e3,
            io: edges + candidates,
            flop: edges * 100.0,
            calls: rounds,
            bytes: candidates * HIT_BYTES,
            parallel: 1.0,
            ..Work::default()
        }
        .of_graph()
    }
}

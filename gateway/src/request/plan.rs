//! **plan**: seeds and query vector, a probe of the cached stages, and the choice among the candidates; and the choice made
//! again where a leg turns out otherwise than estimated.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Step,
    gateway::State,
    keys,
    life::{Life, Understood, out_of_time, until_late},
    probe,
    resolve::{Resolved, Resolver},
};
use crate::{
    backend::{CallContext, GraphStatistics, Hit, IdSet, VectorStatistics},
    cache::{Digest, Purpose},
    execute::{Held, Midway},
    planner::{Choice, Down, Forced, Input, ListProbe, Met, Operator, Planned, Probe, Waits},
    problem::{Code, Problem},
    query::Filter,
};

/// Candidates expected to be within below which a pass rate says nothing: too few of eight are no accident. Tests run on small
/// collections.
const TELLING: f64 = if cfg!(test) { 0.1 } else { 8.0 };

/// Items of a cached list that are held against a cached reach: about 50 µs of work at most.
const MOST_MET: usize = 256;

/// What will run.
pub(super) struct Prepared {
    pub(super) resolved: Resolved,
    pub(super) filter: Filter,
    pub(super) held: Held,
    /// Since when the oldest held leg stands.
    pub(super) held_since: Option<Instant>,
    pub(super) reach_key: Digest,
    pub(super) list_key: Digest,
    pub(super) planned: Arc<Planned>,
    /// What was looked at.
    ground: Ground,
}

/// What planning goes by, as it was when the query was planned.
struct Ground {
    vectors: Arc<VectorStatistics>,
    graph: Option<(Arc<GraphStatistics>, usize)>,
    joined: bool,
    keeps: bool,
    deadline: Instant,
}

impl Life<'_> {
    /// Seeds and query vector, a probe of the cached stages, and the choice among the candidates.
    pub(super) async fn plan(&mut self, understood: &Understood, ctx: &CallContext) -> Result<Prepared, Problem> {
        let started = Instant::now();
        let Understood { collection, view, forced, query, options, .. } = understood;
        let mode = self.cache_mode(options);
        let resolver = Resolver {
            collection,
            view,
            forced,
            ctx,
            trace: &self.trace,
            legs: self.legs,
            tiers: &self.state.tiers,
            read: mode.reads().then(|| self.purpose()),
            write: mode.writes() && self.purpose() == Purpose::Serve,
        };
        let resolved = until_late(ctx, resolver.resolve(query)).await.unwrap_or_else(|| Err(out_of_time()))?;
        let filter = Filter::and([query.filter.clone(), forced.clone()]);
        let (reach_key, list_key) = keys::of_legs(collection, view, &resolved);

        // Probe the cache first: what is there decides more than any estimate.
        let (held, held_since) = if mode.reads() {
            let most = self.most_stale(options);
            probe::held(&self.state.tiers, understood, &resolved, &filter, (reach_key, list_key), most, self.purpose())
                .await
        } else {
            (Held::default(), None)
        };

        let graph = collection.graph.as_ref().map(|graph| (graph.statistics(), graph.capabilities().max_check));
        let ground = Ground {
            vectors: collection.entities.statistics(),
            graph,
            joined: collection.entities.rank_reached().is_some(),
            keeps: mode.keeps(),
            deadline: ctx.deadline,
        };
        let reach = held.reach.as_ref().map(|reach| reach.ids.len() as u64);
        let forced = options.plan.map(|kind| Forced { kind, variant: options.variant });
        let input =
            Input { forced, ..ground.input(understood, &resolved, &filter, probed(&held, reach, query.need())) };
        let planned = self.state.planner.plan(&input).map_err(|error| Problem {
            pointer: Some("/options/plan".into()),
            ..Problem::new(Code::PlanNotApplicable, error.to_string())
        })?;
        self.plan = Some(planned.plan().kind);
        self.spent(Step::Plan, started);
        Ok(Prepared { resolved, filter, held, held_since, reach_key, list_key, planned, ground })
    }

    /// Whoever knows a better way on in the middle of a run; nobody where the plan is not a matter of choice.
    pub(super) fn replanner<'p>(&'p self, understood: &'p Understood, prepared: &'p Prepared) -> Option<Replanner<'p>> {
        let by_choice =
            matches!(prepared.planned.choice, Choice::Cheapest | Choice::Duelled | Choice::Measured | Choice::InTime);
        by_choice.then_some(Replanner { state: self.state, understood, prepared })
    }
}

/// What the cache holds, as far as planning goes.
fn probed(held: &Held, reach: Option<u64>, need: usize) -> Probe<'_> {
    Probe {
        reach,
        list: held.list.as_ref().map(|list| ListProbe {
            length: list.hits.len(),
            exhausted: list.exhausted,
            filter: &list.filter,
            exact: list.exact,
            met: held.reach.as_ref().map(|reach| meet(&list.hits, &reach.ids, need)),
        }),
    }
}

/// Counts the items that are within until there are enough. Whether a list suffices decides between microseconds and a search, and
/// where both are in memory that is no matter of estimates.
fn meet(hits: &[Hit], within: &IdSet, need: usize) -> Met {
    let mut met = Met { tested: 0, within: 0 };
    for hit in hits.iter().take(MOST_MET) {
        if met.within >= need {
            break;
        }
        met.tested += 1;
        met.within += usize::from(within.contains(&hit.id));
    }
    met
}

impl Ground {
    fn input<'i>(
        &'i self,
        understood: &'i Understood,
        resolved: &'i Resolved,
        filter: &'i Filter,
        probe: Probe<'i>,
    ) -> Input<'i> {
        let Understood { collection, query, .. } = understood;
        let vectors = &*self.vectors;
        Input {
            query,
            schema: &collection.schema,
            filter,
            dimensions: resolved.dimensions,
            usable: usable(understood, vectors),
            ann: query.vector.as_ref().filter(|_| !query.exactly()).and_then(|clause| vectors.ann_of(clause.space)),
            request: resolved.request.as_ref(),
            vectors,
            graph: self.graph.as_ref().map(|(statistics, _)| &**statistics),
            max_check: self.graph.as_ref().map_or(0, |(_, max_check)| *max_check),
            joined: self.joined,
            probe,
            keeps: self.keeps,
            down: Down {
                vectors: !collection.entities.is_available(),
                graph: collection.graph.as_ref().is_some_and(|graph| !graph.is_available()),
            },
            waits: Waits {
                vectors: collection.entities.expected_wait(),
                graph: collection.graph.as_ref().map(|graph| graph.expected_wait()).unwrap_or_default(),
            },
            forced: None,
            left: self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_micros(1)),
            true_reach: None,
            key: understood.key,
        }
    }
}

/// Entities that can answer: those with a usable vector in the space that ranks, or in any.
fn usable(understood: &Understood, statistics: &VectorStatistics) -> u64 {
    match &understood.query.vector {
        Some(clause) => statistics.usable.get(usize::from(clause.space)).copied().unwrap_or(statistics.rows),
        None => statistics.usable.iter().copied().max().unwrap_or(statistics.rows),
    }
}

/// Plans a query again in the middle of its run, with what the run has found out.
pub(super) struct Replanner<'a> {
    state: &'a State,
    understood: &'a Understood,
    prepared: &'a Prepared,
}

impl Replanner<'_> {
    /// Whether a truth is so far from its estimate that it is worth another look.
    fn is_far(&self, truth: f64, estimate: f64) -> bool {
        let (truth, estimate) = (truth.max(1.0), estimate.max(1.0));
        (truth / estimate).max(estimate / truth) > self.state.planning.settings().replan_factor
    }

    fn input(&self, reach: Option<u64>) -> Input<'_> {
        let Prepared { resolved, filter, held, ground, .. } = self.prepared;
        ground.input(self.understood, resolved, filter, probed(held, reach, self.understood.query.need()))
    }
}

impl Midway for Replanner<'_> {
    fn knows_reach(&self, nodes: u64) -> Option<Arc<Planned>> {
        if !self.is_far(nodes as f64, self.prepared.planned.estimates.reach) {
            return None;
        }
        let planned = self.state.planner.plan(&self.input(Some(nodes))).ok()?;
        // The same with the reach in hand is what runs anyway.
        let is_same = same_but_for_the_reach(&planned.plan().root, &self.prepared.planned.plan().root);
        (!is_same).then_some(planned)
    }

    fn knows_pass_rate(&self, seen: u64, passed: u64) -> Option<Arc<Planned>> {
        let ground = &self.prepared.ground;
        let nodes = ground.graph.as_ref()?.0.nodes as f64;
        let expected = self.prepared.planned.estimates.within * seen as f64;
        if expected < TELLING || passed as f64 >= expected || !self.is_far(passed.max(1) as f64, expected) {
            return None;
        }
        // None of so many: about half of one.
        let within = (passed as f64).max(0.5) / seen as f64;
        let planned = self.state.planner.plan(&Input { true_reach: Some(within * nodes), ..self.input(None) }).ok()?;
        let goes_on = matches!(planned.plan().root, Operator::CheckWithin { .. });
        (!goes_on).then_some(planned)
    }
}

/// Whether two plans differ in nothing but where the reach comes from.
fn same_but_for_the_reach(a: &Operator, b: &Operator) -> bool {
    match (a, b) {
        (Operator::RankExact { .. }, Operator::RankExact { .. })
        | (Operator::AnnWithin { .. }, Operator::AnnWithin { .. }) => true,
        (Operator::Intersect { candidates: a, .. }, Operator::Intersect { candidates: b, .. }) => {
            matches!((&**a, &**b), (Operator::Ann { .. }, Operator::Ann { .. }))
        }
        _ => false,
    }
}

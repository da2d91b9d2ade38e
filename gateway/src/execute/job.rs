//! Runs one plan: walks the operator tree, pulls ranked candidates through its gate, widens.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    LegMemo, Midway, OperatorRun, Surprise, Timed, Trace,
    legs::{Prefix, RankedLeg},
};
use crate::{
    backend::{
        Access, BackendError, CallContext, ErrorKind, Hit, IdSet, Ranking, Reach, ReachRequest, ReachedPage, Search,
    },
    cache::{Digest, RankedList},
    catalog::Collection,
    planner::{Operator, Plan, Planned},
    query::{Filter, NodeRef, Query},
};

/// Most ranked candidates taken at once when widening, so that a page stays bounded.
const MAX_PAGE: usize = 65_536;

/// Legs that are already there, found when the cache was probed.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The reached ids.
    pub reach: Option<Arc<Reach>>,
    /// A ranked list that covers the filter.
    pub list: Option<RankedList>,
}

/// Verified items so far, for whoever runs out of time.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Vec<Hit>>);

impl Progress {
    fn publish(&self, hits: &[Hit]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hits.len() > kept.len() {
            *kept = hits.to_vec();
        }
    }

    /// The items, in order: a prefix of the full answer, as far as the search was exact.
    pub fn take(&self) -> Vec<Hit> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One plan to run, and all that it needs.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Where the stores are.
    pub collection: &'a Collection,
    /// What is asked.
    pub query: &'a Query,
    /// The query's filter and the forced one.
    pub filter: &'a Filter,
    /// What the answer is ranked by.
    pub ranking: &'a Ranking,
    /// Entities left out.
    pub excluded: &'a [crate::value::EntityId],
    /// The walk.
    pub request: Option<&'a ReachRequest>,
    /// Identifies the walk.
    pub reach_key: Digest,
    /// Identifies the query vector.
    pub list_key: Digest,
    /// Legs found in the cache.
    pub held: &'a Held,
    /// Legs shared within the batch.
    pub legs: &'a LegMemo,
    /// For whom and until when.
    pub ctx: &'a CallContext,
    /// What really happened.
    pub trace: &'a Trace,
    /// Items verified so far.
    pub progress: &'a Progress,
    /// Whom to ask where a leg turned out otherwise than estimated; without, plans run to their end.
    pub midway: Option<&'a dyn Midway>,
}

/// The ranked part of an answer.
#[derive(Debug, Clone, Default)]
pub struct Ranked {
    /// The first `offset + limit`, fewer if there are no more.
    pub hits: Vec<Hit>,
    /// Anchors that the graph does not know.
    pub unknown: Vec<NodeRef>,
    /// A graph leg that ran.
    pub reach: Option<Timed<Arc<Reach>>>,
    /// A vector leg that ran under the filter alone.
    pub list: Option<Timed<RankedList>>,
}

/// Where ranked candidates come from.
enum Source<'a> {
    Leg(Arc<RankedLeg>),
    List { list: &'a RankedList, refilter: bool },
}

/// What a candidate has to pass.
enum Gate<'a> {
    Open,
    Member(&'a IdSet),
    Check { batch: usize },
}

/// How pulling candidates through a gate ended.
enum Filled {
    /// With the ranked part.
    Done(Ranked),
    /// Too few come through: there is a better way on.
    Elsewhere(Arc<Planned>),
}

/// How many candidates to take at first.
fn first_of(operator: &Operator) -> usize {
    match operator {
        Operator::Ann { first, .. } | Operator::AnnWithin { first, .. } => *first,
        _ => usize::MAX,
    }
}

impl Job<'_> {
    /// Runs a plan.
    pub async fn run(&self, plan: &Plan) -> Result<Ranked, BackendError> {
        match &plan.root {
            Operator::CheckWithin { candidates, batch } => self.ranked(candidates, Gate::Check { batch: *batch }).await,
            Operator::Intersect { candidates, ids } => self.intersect(candidates, ids).await,
            Operator::RankReached => self.rank_reached().await,
            Operator::RankExact { ids } => self.restricted(&plan.root, ids, Access::IdsThenFilter).await,
            Operator::AnnWithin { ids, access, .. } => self.restricted(&plan.root, ids, *access).await,
            leaf => self.ranked(leaf, Gate::Open).await,
        }
    }

    /// Candidates behind a gate that needs no other leg first.
    async fn ranked(&self, candidates: &Operator, gate: Gate<'_>) -> Result<Ranked, BackendError> {
        let source = self.source(candidates, !matches!(gate, Gate::Open))?;
        let first = first_of(candidates);
        match self.fill(&source, gate, first).await? {
            Filled::Done(ranked) => Ok(ranked),
            // What the vector leg has given stays in the memo.
            Filled::Elsewhere(planned) => self.elsewhere(Surprise::PassRate, planned, None).await,
        }
    }

    /// Goes on with another plan, a finished reach in hand.
    async fn elsewhere(
        &self,
        why: Surprise,
        planned: Arc<Planned>,
        reach: Option<Timed<Arc<Reach>>>,
    ) -> Result<Ranked, BackendError> {
        self.trace.replan(why, planned.clone());
        let known = reach.as_ref().map(|reach| reach.made.clone());
        let held = Held { reach: known.or_else(|| self.held.reach.clone()), list: self.held.list.clone() };
        let job = Job { held: &held, midway: None, ..*self };
        let mut ranked = Box::pin(job.run(planned.plan())).await?;
        if let Some(reach) = reach {
            ranked.unknown.clone_from(&reach.made.unknown);
            ranked.reach = Some(reach);
        }
        Ok(ranked)
    }

    /// A better way on, now that a live reach is known.
    fn after_reach(&self, ids: &Operator, reach: &Reach) -> Option<Arc<Planned>> {
        let live = matches!(ids, Operator::Reach);
        self.midway.filter(|_| live)?.knows_reach(reach.ids.len() as u64)
    }

    /// Both legs at once, then membership.
    async fn intersect(&self, candidates: &Operator, ids: &Operator) -> Result<Ranked, BackendError> {
        let source = self.source(candidates, true)?;
        let first = first_of(candidates);
        let warm = async {
            // The first page is fetched beside the reach; `fill` then finds it there.
            match &source {
                Source::Leg(leg) => {
                    let store = &self.collection.entities;
                    leg.take(store, self.ctx, self.trace, 0, first.min(MAX_PAGE)).await.map(|_| ())
                }
                Source::List { .. } => Ok(()),
            }
        };
        let (reach, warmed) = futures_util::join!(self.ids(ids), warm);
        warmed?;
        let reach = reach?;
        if let Some(planned) = self.after_reach(ids, &reach.made) {
            return self.elsewhere(Surprise::Reach, planned, Some(reach)).await;
        }
        let Filled::Done(mut ranked) = self.fill(&source, Gate::Member(&reach.made.ids), first).await? else {
            return Err(self.impossible("only checks of candidates go elsewhere"));
        };
        ranked.unknown.clone_from(&reach.made.unknown);
        ranked.reach = matches!(ids, Operator::Reach).then_some(reach);
        Ok(ranked)
    }

    /// A search among the reached ids.
    async fn restricted(&self, root: &Operator, ids: &Operator, access: Access) -> Result<Ranked, BackendError> {
        let reach = self.ids(ids).await?;
        if let Some(planned) = self.after_reach(ids, &reach.made) {
            return self.elsewhere(Surprise::Reach, planned, Some(reach)).await;
        }
        let search = self.search(access, Some(reach.made.ids.clone()), false);
        let need = self.query.need();
        let started = Instant::now();
        let leg = RankedLeg::new(search);
        let prefix = leg.take(&self.collection.entities, self.ctx, self.trace, 0, need).await?;
        self.trace.record(OperatorRun {
            operator: root.name(),
            access: Some(access),
            rows_in: reach.made.ids.len() as u64,
            rows_out: prefix.hits.len() as u64,
            examined: prefix.examined,
            calls: prefix.calls,
            spent: started.elapsed(),
            own: started.elapsed(),
        });
        let hits: Vec<Hit> = prefix.hits.into_iter().filter(|hit| self.reaches_threshold(hit)).collect();
        self.progress.publish(&hits);
        let unknown = reach.made.unknown.clone();
        let reach = matches!(ids, Operator::Reach).then_some(reach);
        Ok(Ranked { hits, unknown, reach, list: None })
    }

    /// Walk and search in one call.
    async fn rank_reached(&self) -> Result<Ranked, BackendError> {
        let (Some(store), Some(request)) = (self.collection.entities.rank_reached(), self.request) else {
            return Err(self.impossible("the plan wants a walk of a store that has no edges"));
        };
        let access = Access::IdsThenFilter;
        let search = Search { threshold: self.query.score_threshold, ..self.search(access, None, false) };
        let started = Instant::now();
        self.trace.vector_call();
        let ReachedPage { page, unknown, reached } =
            store.rank_reached(self.ctx, &search, request, self.query.need()).await?;
        self.trace.record(OperatorRun {
            operator: Operator::RankReached.name(),
            access: Some(access),
            rows_in: reached,
            rows_out: page.hits.len() as u64,
            examined: page.examined,
            calls: 1,
            spent: started.elapsed(),
            own: started.elapsed(),
        });
        let hits: Vec<Hit> = page.hits.into_iter().filter(|hit| self.reaches_threshold(hit)).collect();
        self.progress.publish(&hits);
        Ok(Ranked { hits, unknown, reach: None, list: None })
    }

    /// The search that ranks, among all or some ids. `gated` says that not all of its hits will do.
    fn search(&self, access: Access, within: Option<IdSet>, gated: bool) -> Search {
        // A list is worth keeping only if it is complete whatever the threshold, so just a restricted search gets it.
        let threshold = within.as_ref().and(self.query.score_threshold);
        Search {
            ranking: self.ranking.clone(),
            filter: self.filter.clone(),
            within,
            access,
            threshold,
            excluded: self.excluded.to_vec(),
            exact: self.query.exactly(),
            expected: self.query.need(),
            widens: gated,
        }
    }

    fn reaches_threshold(&self, hit: &Hit) -> bool {
        self.query.score_threshold.is_none_or(|threshold| hit.score >= threshold)
    }

    fn source(&self, operator: &Operator, gated: bool) -> Result<Source<'_>, BackendError> {
        match operator {
            Operator::CachedList { refilter } => match &self.held.list {
                // Items of a wider list are tested whatever the plan says: a wrong answer is no matter of choice.
                Some(list) => Ok(Source::List { list, refilter: *refilter || list.filter != *self.filter }),
                None => Err(self.impossible("the plan uses a cached list that is not there")),
            },
            Operator::Ann { access, .. } => Ok(self.live_source(*access, gated)),
            other => Err(self.impossible(&format!("{} gives no ranked candidates", other.name()))),
        }
    }

    fn live_source(&self, access: Access, gated: bool) -> Source<'static> {
        Source::Leg(self.legs.ranked(self.list_key, self.search(access, None, gated)))
    }

    fn impossible(&self, what: &str) -> BackendError {
        BackendError::new(self.collection.entities.backend(), ErrorKind::Failed, what)
    }

    /// The reached ids, from the cache, from another query of the batch, or from the store.
    async fn ids(&self, operator: &Operator) -> Result<Timed<Arc<Reach>>, BackendError> {
        let started = Instant::now();
        let mut calls = 0;
        let reach = if matches!(operator, Operator::CachedReach) {
            let held = self.held.reach.clone();
            let made = held.ok_or_else(|| self.impossible("the plan uses a cached reach that is not there"))?;
            Timed { made, took: Duration::ZERO }
        } else {
            let (Some(graph), Some(request)) = (&self.collection.graph, self.request) else {
                return Err(self.impossible("the plan walks a graph that is not there"));
            };
            let place = self.legs.reach(self.reach_key);
            place
                .get_or_try_init(|| async {
                    self.trace.graph_call();
                    calls = 1;
                    let begun = Instant::now();
                    let reach = graph.reach(self.ctx, request).await.map(Arc::new);
                    reach.map(|made| Timed { made, took: begun.elapsed() })
                })
                .await?
                .clone()
        };
        self.trace.record(OperatorRun {
            operator: operator.name(),
            access: None,
            rows_in: 0,
            rows_out: reach.made.ids.len() as u64,
            examined: if calls > 0 { reach.made.examined } else { 0 },
            calls,
            spent: started.elapsed(),
            own: started.elapsed(),
        });
        Ok(reach)
    }

    /// Pulls candidates through the gate until `offset + limit` have passed, the score falls below the threshold, or
    /// nothing is left. Each round that is short takes more, by the rate at which candidates passed so far.
    async fn fill(&self, source: &Source<'_>, gate: Gate<'_>, first: usize) -> Result<Filled, BackendError> {
        let need = self.query.need();
        let started = Instant::now();
        let mut gated = Gated::default();
        let mut kept: Vec<Hit> = Vec::new();
        let mut taken = 0;
        let mut want = first.min(MAX_PAGE);
        let mut live = None;
        // Time that each side took by itself.
        let (mut paging, mut passing) = (Duration::ZERO, Duration::ZERO);
        let (leg_report, elsewhere) = loop {
            let source = live.as_ref().unwrap_or(source);
            let asked = Instant::now();
            let page = self.page(source, taken, taken.saturating_add(want)).await?;
            let came = Instant::now();
            paging += came - asked;
            let below = page.hits.iter().position(|hit| !self.reaches_threshold(hit));
            let candidates = &page.hits[..below.unwrap_or(page.hits.len())];
            self.pass(&gate, candidates, need - kept.len().min(need), &mut kept, &mut gated).await?;
            passing += came.elapsed();
            // Nothing moves unless an approximate search brought something late.
            kept.sort_by(Hit::order);
            kept.truncate(need);
            self.progress.publish(&kept);
            let is_first = taken == 0;
            taken += page.hits.len();
            if kept.len() >= need || page.exhausted || below.is_some() {
                break ((page.examined, page.calls), None);
            }
            if let (Gate::Check { .. }, true, Some(midway)) = (&gate, is_first, self.midway)
                && let Some(planned) = midway.knows_pass_rate(gated.seen, kept.len() as u64)
            {
                break ((page.examined, page.calls), Some(planned));
            }
            if matches!(source, Source::List { .. }) {
                // The list ran dry although more may exist: go on with a search of our own. It gives the same order,
                // so what has passed stays valid and is skipped. A list made with a wider filter counts its own items, so
                // start over by position and keep what is kept.
                live = Some(self.live_source(Access::RankThenFilter, !matches!(gate, Gate::Open)));
                kept.clear();
                taken = 0;
                want = first_live(need);
                continue;
            }
            let rate = (kept.len() as f64 / taken.max(1) as f64).max(1.0 / 16.0 / taken.max(1) as f64);
            let missing = (need - kept.len()) as f64;
            want = ((1.5 * missing / rate) as usize).clamp(taken, taken.saturating_mul(15)).min(MAX_PAGE);
        };
        let source = live.as_ref().unwrap_or(source);
        let times = Times { spent: started.elapsed(), paging, passing };
        self.record_fill(source, &gate, taken, kept.len(), leg_report, &gated, times);
        if let Some(planned) = elsewhere {
            return Ok(Filled::Elsewhere(planned));
        }
        if let (Gate::Check { .. }, 0) = (&gate, gated.calls) {
            // No candidate came up, but the caller is still told which anchors are unknown.
            self.check(&[], &mut gated).await?;
        }
        let list = self.finished_list(source).await;
        Ok(Filled::Done(Ranked { hits: kept, unknown: gated.unknown, reach: None, list }))
    }

    /// Candidates `from..to` of a source.
    async fn page(&self, source: &Source<'_>, from: usize, to: usize) -> Result<Prefix, BackendError> {
        match source {
            Source::Leg(leg) => leg.take(&self.collection.entities, self.ctx, self.trace, from, to).await,
            Source::List { list, refilter: false } => Ok(Prefix {
                hits: list.hits.to_vec(),
                exhausted: list.exhausted,
                exact: list.exact,
                examined: 0,
                calls: 0,
                took: Duration::ZERO,
            }),
            Source::List { list, refilter: true } => {
                let ids: Vec<_> = list.hits.iter().map(|hit| hit.id.clone()).collect();
                self.trace.vector_call();
                let begun = Instant::now();
                let space = match self.ranking {
                    Ranking::Similarity { space, .. } => Some(*space),
                    Ranking::ById => None,
                };
                let passes = self.collection.entities.matching(self.ctx, &ids, self.filter, space).await?;
                let hits = list.hits.iter().zip(passes).filter(|(_, pass)| *pass).map(|(hit, _)| hit.clone()).collect();
                let examined = ids.len() as u64;
                let (exhausted, exact, took) = (list.exhausted, list.exact, begun.elapsed());
                Ok(Prefix { hits, exhausted, exact, examined, calls: 1, took })
            }
        }
    }

    /// Lets candidates through the gate, in order, until enough are through.
    async fn pass(
        &self,
        gate: &Gate<'_>,
        candidates: &[Hit],
        missing: usize,
        kept: &mut Vec<Hit>,
        gated: &mut Gated,
    ) -> Result<(), BackendError> {
        match gate {
            Gate::Open => kept.extend_from_slice(&candidates[..missing.min(candidates.len())]),
            Gate::Member(set) => {
                for hit in candidates {
                    gated.seen += 1;
                    if set.contains(&hit.id) {
                        kept.push(hit.clone());
                        if kept.len() >= self.query.need() {
                            break;
                        }
                    }
                }
            }
            Gate::Check { batch } => {
                for chunk in candidates.chunks((*batch).max(1)) {
                    let within = self.check(chunk, gated).await?;
                    kept.extend(chunk.iter().zip(within).filter(|(_, within)| *within).map(|(hit, _)| hit.clone()));
                    if kept.len() >= self.query.need() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks the graph store which candidates are within.
    async fn check(&self, candidates: &[Hit], gated: &mut Gated) -> Result<Vec<bool>, BackendError> {
        let (Some(graph), Some(request)) = (&self.collection.graph, self.request) else {
            return Err(self.impossible("the plan checks against a graph that is not there"));
        };
        let ids: Vec<_> = candidates.iter().map(|hit| hit.id.clone()).collect();
        self.trace.graph_call();
        let checked = graph.check(self.ctx, request, &ids).await?;
        if checked.within.len() != ids.len() {
            return Err(BackendError::new(
                graph.backend(),
                ErrorKind::Failed,
                format!("a check of {} candidates gave {} answers", ids.len(), checked.within.len()),
            ));
        }
        gated.seen += ids.len() as u64;
        gated.examined += checked.examined;
        gated.calls += 1;
        gated.unknown = checked.unknown;
        Ok(checked.within)
    }

    #[allow(clippy::too_many_arguments, reason = "a flat record of one loop")]
    fn record_fill(
        &self,
        source: &Source<'_>,
        gate: &Gate<'_>,
        taken: usize,
        kept: usize,
        (examined, calls): (u64, u32),
        gated: &Gated,
        times: Times,
    ) {
        let (operator, access) = match source {
            Source::Leg(leg) => ("Ann", Some(leg.access())),
            Source::List { .. } => ("CachedList", None),
        };
        let Times { spent, paging, passing } = times;
        let rows_out = taken as u64;
        self.trace.record(OperatorRun { operator, access, rows_in: 0, rows_out, examined, calls, spent, own: paging });
        let operator = match gate {
            Gate::Open => return,
            Gate::Member(_) => "Intersect",
            Gate::Check { .. } => "CheckWithin",
        };
        self.trace.record(OperatorRun {
            operator,
            access: None,
            rows_in: gated.seen,
            rows_out: kept as u64,
            examined: gated.examined,
            calls: gated.calls,
            spent,
            own: passing,
        });
    }

    /// What a live leg under the filter alone has given: a list for the cache.
    async fn finished_list(&self, source: &Source<'_>) -> Option<Timed<RankedList>> {
        let (Source::Leg(leg), Ranking::Similarity { .. }) = (source, self.ranking) else { return None };
        let given = leg.so_far().await;
        let (exhausted, exact) = (given.exhausted, given.exact);
        let made = RankedList { filter: self.filter.clone(), hits: given.hits.into(), exhausted, exact };
        Some(Timed { made, took: given.took })
    }
}

/// First page of a search that replaces a list that ran dry.
fn first_live(need: usize) -> usize {
    need.saturating_mul(8).clamp(400, MAX_PAGE)
}

/// What pulling candidates through a gate took: all in all, in the source, in the gate.
#[derive(Clone, Copy)]
struct Times {
    spent: Duration,
    paging: Duration,
    passing: Duration,
}

/// What a gate has done so far.
#[derive(Default)]
struct Gated {
    seen: u64,
    examined: u64,
    calls: u32,
    unknown: Vec<NodeRef>,
}

//! The life of a query, read top to bottom:
//!
//! `understand` → `key` → `lookup` → `wait` → `plan` → `execute` → `shape` → `admit`
//!
//! Each step is one function below, in this order. An exact repeat of a request skips `understand` and `key`; a hit ends
//! the life at `lookup`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    Answer, Endpoint, Finished, Incoming, LegCalls, Reply, Step, Timing,
    gateway::State,
    keys,
    resolve::{Resolved, Resolver},
    shape,
};
use crate::{
    backend::{BackendError, CallContext, ReachRequest},
    cache::{
        CacheReport, Digest, ETag, Filling, Groups, Joined, LookupOutcome, Remembered, Stage, Stamp, StoreOutcome,
        StoredAnswer, Tier,
    },
    catalog::{Collection, View},
    execute::{Enriched, Held, Job, LegMemo, Progress, Ranked, Trace, enrich},
    planner::{Down, Input, ListProbe, PlanKind, PlanReport, Planned, Probe},
    problem::{Code, Problem},
    query::{self, CacheMode, Explain, Filter, Json, JsonLimits, OnDeadline, Options, Priority, Query},
};

/// Time that a partial answer gets to fetch its attributes after the deadline.
const GRACE: Duration = Duration::from_millis(100);

/// When a batch query that was refused for want of memory may try again.
const BATCH_PAUSES: Duration = Duration::from_secs(2);

/// So long after the deadline nobody waits for stores any more.
const LATEST: Duration = Duration::from_millis(10);

/// One query on its way.
pub(super) struct Life<'a> {
    state: &'a State,
    incoming: &'a Incoming,
    legs: &'a LegMemo,
    timing: Timing,
    trace: Trace,
    report: Option<CacheReport>,
    plan: Option<PlanKind>,
    priority: Priority,
}

/// A query that was understood: what it means, to whom, and under which key.
struct Understood {
    collection: Arc<Collection>,
    view: View,
    forced: Filter,
    query: Query,
    options: Options,
    key: Digest,
}

impl Understood {
    fn groups(&self) -> Groups {
        keys::groups(&self.collection, &self.view, &self.query)
    }
}

/// What will run.
struct Prepared {
    resolved: Resolved,
    filter: Filter,
    held: Held,
    /// Since when the oldest held leg stands.
    held_since: Option<Instant>,
    reach_key: Digest,
    list_key: Digest,
    planned: Arc<Planned>,
}

/// What came out of the backends.
struct Executed {
    items: Vec<Enriched>,
    ranked: Ranked,
    partial: bool,
}

impl<'a> Life<'a> {
    pub(super) fn new(state: &'a State, incoming: &'a Incoming, legs: &'a LegMemo) -> Self {
        Self {
            state,
            incoming,
            legs,
            timing: Timing::default(),
            trace: Trace::default(),
            report: None,
            plan: None,
            priority: Priority::Normal,
        }
    }

    /// From the bytes of a body.
    pub(super) async fn of_body(&mut self) -> Reply {
        let mut started = Instant::now();
        let incoming = self.incoming;
        let (principal, endpoint, body) = (&*incoming.principal, incoming.endpoint, &incoming.body);
        if let Some(remembered) = self.state.memo.get(principal, endpoint, body) {
            let looking = self.spent(Step::Understand, started);
            if let Some(answer) = self.lookup(&remembered.key, &remembered.options, looking) {
                return Ok(answer);
            }
            started = Instant::now();
        }
        let json = query::read_json(&incoming.body, JsonLimits::default())?;
        let understood = self.understand(&json, started)?;
        let remembered = Remembered { key: understood.key, options: understood.options.clone() };
        self.state.memo.insert(principal, endpoint, body, remembered);
        self.of_understood(&understood).await
    }

    /// From an item of a batch.
    pub(super) async fn of_json(&mut self, json: &Json) -> Reply {
        let understood = self.understand(json, Instant::now())?;
        self.of_understood(&understood).await
    }

    async fn of_understood(&mut self, understood: &Understood) -> Reply {
        if self.incoming.endpoint == Endpoint::Explain {
            return self.explain(understood).await;
        }
        // lookup, then wait while somebody else makes the same answer, then look again
        let filling = match self.turn(understood).await? {
            Turn::Served(answer) => return Ok(*answer),
            Turn::Fills(filling) => filling,
        };
        if self.priority(&understood.options) == Priority::Batch && self.state.memory.refuses_batch() {
            let retry_after = Some(BATCH_PAUSES);
            return Err(Problem { retry_after, ..Problem::new(Code::MemoryShort, "batch queries wait for memory") });
        }
        // Epochs are taken before any data is read: what moves from now on keeps the answer out of the cache.
        // The legs of a batch may be as old as the batch.
        let created = self.legs.began().map_or_else(Instant::now, |began| began.at);
        let groups = understood.groups();
        let stamp = self.state.epochs.stamp(groups.iter());
        let token = CancellationToken::new();
        let _cancel = token.clone().drop_guard();
        let ctx = self.context(&understood.options, token);
        let prepared = self.plan(understood, &ctx).await?;
        let executed = self.execute(understood, &prepared, &ctx).await?;
        let body = self.shape(understood, &prepared, &executed)?;
        let answer = self.admit(understood, &prepared, &executed, body, created, groups, &stamp);
        drop(filling);
        Ok(answer)
    }

    /// **understand**: the body's names against the collection, and **key**: its canonical form under this principal.
    fn understand(&mut self, json: &Json, started: Instant) -> Result<Understood, Problem> {
        let name = query::collection_of(json)?;
        // A collection that the principal may not ask is answered exactly as one that does not exist.
        let found = self.state.catalog.get(name);
        let seen = found.and_then(|collection| Some((collection, collection.view(&self.incoming.principal)?)));
        let Some((collection, view)) = seen else {
            return Err(Problem {
                pointer: Some("/collection".into()),
                ..Problem::new(Code::UnknownCollection, format!("there is no collection {name:?}"))
            });
        };
        let parsed = query::parse(json, &collection.schema)?;
        let (query, options) = (parsed.query, parsed.options);
        let explains = self.incoming.endpoint == Endpoint::Explain || options.explain != Explain::None;
        if explains && self.incoming.principal.tenant.is_some() {
            return Err(Problem::new(Code::Forbidden, "a credential that is bound to a tenant cannot ask for plans"));
        }
        let started = self.spent(Step::Understand, started);
        let key = keys::of_answer(collection, &view, &query);
        self.spent(Step::Key, started);
        let (collection, forced) = (collection.clone(), view.forced());
        Ok(Understood { collection, view, forced, query, options, key })
    }

    /// **lookup**: whether a stored answer may be served. Leaves what the cache said in the report.
    fn lookup(&mut self, key: &Digest, options: &Options, started: Instant) -> Option<Answer> {
        let explained = options.explain != Explain::None || self.incoming.endpoint == Endpoint::Explain;
        let wanted = !explained && options.plan.is_none() && self.cache_mode(options).reads();
        let outcome = if wanted {
            self.state.l1.answer(key, started, options.max_staleness.or(self.incoming.hints.max_age))
        } else {
            Err(LookupOutcome::Bypassed)
        };
        let (lookup, hit) = match outcome {
            Ok(hit) => (LookupOutcome::Hit, Some(hit)),
            Err(outcome) => (outcome, None),
        };
        let ttl = hit.as_ref().map(|(_, ttl)| *ttl);
        let collapsed = self.report.is_some_and(|report| report.collapsed);
        self.report = Some(CacheReport { tier: Tier::L1, lookup, ttl, store: None, collapsed });
        self.priority = self.priority(options);
        self.spent(Step::Lookup, started);
        let (stored, _) = hit?;
        let age = started.saturating_duration_since(stored.created);
        Some(self.answer(stored.body, Some(stored.etag), age, stored.groups))
    }

    /// **wait**: one request makes an answer, the others wait for it and look again.
    async fn turn(&mut self, understood: &Understood) -> Result<Turn, Problem> {
        let options = &understood.options;
        let mode = self.cache_mode(options);
        let deadline = self.deadline(options);
        // A repeat that was known by its body has looked already.
        let mut looked = self.report.is_some();
        loop {
            if !std::mem::take(&mut looked)
                && let Some(answer) = self.lookup(&understood.key, options, Instant::now())
            {
                return Ok(Turn::Served(Box::new(answer)));
            }
            if mode == CacheMode::Only {
                let outcome = self.report.map_or(LookupOutcome::Miss, |report| report.lookup);
                return Err(Problem::new(Code::OnlyIfCached, outcome.reason()));
            }
            let outcome = self.report.map(|report| report.lookup);
            if outcome == Some(LookupOutcome::Bypassed) {
                return Ok(Turn::Fills(None));
            }
            let started = Instant::now();
            let joined = tokio::time::timeout_at(deadline.into(), self.state.flights.join(understood.key)).await;
            match joined {
                Ok(Joined::Fills(filling)) => {
                    // The one before may have finished between the look and the turn.
                    let seen = self.report;
                    if let Some(answer) = self.lookup(&understood.key, options, Instant::now()) {
                        return Ok(Turn::Served(Box::new(answer)));
                    }
                    // What the first look found is the reason why this request fills.
                    self.report = seen;
                    return Ok(Turn::Fills(Some(filling)));
                }
                Ok(Joined::Waited) => {
                    self.spent(Step::Wait, started);
                    if let Some(report) = &mut self.report {
                        report.collapsed = true;
                    }
                }
                Err(_) => {
                    self.spent(Step::Wait, started);
                    return Err(Problem::new(Code::DeadlineExceeded, "another request was still making this answer"));
                }
            }
        }
    }

    /// **plan**: seeds and query vector, a probe of the cached stages, and the choice among the candidates.
    async fn plan(&mut self, understood: &Understood, ctx: &CallContext) -> Result<Prepared, Problem> {
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
            l1: &self.state.l1,
            epochs: &self.state.epochs,
            read: mode.reads(),
            write: mode.writes(),
        };
        let resolved = until_late(ctx, resolver.resolve(query)).await.unwrap_or_else(|| Err(out_of_time()))?;
        let filter = Filter::and([query.filter.clone(), forced.clone()]);
        let (reach_key, list_key) = keys::of_legs(collection, view, &resolved);

        // Probe the cache first: what is there decides more than any estimate.
        let (mut held, mut held_since) = (Held::default(), None);
        if mode.reads() {
            let most = options.max_staleness.or(self.incoming.hints.max_age);
            let mut note =
                |since: Instant| held_since = Some(held_since.map_or(since, |other: Instant| other.min(since)));
            if resolved.request.is_some()
                && let Some((Stage::Reach(reach), since)) = self.state.l1.stage(&reach_key, started, most)
            {
                held.reach = Some(reach);
                note(since);
            }
            if query.vector.is_some()
                && let Some((Stage::Lists(lists), since)) = self.state.l1.stage(&list_key, started, most)
            {
                // A later page may come from the list that the page before was cut from.
                let exact = query.exact;
                // The narrowest list that covers the filter has the most items that pass.
                let covering = lists.iter().filter(|list| list.covers(&filter, exact));
                held.list = covering.max_by_key(|list| (list.filter.conjuncts().len(), list.hits.len())).cloned();
                if held.list.is_some() {
                    note(since);
                }
            }
        }

        let vectors = collection.entities.statistics();
        let graph = collection.graph.as_ref().map(|graph| (graph.statistics(), graph.capabilities()));
        let input = Input {
            query,
            filter: &filter,
            dimensions: resolved.dimensions,
            usable: usable(understood, &vectors),
            ann: query.vector.as_ref().filter(|_| !query.exactly()).and_then(|clause| vectors.ann_of(clause.space)),
            request: resolved.request.as_ref(),
            vectors: &vectors,
            graph: graph.as_ref().map(|(statistics, _)| &**statistics),
            max_check: graph.as_ref().map_or(0, |(_, capabilities)| capabilities.max_check),
            joined: collection.entities.rank_reached().is_some(),
            probe: Probe {
                reach: held.reach.as_ref().map(|reach| reach.ids.len() as u64),
                list: held.list.as_ref().map(|list| ListProbe {
                    length: list.hits.len(),
                    exhausted: list.exhausted,
                    filter: &list.filter,
                    exact: list.exact,
                }),
            },
            keeps: mode.writes(),
            down: Down {
                vectors: !collection.entities.is_available(),
                graph: collection.graph.as_ref().is_some_and(|graph| !graph.is_available()),
            },
            forced: options.plan,
            key: understood.key,
        };
        let planned = self.state.planner.plan(&input).map_err(|error| Problem {
            pointer: Some("/options/plan".into()),
            ..Problem::new(Code::PlanNotApplicable, error.to_string())
        })?;
        self.plan = Some(planned.plan().kind);
        self.spent(Step::Plan, started);
        Ok(Prepared { resolved, filter, held, held_since, reach_key, list_key, planned })
    }

    /// **execute**: runs the plan and fetches what each result brings along.
    async fn execute(
        &mut self,
        understood: &Understood,
        prepared: &Prepared,
        ctx: &CallContext,
    ) -> Result<Executed, Problem> {
        let started = Instant::now();
        let Understood { collection, view, query, options, .. } = understood;
        let progress = Progress::default();
        let request = prepared.resolved.request.as_ref();
        let job = Job {
            collection,
            query,
            filter: &prepared.filter,
            ranking: &prepared.resolved.ranking,
            excluded: &prepared.resolved.excluded,
            request,
            reach_key: prepared.reach_key,
            list_key: prepared.list_key,
            held: &prepared.held,
            legs: self.legs,
            ctx,
            trace: &self.trace,
            progress: &progress,
        };
        let whole = async {
            let ranked = job.run(prepared.planned.plan()).await?;
            let page = ranked.hits.iter().skip(query.offset as usize).take(query.limit as usize).cloned().collect();
            let items = enrich(collection, query, request, view.tenant.as_ref(), ctx, &self.trace, page).await?;
            Ok::<_, BackendError>(Executed { items, ranked, partial: false })
        };
        let outcome = until_late(ctx, whole).await;
        let outcome = outcome.map_or_else(|| Err(out_of_time()), |outcome| outcome.map_err(Problem::from));
        let outcome = match (outcome, options.on_deadline) {
            (Err(late), OnDeadline::Partial) if late.code == Code::DeadlineExceeded => {
                self.partial(understood, request, &progress).await
            }
            (outcome, _) => outcome,
        };
        self.spent(Step::Execute, started);
        outcome
    }

    /// What was verified when time ran out.
    async fn partial(
        &self,
        understood: &Understood,
        request: Option<&ReachRequest>,
        progress: &Progress,
    ) -> Result<Executed, Problem> {
        let Understood { collection, view, query, .. } = understood;
        let token = CancellationToken::new();
        let _cancel = token.clone().drop_guard();
        let ctx = CallContext {
            priority: self.priority,
            tenant: self.incoming.principal.tenant.clone(),
            deadline: Instant::now() + GRACE,
            cancelled: token,
            request_id: self.incoming.request_id.clone(),
        };
        let hits = progress.take();
        let page = hits.into_iter().skip(query.offset as usize).take(query.limit as usize).collect();
        let items = enrich(collection, query, request, view.tenant.as_ref(), &ctx, &self.trace, page).await?;
        Ok(Executed { items, ranked: Ranked::default(), partial: true })
    }

    /// **shape**: the body.
    fn shape(&mut self, understood: &Understood, prepared: &Prepared, executed: &Executed) -> Result<Vec<u8>, Problem> {
        let started = Instant::now();
        let explain = understood.options.explain;
        let plan = (explain != Explain::None).then(|| {
            let mut report = self.plan_report(understood, prepared);
            if explain == Explain::Analyze {
                shape::analyze(&mut report, &self.trace, &self.timing);
            }
            report
        });
        let Executed { items, ranked, partial } = executed;
        let warnings = shape::warnings(&ranked.unknown, *partial);
        let body = shape::body(&understood.collection.schema, &understood.query, items, *partial, warnings, plan);
        self.spent(Step::Shape, started);
        body
    }

    /// **admit**: offers the answer and its legs to the cache.
    #[allow(clippy::too_many_arguments, reason = "everything that an entry remembers")]
    fn admit(
        &mut self,
        understood: &Understood,
        prepared: &Prepared,
        executed: &Executed,
        body: Vec<u8>,
        started: Instant,
        groups: Groups,
        stamp: &Stamp,
    ) -> Answer {
        let admitting = Instant::now();
        let l1 = &self.state.l1;
        let wanted = self.cache_mode(&understood.options).writes();
        // A query of a catalog that is gone may have taken its stamp after the bump that came with the new one.
        // So may a query of a batch that uses a leg which another one read before a bump.
        let outrun = self.legs.began().is_some_and(|began| began.moves != self.state.epochs.moves());
        let writes = wanted && !outrun && !self.state.is_retired();
        // An answer is as old as the oldest leg that it was made from.
        let uses_cache = prepared.planned.plan().kind == PlanKind::CachedPartial;
        let created =
            if uses_cache { prepared.held_since.map_or(started, |since| since.min(started)) } else { started };
        if writes && !executed.partial {
            if let Some(reach) = &executed.ranked.reach {
                l1.admit_stage(prepared.reach_key, Stage::Reach(reach.clone()), started, stamp);
            }
            if let Some(list) = &executed.ranked.list {
                l1.admit_list(prepared.list_key, list.clone(), started, stamp);
            }
        }
        let body = bytes::Bytes::from(body);
        let etag = ETag::of(&body);
        let store = if executed.partial {
            StoreOutcome::Partial
        } else if understood.options.explain != Explain::None {
            StoreOutcome::Explained
        } else if !wanted {
            StoreOutcome::NotWanted
        } else if !writes {
            StoreOutcome::Moved
        } else {
            let cost = started.elapsed();
            let stored = StoredAnswer { body: body.clone(), etag, groups: groups.clone(), created, cost };
            l1.admit_answer(understood.key, stored, stamp)
        };
        if let Some(report) = &mut self.report {
            report.store = Some(store);
        }
        let whole = !executed.partial && understood.options.explain == Explain::None;
        let now = self.spent(Step::Admit, admitting);
        let age = if uses_cache { now.saturating_duration_since(created) } else { Duration::ZERO };
        self.answer(body, whole.then_some(etag), age, groups)
    }

    /// `/v1/explain`: the plan, and what the cache would have said; nothing is run but what planning needs.
    async fn explain(&mut self, understood: &Understood) -> Reply {
        let token = CancellationToken::new();
        let _cancel = token.clone().drop_guard();
        let ctx = self.context(&understood.options, token);
        self.lookup(&understood.key, &understood.options, Instant::now());
        let prepared = self.plan(understood, &ctx).await?;
        let started = Instant::now();
        let stored = self.state.l1.answer(&understood.key, started, understood.options.max_staleness);
        let report = self.plan_report(understood, &prepared);
        let lookup = stored.err().unwrap_or(LookupOutcome::Hit);
        let body = shape::explanation(report, lookup)?;
        self.spent(Step::Shape, started);
        Ok(self.answer(body.into(), None, Duration::ZERO, understood.groups()))
    }

    fn plan_report(&self, understood: &Understood, prepared: &Prepared) -> PlanReport {
        let mut cached = Vec::new();
        cached.extend(prepared.held.reach.as_ref().map(|_| "reach"));
        cached.extend(prepared.held.list.as_ref().map(|_| "list"));
        let canonical = understood.query.print(&understood.collection.schema);
        PlanReport::new(&prepared.planned, canonical, cached)
    }

    fn answer(&self, body: bytes::Bytes, etag: Option<ETag>, age: Duration, groups: Groups) -> Answer {
        let known = etag.is_some_and(|etag| self.incoming.hints.if_none_match.contains(&etag));
        Answer {
            body: if known { bytes::Bytes::new() } else { body },
            etag,
            not_modified: known,
            age,
            cache: self.report.unwrap_or(CacheReport {
                tier: Tier::L1,
                lookup: LookupOutcome::Bypassed,
                ttl: None,
                store: None,
                collapsed: false,
            }),
            groups,
            timing: self.timing,
        }
    }

    /// What telemetry is told.
    pub(super) fn finished(&self, reply: &Reply) -> Finished {
        Finished {
            endpoint: self.incoming.endpoint,
            priority: self.priority,
            result: reply.as_ref().map(|_| ()).map_err(|problem| problem.code),
            cache: self.report,
            plan: self.plan,
            legs: self.calls(),
            timing: self.timing,
        }
    }

    /// Calls made to backends so far.
    pub(super) fn calls(&self) -> LegCalls {
        self.trace.calls()
    }

    /// Adds the time since `started` to a step; the next one starts now.
    fn spent(&mut self, step: Step, started: Instant) -> Instant {
        let now = Instant::now();
        self.timing.add(step, now.saturating_duration_since(started));
        now
    }

    /// The body's wish wins over the headers'.
    fn cache_mode(&self, options: &Options) -> CacheMode {
        match options.cache {
            CacheMode::Default => self.incoming.hints.cache.unwrap_or_default(),
            stated => stated,
        }
    }

    fn priority(&self, options: &Options) -> Priority {
        let asked = options.priority.or(self.incoming.hints.priority).unwrap_or_default();
        asked.min(self.incoming.principal.ceiling)
    }

    fn deadline(&self, options: &Options) -> Instant {
        self.incoming.received + options.deadline.unwrap_or(self.state.default_deadline)
    }

    fn context(&self, options: &Options, cancelled: CancellationToken) -> CallContext {
        CallContext {
            priority: self.priority(options),
            tenant: self.incoming.principal.tenant.clone(),
            deadline: self.deadline(options),
            cancelled,
            request_id: self.incoming.request_id.clone(),
        }
    }
}

/// Whose turn it is.
enum Turn {
    /// The answer was there, or came while waiting.
    Served(Box<Answer>),
    /// This request makes it; others wait, unless the cache is not asked.
    Fills(Option<Filling>),
}

/// The outcome of work whose stores mind the deadline, so that they say which backend was late; `None` if they do not.
async fn until_late<T>(ctx: &CallContext, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let outcome = tokio::time::timeout_at((ctx.deadline + LATEST).into(), &mut work).await;
    // On a busy machine it may have been asked for the last time before the deadline.
    outcome.ok().or_else(|| work.now_or_never())
}

fn out_of_time() -> Problem {
    Problem::new(Code::DeadlineExceeded, "the deadline passed before the answer was complete")
}

/// Entities that can answer: those with a usable vector in the space that ranks, or in any.
fn usable(understood: &Understood, statistics: &crate::backend::VectorStatistics) -> u64 {
    match &understood.query.vector {
        Some(clause) => statistics.usable.get(usize::from(clause.space)).copied().unwrap_or(statistics.rows),
        None => statistics.usable.iter().copied().max().unwrap_or(statistics.rows),
    }
}

//! The life of a query, read top to bottom:
//!
//! `understand` → `key` → `lookup` → `wait` → `plan` → `execute` → `shape` → `admit`
//!
//! Each step is one function below, in this order (`wait` is in [`super::wait`], `plan` in [`super::plan`]). A hit ends the life
//! at `lookup`; an exact repeat of a request begins there, and if it is a hit, it never gets here ([`super::recall`]). What
//! several requests wait for has a life of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    Answer, Endpoint, Finished, Incoming, LegCalls, Refresh, Reply, Saved, Step, Timing,
    gateway::State,
    keys,
    plan::Prepared,
    recall::{Fresh, Looked, look},
    shape,
    wait::Turn,
};
use crate::{
    backend::{BackendError, CallContext, ReachRequest},
    cache::{
        CacheReport, Digest, ETag, FarReports, FarStores, Groups, LookupOutcome, Made, NoneFresh, Remembered, Sought,
        Stage, Stamp, StoreOutcome, StoredAnswer, Tier, l2::FillLease,
    },
    catalog::{Collection, View},
    execute::{Enriched, Job, LegMemo, Midway, Progress, Ranked, Trace, enrich},
    planner::PlanKind,
    problem::{Code, Problem},
    query::{self, Explain, Filter, Json, JsonLimits, OnDeadline, Options, Priority, Query},
};

/// Time that a partial answer gets to fetch its attributes after the deadline.
const GRACE: Duration = Duration::from_millis(100);

/// When a batch query that was refused for want of memory may try again.
const BATCH_PAUSES: Duration = Duration::from_secs(2);

/// So long after the deadline nobody waits for stores any more.
const LATEST: Duration = Duration::from_millis(10);

/// One query on its way.
pub(super) struct Life<'a> {
    pub(super) state: &'a Arc<State>,
    pub(super) incoming: &'a Incoming,
    pub(super) legs: &'a Arc<LegMemo>,
    pub(super) timing: Timing,
    pub(super) trace: Trace,
    pub(super) report: Option<CacheReport>,
    pub(super) far: FarReports,
    pub(super) plan: Option<PlanKind>,
    pub(super) saved: Option<Saved>,
    pub(super) refresh: Option<Refresh>,
    pub(super) priority: Priority,
}

/// A query that was understood: what it means, to whom, and under which key.
#[derive(Clone)]
pub(super) struct Understood {
    pub(super) collection: Arc<Collection>,
    pub(super) view: View,
    pub(super) forced: Filter,
    pub(super) query: Query,
    pub(super) options: Options,
    pub(super) key: Digest,
}

impl Understood {
    pub(super) fn groups(&self) -> Groups {
        keys::groups(&self.collection, &self.view, &self.query)
    }

    /// What tiers look for under a key.
    pub(super) fn sought(&self, key: Digest) -> Sought {
        let tenant = self.view.tenant.as_ref().map(|scope| scope.tenant.clone());
        Sought { key, tenant, schema: self.collection.schema.clone() }
    }
}

/// Since when work is under way, and where its data stood then.
pub(super) struct Began {
    pub(super) at: Instant,
    pub(super) groups: Groups,
    pub(super) stamp: Stamp,
}

/// What came out of the backends.
pub(super) struct Executed {
    pub(super) items: Vec<Enriched>,
    pub(super) ranked: Ranked,
    pub(super) partial: bool,
}

impl<'a> Life<'a> {
    pub(super) fn new(state: &'a Arc<State>, incoming: &'a Incoming, legs: &'a Arc<LegMemo>) -> Self {
        Self {
            state,
            incoming,
            legs,
            timing: Timing::default(),
            trace: Trace::default(),
            report: None,
            far: [None; 2],
            plan: None,
            saved: None,
            refresh: None,
            priority: Priority::Normal,
        }
    }

    /// From the bytes of a body. `looked` is what [recall](super::recall) found already.
    pub(super) async fn of_body(&mut self, looked: Option<Box<Looked>>) -> Reply {
        let looked = looked.map(|looked| {
            self.report = Some(looked.report);
            self.priority = looked.priority;
            self.timing = looked.timing;
            looked.none
        });
        self.of_bytes(looked).await.map(|answer| self.incoming.conditional(answer))
    }

    async fn of_bytes(&mut self, looked: Option<NoneFresh>) -> Reply {
        let incoming = self.incoming;
        let (principal, endpoint, body) = (&*incoming.principal, incoming.endpoint, &incoming.body);
        let started = Instant::now();
        let json = query::read_json(body, JsonLimits::default())?;
        let understood = Arc::new(self.understand(&json, started)?);
        let remembered = Remembered::new(understood.key, &understood.options);
        self.state.memo.insert(principal, endpoint, body, remembered);
        self.of_understood(&understood, looked).await
    }

    /// From an item of a batch.
    pub(super) async fn of_json(&mut self, json: &Json) -> Reply {
        let understood = Arc::new(self.understand(json, Instant::now())?);
        self.of_understood(&understood, None).await
    }

    /// `looked` is what a look found already.
    async fn of_understood(&mut self, understood: &Arc<Understood>, looked: Option<NoneFresh>) -> Reply {
        if self.incoming.endpoint == Endpoint::Explain {
            return self.explain(understood).await;
        }
        // lookup, then wait while somebody else makes the same answer
        match self.turn(understood, looked).await? {
            Turn::Served(answer) => Ok(*answer),
            Turn::Alone => {
                let token = CancellationToken::new();
                let _cancel = token.clone().drop_guard();
                let urgency = self.priority(&understood.options).into();
                let (began, ctx) = (self.begin(understood), self.context(&understood.options, urgency, token));
                self.make(understood, &began, &ctx, None).await
            }
            Turn::Leads(lead, seat, stale) => {
                let made = self.fill(understood, &lead, stale).await;
                let reply = self.taken(&made, false);
                // What is not the whole answer is this caller's only.
                if made.is_whole() {
                    lead.finish(Arc::new(made));
                }
                drop(seat);
                reply
            }
        }
    }

    /// Epochs are taken before any data is read: what moves from now on keeps the answer out of the cache.
    pub(super) fn begin(&self, understood: &Understood) -> Began {
        // The legs of a batch may be as old as the batch.
        let at = self.legs.began().map_or_else(Instant::now, |began| began.at);
        let groups = understood.groups();
        let stamp = self.state.tiers.epochs().stamp(groups.iter());
        Began { at, groups, stamp }
    }

    /// From **plan** to **admit**.
    pub(super) async fn make(
        &mut self,
        understood: &Understood,
        began: &Began,
        ctx: &CallContext,
        lease: Option<FillLease>,
    ) -> Reply {
        if ctx.priority.now() == Priority::Batch && self.state.memory.refuses_batch() {
            let retry_after = Some(BATCH_PAUSES);
            return Err(Problem { retry_after, ..Problem::new(Code::MemoryShort, "batch queries wait for memory") });
        }
        let prepared = Arc::new(self.plan(understood, ctx).await?);
        let started = Instant::now();
        let executed = self.execute(understood, &prepared, ctx).await;
        let duel = self.observe(understood, &prepared, &executed, ctx, started.elapsed());
        let executed = executed?;
        let body = self.shape(understood, &prepared, &executed)?;
        let answer = self.admit(understood, &prepared, &executed, body, began, lease);
        if let Some(duel) = duel {
            self.hold(duel, understood, prepared);
        }
        Ok(answer)
    }

    /// **understand**: the body's names against the collection, and **key**: its canonical form under this principal.
    pub(super) fn understand(&mut self, json: &Json, started: Instant) -> Result<Understood, Problem> {
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

    /// **lookup**: whether memory holds an answer that may be served, and whether it is worth making anew before its time is
    /// over. Leaves what the cache said in the report.
    pub(super) fn lookup(
        &mut self,
        key: &Digest,
        options: &Options,
        started: Instant,
    ) -> Result<(Answer, bool), NoneFresh> {
        let (report, found) = look(self.state, self.incoming, key, options, started);
        let collapsed = self.report.is_some_and(|report| report.collapsed);
        self.report = Some(CacheReport { collapsed, ..report });
        self.priority = self.priority(options);
        self.spent(Step::Lookup, started);
        let Fresh { stored, early } = found?;
        self.saved = Some(Saved { tier: Tier::L1, cost: stored.cost });
        Ok((self.served(stored, started), early))
    }

    /// A stored answer, as this caller gets it.
    pub(super) fn served(&self, stored: StoredAnswer, now: Instant) -> Answer {
        let age = now.saturating_duration_since(stored.created);
        self.answer(stored.body, Some(stored.etag), age, stored.groups)
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
        let midway = self.replanner(understood, prepared);
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
            midway: midway.as_ref().map(|midway| midway as &dyn Midway),
        };
        let whole = async {
            let ranked = job.run(prepared.planned.plan()).await?;
            self.trace.ranked_in(started.elapsed());
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
            priority: self.priority.into(),
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
    fn admit(
        &mut self,
        understood: &Understood,
        prepared: &Prepared,
        executed: &Executed,
        body: Vec<u8>,
        began: &Began,
        lease: Option<FillLease>,
    ) -> Answer {
        let admitting = Instant::now();
        let (tiers, started) = (&self.state.tiers, began.at);
        let wanted = self.cache_mode(&understood.options).writes();
        // A query of a catalog that is gone may have taken its stamp after the bump that came with the new one.
        // So may a query of a batch that uses a leg which another one read before a bump.
        let outrun = self.legs.began().is_some_and(|legs| legs.moves != tiers.epochs().moves());
        let writes = wanted && !outrun && !self.state.is_retired();
        // An answer is as old as the oldest leg that it was made from.
        let replanned = self.trace.replanned().map(|(_, planned)| planned);
        let mut plans = std::iter::once(&prepared.planned).chain(replanned);
        let uses_cache = plans.any(|planned| planned.plan().kind == PlanKind::CachedPartial);
        let created =
            if uses_cache { prepared.held_since.map_or(started, |since| since.min(started)) } else { started };
        let (cost, policy, stamp) = (started.elapsed(), &understood.collection.cache, &began.stamp);
        if writes && !executed.partial {
            // That there is nothing is not known for as long as what there is.
            if let Some(reach) = executed.ranked.reach.as_ref().filter(|reach| !reach.made.ids.is_empty()) {
                let sought = understood.sought(prepared.reach_key);
                let made = Made { sought: &sought, created: started, cost: reach.took, stamp, policy };
                tiers.admit_stage(&made, &Stage::Reach(reach.made.clone()));
            }
            if let Some(list) = executed.ranked.list.as_ref().filter(|list| !list.made.hits.is_empty()) {
                let sought = understood.sought(prepared.list_key);
                let made = Made { sought: &sought, created: started, cost: list.took, stamp, policy };
                tiers.admit_list(&made, &list.made);
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
            let is_empty = executed.items.is_empty();
            let validity = policy.answer(created + policy.ttl(Tier::L1, is_empty));
            let stored =
                StoredAnswer { body: body.clone(), etag, groups: began.groups.clone(), created, cost, validity };
            let sought = understood.sought(understood.key);
            let made = Made { sought: &sought, created, cost, stamp, policy };
            let (near, far) = tiers.admit_answer(&made, &stored, is_empty, lease);
            self.note_stores(&far);
            near
        };
        if let Some(report) = &mut self.report {
            report.store = Some(store);
        }
        let whole = !executed.partial && understood.options.explain == Explain::None;
        let now = self.spent(Step::Admit, admitting);
        let age = if uses_cache { now.saturating_duration_since(created) } else { Duration::ZERO };
        self.answer(body, whole.then_some(etag), age, began.groups.clone())
    }

    fn note_stores(&mut self, far: &FarStores) {
        for (place, store) in far.iter().enumerate() {
            if let Some((tier, outcome)) = *store {
                let report = self.far[place].get_or_insert(CacheReport::of(tier, LookupOutcome::Bypassed));
                report.store = Some(outcome);
            }
        }
    }

    pub(super) fn answer(&self, body: bytes::Bytes, etag: Option<ETag>, age: Duration, groups: Groups) -> Answer {
        Answer {
            body,
            etag,
            not_modified: false,
            age,
            cache: self.report.unwrap_or(CacheReport::of(Tier::L1, LookupOutcome::Bypassed)),
            far: self.far,
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
            far: self.far,
            plan: self.plan,
            legs: self.calls(),
            saved: self.saved,
            refresh: self.refresh,
            timing: self.timing,
        }
    }

    /// Calls made to backends so far.
    pub(super) fn calls(&self) -> LegCalls {
        self.trace.calls()
    }

    /// Adds the time since `started` to a step; the next one starts now.
    pub(super) fn spent(&mut self, step: Step, started: Instant) -> Instant {
        let now = Instant::now();
        self.timing.add(step, now.saturating_duration_since(started));
        now
    }
}

/// The outcome of work whose stores mind the deadline, so that they say which backend was late; `None` if they do not.
pub(super) async fn until_late<T>(ctx: &CallContext, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let outcome = tokio::time::timeout_at((ctx.deadline + LATEST).into(), &mut work).await;
    // On a busy machine it may have been asked for the last time before the deadline.
    outcome.ok().or_else(|| work.now_or_never())
}

pub(super) fn out_of_time() -> Problem {
    Problem::new(Code::DeadlineExceeded, "the deadline passed before the answer was complete")
}

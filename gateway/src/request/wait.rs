//! **wait**: one request makes an answer, the others wait for it. What they wait for has a life of its own, which goes on
//! while any of them does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    Answer, Incoming, Refresh, Reply, Saved, Step, Timing,
    gateway::State,
    life::{Began, Life, Understood, out_of_time},
};
use crate::{
    cache::{
        CacheReport, FarReports, Joined, Lead, LookupOutcome, NoneFresh, Seat, StaleAnswer, Stamp, StoreOutcome,
        StoredAnswer, Tier,
    },
    execute::LegMemo,
    planner::PlanKind,
    problem::{Code, Problem},
    query::{self, CacheMode, JsonLimits, OnDeadline, Options, Priority},
};

/// So long after the deadline a caller still waits for work of its own.
const PATIENCE: Duration = Duration::from_millis(20);

/// A dead gateway's right to make an answer ends after this.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What a filler leaves to those who wait.
pub(super) type Outcome = Arc<Filled>;

/// Whose turn it is.
pub(super) enum Turn {
    /// The answer was there, or came while waiting.
    Served(Box<Answer>),
    /// This request makes it for itself.
    Alone,
    /// This request makes it, and the others wait for it.
    Leads(Lead<Outcome>, Seat<Outcome>, Option<Box<StaleAnswer>>),
}

/// What a life that fills came to.
pub(super) struct Filled {
    reply: Reply,
    /// When the answer was made, if it had been made before.
    created: Option<Instant>,
    /// When this life began to read data.
    began: Instant,
    stamp: Stamp,
    /// How long it may be unknown whether its data has changed.
    grace: Duration,
    /// The time that it had, and the class that it ended in.
    given: Duration,
    rank: Priority,
    report: Option<CacheReport>,
    far: FarReports,
    timing: Timing,
    plan: Option<PlanKind>,
    saved: Option<Saved>,
}

impl Filled {
    /// Whether it is not a part of an answer.
    pub(super) fn is_whole(&self) -> bool {
        self.reply.as_ref().map_or(true, |answer| answer.etag.is_some())
    }

    /// How old its answer is by now.
    fn age(&self, answer: &Answer) -> Duration {
        self.created.map_or(answer.age, |created| created.elapsed())
    }

    /// Whether somebody who came at `arrived` may take it: it was begun later, or nothing has changed since.
    fn is_true_for(&self, state: &State, arrived: Instant) -> bool {
        let epochs = state.tiers.epochs();
        let moved = self.report.is_some_and(|report| report.store == Some(StoreOutcome::Moved));
        self.began >= arrived
            || (!moved
                && epochs.is_current(&self.stamp)
                && epochs.uncertainty(self.began, Instant::now()) <= self.grace)
    }
}

impl Life<'_> {
    /// Looks, and takes a turn: another one's answer, or the making of one.
    pub(super) async fn turn(
        &mut self,
        understood: &Arc<Understood>,
        mut looked: Option<NoneFresh>,
    ) -> Result<Turn, Problem> {
        let options = &understood.options;
        let (deadline, arrived) = (self.deadline(options), self.incoming.received);
        loop {
            let look = match looked.take() {
                Some(none) => Err(none),
                None => self.lookup(&understood.key, options, Instant::now()),
            };
            let none = match look {
                Ok((answer, early)) => {
                    if early {
                        self.refresh = self.refreshes(understood, Refresh::Early);
                    }
                    return Ok(Turn::Served(Box::new(answer)));
                }
                Err(none) => none,
            };
            if none.outcome == LookupOutcome::Bypassed {
                return Ok(Turn::Alone);
            }
            if self.cache_mode(options) == CacheMode::Only {
                return self.only_stored(understood).await.map(|answer| Turn::Served(Box::new(answer)));
            }
            let now = Instant::now();
            let stale = none.stale.filter(|stale| now < stale.answer.validity.ends());
            let revalidates = stale.as_ref().is_some_and(|stale| now < stale.answer.validity.revalidate_until);
            if revalidates && let Some(stale) = stale {
                self.refresh = self.refreshes(understood, Refresh::Stale);
                return Ok(Turn::Served(Box::new(self.served_stale(stale.answer, LookupOutcome::Stale))));
            }
            let seen = self.report;
            let (mut seat, leads) = match self.state.flights.join(understood.key, self.priority(options)) {
                Joined::Follows(seat) => (seat, false),
                Joined::Leads(lead, seat) => {
                    // The one before may have finished between the look and the turn.
                    if let Ok((answer, _)) = self.lookup(&understood.key, options, Instant::now()) {
                        return Ok(Turn::Served(Box::new(answer)));
                    }
                    // What the first look found is the reason why this request fills.
                    self.report = seen;
                    // A partial answer is cut from the work of this very request, as is what a batch shares.
                    if options.on_deadline == OnDeadline::Partial || self.legs.began().is_some() {
                        return Ok(Turn::Leads(lead, seat, stale));
                    }
                    self.detach(understood, lead, stale.clone());
                    (seat, true)
                }
            };
            let started = Instant::now();
            // The work itself minds the deadline, and says which backend was late.
            let patience = if leads { PATIENCE } else { Duration::ZERO };
            let outcome = tokio::time::timeout_at((deadline + patience).into(), seat.outcome()).await;
            if !leads {
                self.spent(Step::Wait, started);
                if let Some(report) = &mut self.report {
                    report.collapsed = true;
                }
            }
            let reply = match outcome {
                Ok(Some(filled)) if leads || self.is_served_by(&filled, options, arrived) => self.taken(&filled, leads),
                // It came to no end at all.
                Ok(None) if leads => Err(Problem::new(Code::Internal, "see the gateway's log")),
                // It ended without, or its data has changed since: another turn.
                Ok(_) => continue,
                Err(_) if leads => Err(out_of_time()),
                Err(_) => Err(Problem::new(Code::DeadlineExceeded, "another request was still making this answer")),
            };
            return self.or_stale(reply, stale).map(|answer| Turn::Served(Box::new(answer)));
        }
    }

    /// Whether what another one left will do, or it takes another turn.
    fn is_served_by(&self, filled: &Filled, options: &Options, arrived: Instant) -> bool {
        match filled.reply.as_ref().map_err(|problem| problem.code) {
            // What the filler found may be older than this one allows.
            Ok(answer) => {
                let is_young = self.most_stale(options).is_none_or(|most| filled.age(answer) <= most);
                is_young && filled.is_true_for(self.state, arrived)
            }
            // This one has time left.
            Err(Code::DeadlineExceeded) => false,
            // Refused for want of time or rank: so is whoever has no more of either.
            Err(Code::Overloaded | Code::MemoryShort) => {
                self.time_given(options) <= filled.given && self.priority(options) <= filled.rank
            }
            // Asking a backend again that has just failed helps nobody.
            Err(_) => true,
        }
    }

    fn time_given(&self, options: &Options) -> Duration {
        self.deadline(options).saturating_duration_since(self.incoming.received)
    }

    /// What a filler left, as this caller gets it. Its own client takes its story over.
    pub(super) fn taken(&mut self, filled: &Filled, leads: bool) -> Reply {
        if leads {
            filled.timing.iter().for_each(|(step, spent)| self.timing.add(step, spent));
            (self.report, self.far) = (filled.report, filled.far);
            (self.plan, self.saved) = (filled.plan, filled.saved);
        }
        let made = filled.reply.clone()?;
        let age = filled.age(&made);
        Ok(self.answer(made.body, made.etag, age, made.groups))
    }

    /// A reply, or what is stale where there can be none.
    fn or_stale(&mut self, reply: Reply, stale: Option<Box<StaleAnswer>>) -> Reply {
        let Err(problem) = &reply else { return reply };
        let is_excused = matches!(
            problem.code,
            Code::BackendFailed
                | Code::BackendUnavailable
                | Code::Overloaded
                | Code::MemoryShort
                | Code::DeadlineExceeded
        );
        let (now, epochs) = (Instant::now(), self.state.tiers.epochs());
        // What it was made from may have changed while this one waited.
        let serves = |stale: &StaleAnswer| {
            let StoredAnswer { created, validity, .. } = &stale.answer;
            now < validity.error_until
                && epochs.is_current(&stale.stamp)
                && epochs.uncertainty(*created, now) <= validity.grace
        };
        match stale.filter(|stale| is_excused && serves(stale)) {
            Some(stale) => Ok(self.served_stale(stale.answer, LookupOutcome::StaleOnError)),
            None => reply,
        }
    }

    fn served_stale(&mut self, stale: StoredAnswer, lookup: LookupOutcome) -> Answer {
        let now = Instant::now();
        let over = now.saturating_duration_since(stale.validity.fresh_until).as_secs();
        let ttl = i64::try_from(over).map(|over| -over - 1).ok();
        let collapsed = self.report.is_some_and(|report| report.collapsed);
        self.report = Some(CacheReport { ttl, collapsed, ..CacheReport::of(Tier::L1, lookup) });
        self.served(stale, now)
    }

    /// What far tiers have, for a caller who takes nothing else.
    async fn only_stored(&mut self, understood: &Understood) -> Reply {
        let started = Instant::now();
        let sought = understood.sought(understood.key);
        let look = self.state.tiers.far_answer(&sought, &self.wish(understood, false, None)).await;
        self.far = look.reports;
        let now = self.spent(Step::Lookup, started);
        match look.found {
            Some(stored) => {
                self.saved = saved(&look.reports, &stored);
                Ok(self.served(stored, now))
            }
            None => {
                let outcome = self.report.map_or(LookupOutcome::Miss, |report| report.lookup);
                Err(Problem::new(Code::OnlyIfCached, outcome.reason()))
            }
        }
    }

    /// Asks far tiers, and makes the answer where none has it. `stale` is for where it cannot be made.
    pub(super) async fn fill(
        &mut self,
        understood: &Understood,
        lead: &Lead<Outcome>,
        mut stale: Option<Box<StaleAnswer>>,
    ) -> Filled {
        let options = &understood.options;
        let began = self.begin(understood);
        let policy = &understood.collection.cache;
        let (mut created, mut reply, mut lease) = (None, None, None);
        if self.state.tiers.has_far(policy) {
            let started = Instant::now();
            let sought = understood.sought(understood.key);
            // A gateway that makes it already takes about as long as it took before, and a client has only so much time.
            let left = self.deadline(options).saturating_duration_since(started);
            let known = stale.as_ref().map(|stale| stale.answer.cost * 3 / 2);
            let within = known.unwrap_or(LONGEST_WAIT).min(left / 2);
            let look =
                self.state.tiers.far_answer(&sought, &self.wish(understood, stale.is_some(), Some(within))).await;
            self.far = look.reports;
            let now = self.spent(Step::Lookup, started);
            stale = stale.or(look.stale.map(Box::new));
            lease = look.lease;
            if let Some(stored) = look.found {
                created = Some(stored.created);
                self.saved = saved(&look.reports, &stored);
                reply = Some(Ok(self.served(stored, now)));
            }
        }
        let reply = match reply {
            Some(reply) => reply,
            None => {
                let ctx = self.context(options, lead.urgency().clone(), lead.cancelled().clone());
                let made = self.make(understood, &began, &ctx, lease.take()).await;
                self.or_stale(made, stale)
            }
        };
        let Began { at, stamp, .. } = began;
        let (report, far, timing, plan, saved) = (self.report, self.far, self.timing, self.plan, self.saved);
        let grace = policy.answer(at).grace;
        let (given, rank) = (self.time_given(options), lead.urgency().now());
        Filled { reply, created, began: at, stamp, grace, given, rank, report, far, timing, plan, saved }
    }

    /// Lets an answer be made by a life of its own.
    fn detach(&self, understood: &Arc<Understood>, lead: Lead<Outcome>, stale: Option<Box<StaleAnswer>>) {
        let (state, understood) = (self.state.clone(), understood.clone());
        let (incoming, legs, report) = (self.incoming.clone(), self.legs.clone(), self.report);
        tokio::spawn(async move {
            let mut life = Life::new(&state, &incoming, &legs);
            life.report = report;
            let filled = life.fill(&understood, &lead, stale).await;
            // Its client may have left.
            state.metrics.calls_made(life.calls());
            lead.finish(Arc::new(filled));
        });
    }

    /// Makes an answer anew for whoever asks next, unless somebody does so already or too many are being made.
    /// Says whether it is.
    fn refreshes(&self, understood: &Arc<Understood>, why: Refresh) -> Option<Refresh> {
        if !self.cache_mode(&understood.options).writes() {
            return None;
        }
        let permit = self.state.refreshes.clone().try_acquire_owned().ok()?;
        let (state, understood) = (self.state.clone(), understood.clone());
        let incoming = background(self.incoming);
        tokio::spawn(async move { refreshed(&state, &incoming, &understood, permit).await });
        Some(why)
    }
}

/// [`Life::refreshes`] for an exact repeat, which was not even read.
pub(super) fn refresh_body(state: &Arc<State>, incoming: &Incoming) -> Option<Refresh> {
    let permit = state.refreshes.clone().try_acquire_owned().ok()?;
    let (state, incoming) = (state.clone(), background(incoming));
    tokio::spawn(async move {
        let legs = Arc::default();
        let mut life = Life::new(&state, &incoming, &legs);
        // It was understood before. Where the configuration has changed since, nobody asked for this.
        let Ok(json) = query::read_json(&incoming.body, JsonLimits::default()) else { return };
        let Ok(understood) = life.understand(&json, Instant::now()) else { return };
        refreshed(&state, &incoming, &Arc::new(understood), permit).await;
    });
    Some(Refresh::Early)
}

/// The request of somebody who does not wait.
fn background(incoming: &Incoming) -> Incoming {
    Incoming { received: Instant::now(), ..incoming.clone() }
}

/// What the far tier saved that had an answer.
fn saved(reports: &FarReports, stored: &StoredAnswer) -> Option<Saved> {
    let hit = reports.iter().flatten().find(|report| report.lookup == LookupOutcome::Hit)?;
    Some(Saved { tier: hit.tier, cost: stored.cost })
}

/// A life that nobody waits for at first. Whoever comes meanwhile takes a seat and lends it urgency.
async fn refreshed(state: &Arc<State>, incoming: &Incoming, understood: &Understood, _permit: OwnedSemaphorePermit) {
    let Some((lead, seat)) = state.flights.lead(understood.key, Priority::Batch) else { return };
    let legs: Arc<LegMemo> = Arc::default();
    let mut life = Life::new(state, incoming, &legs);
    let options = Options { on_deadline: OnDeadline::Error, deadline: None, ..understood.options.clone() };
    let understood = Understood { options, ..understood.clone() };
    // Stale or about to be: it was in memory.
    let known = state.tiers.l1().answer(&understood.key, Instant::now(), None).err().and_then(|none| none.stale);
    let filled = life.fill(&understood, &lead, known).await;
    state.metrics.calls_made(life.calls());
    lead.finish(Arc::new(filled));
    drop(seat);
}

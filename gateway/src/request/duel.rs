//! Duels: after a caller was answered, the plan that ran and another one of the same query run in the background, to see whether the
//! other one would have been better. They read what the first run read and write nothing: neither store nor cache.
//!
//! The plan that ran does so again, in an order left to chance: whatever runs later finds what runs before have warmed up, and held
//! against the caller's own run every other plan would look better than it is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use planner_model::record::{Mode, Outcome};
use rand::seq::IteratorRandom as _;
use tokio_util::sync::CancellationToken;

use super::{
    gateway::State,
    life::{Life, Understood, until_late},
    observe::Run,
    plan::Prepared,
};
use crate::{
    backend::{CallContext, Urgency},
    execute::{Job, LegMemo, Progress, Trace},
    planner::{
        Candidate, Choice, Observation, Planned,
        experience::{DuelRefusal, Found},
    },
    query::Priority,
};

/// Plans that are predicted to take more than so many times the best one are not tried.
const MOST_TIMES: f64 = 3.0;

/// At this part of a pool's connections in use it is busy.
const BUSY: f64 = 0.7;

/// A duel is given up after so many times what was predicted …
const PATIENCE: f64 = 20.0;

/// … and after this long, whatever was predicted.
const LONGEST: Duration = Duration::from_secs(10);

/// A duel to be held.
pub(super) struct Duel {
    /// Tells that the two runs belong together.
    pub(super) group: Arc<str>,
    /// The two candidates, in the order in which they run.
    runs: [usize; 2],
    /// Taken from what duels may take.
    predicted_us: f64,
}

impl Life<'_> {
    /// A duel, where one is due and nothing speaks against it.
    pub(super) fn duel(&self, understood: &Understood, prepared: &Prepared) -> Option<Duel> {
        let planning = &self.state.planning;
        let share = planning.settings().duels;
        if share <= 0.0 || rand::random::<f64>() >= share {
            return None;
        }
        let planned = &prepared.planned;
        let by_choice = matches!(planned.choice, Choice::Cheapest | Choice::Duelled | Choice::Measured);
        // Two plans that share legs with others of a batch, or changed in the middle, cannot be compared.
        if !by_choice || self.legs.began().is_some() || self.trace.replanned().is_some() {
            return None;
        }
        let refusal = |why| planning.experience().duel_refused(why);
        let Some(rival) = rival(planned) else {
            refusal(DuelRefusal::NoRival);
            return None;
        };
        if self.state.memory.refuses_batch() {
            refusal(DuelRefusal::Memory);
            return None;
        }
        if is_busy(self.state, understood) {
            refusal(DuelRefusal::Busy);
            return None;
        }
        let mut runs = [planned.chosen, rival];
        if rand::random() {
            runs.reverse();
        }
        let predicted_us = runs.map(|run| planned.candidates[run].predicted_us).iter().sum();
        if !planning.experience().budget().take(predicted_us) {
            refusal(DuelRefusal::Budget);
            return None;
        }
        Some(Duel { group: format!("{:032x}", rand::random::<u128>()).into(), runs, predicted_us })
    }

    /// Lets both plans run. Nobody waits for them.
    pub(super) fn hold(&self, duel: Duel, understood: &Understood, prepared: Arc<Prepared>) {
        let (state, understood) = (self.state.clone(), understood.clone());
        let (tenant, request_id) = (self.incoming.principal.tenant.clone(), self.incoming.request_id.clone());
        tokio::spawn(async move {
            let patience = Duration::from_secs_f64((duel.predicted_us * PATIENCE / 1e6).clamp(0.05, 1e3)).min(LONGEST);
            let planning = &state.planning;
            let mut spent = Duration::ZERO;
            for candidate in duel.runs {
                let ctx = CallContext {
                    priority: Urgency::from(Priority::Batch),
                    tenant: tenant.clone(),
                    deadline: Instant::now() + patience,
                    cancelled: CancellationToken::new(),
                    request_id: request_id.clone(),
                };
                let observed = fought(candidate, &duel.group, &understood, &prepared, &ctx).await;
                spent += observed.ranked;
                let is_whole = observed.is_whole();
                planning.notebook().note(Observation { logged: planning.notebook().logs(), ..observed });
                if !is_whole {
                    break;
                }
            }
            planning.experience().budget().settle(duel.predicted_us, spent);
        });
    }
}

/// Runs one of the two.
async fn fought(
    candidate: usize,
    group: &Arc<str>,
    understood: &Understood,
    prepared: &Prepared,
    ctx: &CallContext,
) -> Observation {
    let (trace, legs, progress) = (Trace::default(), Arc::new(LegMemo::default()), Progress::default());
    let job = Job {
        collection: &understood.collection,
        query: &understood.query,
        filter: &prepared.filter,
        ranking: &prepared.resolved.ranking,
        excluded: &prepared.resolved.excluded,
        request: prepared.resolved.request.as_ref(),
        reach_key: prepared.reach_key,
        list_key: prepared.list_key,
        held: &prepared.held,
        legs: &legs,
        ctx,
        trace: &trace,
        progress: &progress,
        midway: None,
    };
    let started = Instant::now();
    let ended = until_late(ctx, job.run(&prepared.planned.candidates[candidate].plan)).await;
    let ranked = started.elapsed();
    let outcome = match &ended {
        Some(Ok(_)) => Outcome::Ok,
        None => Outcome::DeadlineExceeded,
        Some(Err(_)) if Instant::now() >= ctx.deadline => Outcome::DeadlineExceeded,
        Some(Err(_)) => Outcome::Failed,
    };
    let run = Run {
        mode: Mode::Shadow,
        group: Some(group.clone()),
        outcome,
        replanned: false,
        ran: candidate,
        ranked,
        total: ranked,
        found: Found::default(),
        logged: false,
    };
    run.observed(understood, prepared, &trace)
}

/// Any of the other plans that are predicted to be nearly as good as the best one. Not always the second: a plan that is wrongly
/// taken for the third would never get a chance.
fn rival(planned: &Planned) -> Option<usize> {
    let best = planned.candidates.iter().map(|candidate| candidate.predicted_us).fold(f64::INFINITY, f64::min);
    let is_rival = |(index, candidate): &(usize, &Candidate)| {
        *index != planned.chosen && candidate.predicted_us <= MOST_TIMES * best
    };
    let rivals = planned.candidates.iter().enumerate().filter(is_rival);
    rivals.choose(&mut rand::rng()).map(|(index, _)| index)
}

/// Whether anybody waits for a connection, or most are in use.
fn is_busy(state: &State, understood: &Understood) -> bool {
    let collection = &understood.collection;
    let waits = !collection.entities.expected_wait().is_zero()
        || collection.graph.as_ref().is_some_and(|graph| !graph.expected_wait().is_zero());
    let fills = |pool: &Arc<dyn crate::pool::Watched>| {
        let at = pool.snapshot();
        at.max > 0 && at.in_use as f64 > BUSY * at.max as f64
    };
    waits || state.pools.all().iter().any(fills)
}

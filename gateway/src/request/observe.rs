//! Tells what a run came to, off the path of whoever waits for the answer.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use planner_model::record::{CacheState, Mode, Outcome};

use super::{
    duel::Duel,
    life::{Executed, Life, Understood},
    plan::Prepared,
};
use crate::{
    backend::CallContext,
    cache::RankedList,
    execute::{Timed, Trace},
    planner::{Choice, Observation, experience::Found},
    problem::{Code, Problem},
};

impl Life<'_> {
    /// Notes the run of the chosen plan. Returns the duel that is due, if one is.
    pub(super) fn observe(
        &self,
        understood: &Understood,
        prepared: &Arc<Prepared>,
        executed: &Result<Executed, Problem>,
        ctx: &CallContext,
        total: Duration,
    ) -> Option<Duel> {
        let planning = &self.state.planning;
        let planned = &prepared.planned;
        let outcome = match executed {
            _ if ctx.cancelled.is_cancelled() => Outcome::Cancelled,
            Ok(executed) if !executed.partial => Outcome::Ok,
            Ok(_) => Outcome::DeadlineExceeded,
            Err(problem) if problem.code == Code::DeadlineExceeded => Outcome::DeadlineExceeded,
            Err(_) => Outcome::Failed,
        };
        if let Some((why, _)) = self.trace.replanned() {
            planning.experience().replanned(*why);
        }
        let ranked = self.trace.ranked().unwrap_or(total);
        planning.earned(ranked);
        let duel = (outcome == Outcome::Ok).then(|| self.duel(understood, prepared)).flatten();
        let mode = if planned.choice == Choice::Forced { Mode::Forced } else { Mode::Chosen };
        // A run that went on with another plan has the latency of none.
        let replanned = self.trace.replanned().is_some();
        let wanted = mode == Mode::Forced || rand::random::<f64>() < planning.settings().sample;
        let found = executed.as_ref().map(|executed| found(understood, prepared, executed)).unwrap_or_default();
        let logged = planning.notebook().logs() && wanted && !replanned;
        let run = Run { mode, group: None, outcome, replanned, ran: planned.chosen, ranked, total, found, logged };
        planning.notebook().note(run.observed(understood, prepared, &self.trace));
        duel
    }
}

/// What only the answer tells.
fn found(understood: &Understood, prepared: &Prepared, executed: &Executed) -> Found {
    let items = u32::try_from(executed.items.len()).unwrap_or(u32::MAX);
    // A list that came to its end holds everything that passes the filter, but for what was left out by name.
    let whole = |list: &&Timed<RankedList>| list.made.exhausted && prepared.resolved.excluded.is_empty();
    let rows = prepared.planned.estimates.rows;
    let list = executed.ranked.list.as_ref().filter(whole).filter(|_| understood.query.vector.is_some());
    Found { selectivity: list.filter(|_| rows > 0.0).map(|list| (list.made.hits.len() as f64 / rows).min(1.0)), items }
}

/// A run in short.
pub(super) struct Run {
    pub(super) mode: Mode,
    pub(super) group: Option<Arc<str>>,
    pub(super) outcome: Outcome,
    pub(super) replanned: bool,
    pub(super) ran: usize,
    pub(super) ranked: Duration,
    pub(super) total: Duration,
    pub(super) found: Found,
    pub(super) logged: bool,
}

impl Run {
    pub(super) fn observed(self, understood: &Understood, prepared: &Prepared, trace: &Trace) -> Observation {
        Observation {
            at: SystemTime::now(),
            collection: understood.collection.schema.name.clone(),
            query: understood.key,
            tenant: understood.view.tenant.as_ref().map(|scope| scope.tenant.clone()),
            planned: prepared.planned.clone(),
            ran: self.ran,
            mode: self.mode,
            group: self.group,
            cache: CacheState { reach: prepared.held.reach.is_some(), list: prepared.held.list.is_some() },
            outcome: self.outcome,
            replanned: self.replanned,
            ranked: self.ranked,
            total: self.total,
            runs: trace.runs(),
            found: self.found,
            logged: self.logged,
        }
    }
}
